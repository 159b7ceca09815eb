package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store/pebblestore"
)

type serveCmd struct {
	gateway.Settings `embed:""`

	Config    string `env:"FAILWELL_CONFIG"                     help:"Settings file; gateway.yaml is taken when it is there." placeholder:"FILE"`
	LogFormat string `default:"text"                            enum:"text,json"                                              env:"FAILWELL_LOG_FORMAT" help:"Form of the log on stderr: text or json (${default})." placeholder:"FORMAT"`
	JSON      bool   `help:"Print one line of JSON when ready."`
}

// defaultConfig is read when it is there and nothing else is named.
const defaultConfig = "gateway.yaml"

// Run serves until SIGINT or SIGTERM, then drains. SIGHUP reads contract and
// settings again; when something is wrong with them the old ones stay.
func (x *serveCmd) Run(ctx context.Context, c *console) error {
	tuneCollector(c.getenv)
	settings, err := x.settings(c.getenv)
	if err != nil {
		return err
	}
	logger := newLogger(c.stderr, x.LogFormat, settings.Level())
	if err := settings.Check(); err != nil {
		return hinted(err, "failwell serve --help lists all settings")
	}
	s, err := openStore(ctx, settings.Store, logger)
	if err != nil {
		return err
	}
	if err := refuseHalfCopy(ctx, s); err != nil {
		return errors.Join(err, s.Close())
	}
	warnOfStore(ctx, s, settings.Store, logger)
	if _, embedded := s.(*pebblestore.Store); embedded {
		runtime.GOMAXPROCS(threads(c.getenv, runtime.GOMAXPROCS(0), runtime.NumCPU()))
	}
	config := gateway.Config{
		Settings: settings, LoadContract: loadContract, LoadOperations: loadOperations, Reference: pagesOf, Store: s, Logger: logger, Version: version(),
	}
	withConsole(&config)
	g, err := gateway.New(config) // what it starts ends with Run or Close
	if err == nil {
		err = x.serve(ctx, c, g)
	}
	return errors.Join(err, s.Close())
}

func (x *serveCmd) serve(ctx context.Context, c *console, g *gateway.Gateway) error {
	if err := g.Listen(ctx); err != nil {
		return listenFault(err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	if x.JSON {
		if err := c.json(map[string]string{"url": g.URL(), "admin": g.AdminURL(), "console": consoleURL(g)}); err != nil {
			return errors.Join(err, g.Close()) // it closes what was opened
		}
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case <-hangup:
				x.reload(c.getenv, g)
			case <-over:
				return
			}
		}
	}()
	c.notef("serving on %s, %s", g.URL(), adminNote(g))
	if err := g.Run(ctx); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

func adminNote(g *gateway.Gateway) string {
	if url := g.AdminURL(); url != "" {
		return "admin and console on " + url
	}
	return "admin is off"
}

func listenFault(err error) error {
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return hinted(err, "write HOST:PORT, such as 127.0.0.1:8080, or :8080 for all addresses")
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hinted(err, "something else has the port; choose another, 127.0.0.1:0 for any")
	case errors.Is(err, syscall.EACCES):
		return hinted(err, "this user may not take the port; choose one above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return hinted(err, "this machine has no such address; 127.0.0.1 is there always")
	}
	return err
}

// reload reads the settings again. What the gateway refuses it logs itself.
func (x *serveCmd) reload(getenv func(string) string, g *gateway.Gateway) {
	settings, err := x.settings(getenv)
	if err != nil {
		g.RefuseReload(err)
		return
	}
	_ = g.Reload(settings)
}

// settings merges flags, variables and the file.
func (x *serveCmd) settings(getenv func(string) string) (gateway.Settings, error) {
	name := cmp.Or(x.Config, defaultConfig)
	text, err := os.ReadFile(name)
	if err != nil && (x.Config != "" || !errors.Is(err, fs.ErrNotExist)) {
		return gateway.Settings{}, hinted(fmt.Errorf("settings: %w", err), "check the path given with --config")
	}
	settings, err := gateway.ReadSettings(name, text, x.Settings, getenv)
	if err != nil {
		return gateway.Settings{}, err
	}
	if settings.Store == "" {
		if settings.Store, err = defaultStore(getenv); err != nil {
			return gateway.Settings{}, err
		}
	}
	return settings, nil
}

// tuneCollector trades memory for time, unless GOGC says otherwise. What a
// gateway keeps is a few megabytes and what a request needs is gone with it, so
// at the default of 100 the collector runs after every few megabytes of
// requests only to find the same things again. At 400 it runs a quarter as
// often: 50 instead of 54 µs of CPU per request with key and limit, for 66
// instead of 45 MB (medians of five rounds, 64 connections, two cores); 800
// gains 2 µs more for another 30 MB. A live heap that has grown (a million
// cached keys are 0.5 GB) is multiplied as well. There is no limit of our own
// against that: near one the collector does little else than run. GOMEMLIMIT
// sets one, for those who know what the machine has.
func tuneCollector(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// threads is how many goroutines run at once beside an embedded store, unless
// GOMAXPROCS or a quota of the machine says otherwise: two for each processor.
// Who waits for the disk in a system call keeps a place among those that run until
// the runtime looks after it, which takes up to 10 ms when there is nothing else
// for it to do. On two cores and with 300,000 records, four at once replay 18,600
// answers a second where two do 14,400, with p50 0.34 instead of 0.47 ms.
func threads(getenv func(string) string, present, processors int) int {
	if getenv("GOMAXPROCS") != "" || present != processors {
		return present
	}
	return 2 * processors
}

func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
