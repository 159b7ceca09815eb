package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

type sandboxCmd struct {
	API     string `arg:""                                                      help:"API to stand in for."                                                                         name:"name"`
	Listen  string `default:"127.0.0.1:4010"                                    help:"Address to serve on (${default}); port 0 for any."                                            placeholder:"HOST:PORT"`
	Store   string `default:"memory:"                                           help:"Where it keeps everything: memory:, pebble:DIR, redis:// or postgres:// (${default})."        placeholder:"URL"`
	Faults  string `help:"Script of what goes wrong, in place of the mild one." placeholder:"FILE"                                                                                  type:"path"`
	Gentle  bool   `help:"Nothing goes wrong on purpose."                       xor:"faults"`
	Hostile bool   `help:"A fifth of the calls go wrong, in every way."         xor:"faults"`
	Seed    uint64 `default:"1"                                                 help:"Chooses what goes wrong where chance decides; the same seed gives the same run (${default})." placeholder:"NUMBER"`
	JSON    bool   `help:"Print one line of JSON when ready."`
}

// Run serves the stand-in until SIGINT or SIGTERM.
func (x *sandboxCmd) Run(ctx context.Context, c *console) error {
	logger := newLogger(c.stderr, "text", slog.LevelWarn)
	script, temper, err := x.script()
	if err != nil {
		return err
	}
	s, err := startSandbox(ctx, sandbox.Options{
		API: x.API, Logger: logger, Faults: script,
		OpenStore: func(clock func() time.Time) (store.Store, error) { return openOnClock(ctx, x.Store, clock, logger) },
	})
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", x.Listen)
	if err != nil {
		return errors.Join(listenFault(fmt.Errorf("listen %s: %w", x.Listen, err)), s.Close())
	}
	// The stand-in understands paths with and without the API's base path, so
	// that what a test is given can be put before either.
	url := "http://" + listener.Addr().String()
	if x.JSON {
		err = c.json(map[string]any{"url": url, "base_url": url + s.BasePath(), "keys": s.Keys()})
	} else {
		err = c.showSandbox(url, s, temper)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), s.Close())
	}
	return errors.Join(serveUntil(ctx, s.Listener(listener), s.Handler()), s.Close())
}

// script is what goes wrong on purpose, and how that is called.
func (x *sandboxCmd) script() (*fault.Script, string, error) {
	c, err := builtin.Get(x.API)
	if err != nil {
		return nil, "", nil //nolint:nilerr // startSandbox says it better
	}
	switch {
	case x.Faults != "":
		text, err := os.ReadFile(x.Faults)
		if err != nil {
			return nil, "", hinted(fmt.Errorf("faults: %w", err), "check the path given with --faults")
		}
		script, err := fault.Parse(x.Faults, text, c)
		if err != nil {
			return nil, "", hinted(err, "docs/sandbox.md says what a script can do")
		}
		return script, "faults as " + x.Faults + " says", nil
	case x.Gentle:
		return nil, "gentle: nothing goes wrong on purpose", nil
	case x.Hostile:
		return fault.Hostile(c, x.Seed), fmt.Sprintf("hostile: a fifth of the calls go wrong (seed %d)", x.Seed), nil
	}
	return fault.Mild(c, x.Seed), fmt.Sprintf("mildly hostile: 3 %% of the calls fail for a while, none takes the same time (seed %d; --gentle ends it)", x.Seed), nil
}

// openOnClock opens a store that goes by the sandbox's clock, where the store
// has none of its own.
func openOnClock(ctx context.Context, place string, clock func() time.Time, logger *slog.Logger) (store.Store, error) {
	switch dir, pebble := strings.CutPrefix(place, "pebble:"); {
	case place == memoryStore:
		return &store.Memory{Clock: clock}, nil
	case pebble && dir != "":
		s, err := pebblestore.Open(dir, pebblestore.Options{Logger: logger, Clock: clock}) // it reads files, which nothing interrupts
		if err != nil {
			return nil, storeFault(err)
		}
		return s, nil
	}
	return openStore(ctx, place, logger)
}

func startSandbox(ctx context.Context, o sandbox.Options) (*sandbox.Sandbox, error) {
	if !slices.Contains(sandbox.Names(), o.API) {
		return nil, hinted(&usageError{fmt.Sprintf("there is no sandbox for %q", o.API)}, contract.DidYouMean(o.API, sandbox.Names()))
	}
	s, err := sandbox.New(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("starting the sandbox: %w", err)
	}
	return s, nil
}

// serveUntil serves a handler until the context ends.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if server.Shutdown(rest) != nil {
		return server.Close() //nolint:wrapcheck // closing what is already failing
	}
	return nil
}

// showSandbox prints where it is and which keys there are.
func (c *console) showSandbox(origin string, s *sandbox.Sandbox, temper string) error {
	p := c.painterFor(c.stdout)
	if err := c.printf("sandbox on %s\nto look at and to steer: %s/_sandbox/\n%s\n\n", p.bold(origin+s.BasePath()), origin, temper); err != nil {
		return err
	}
	return c.table(p, "keys", []string{"STATE", "KEY"}, keyRows(s.Keys()))
}

// keyRows lists keys by name, the one that works first.
func keyRows(keys map[string]string) [][]string {
	rows := make([][]string, 0, len(keys))
	for name, key := range keys {
		rows = append(rows, []string{name, key})
	}
	slices.SortFunc(rows, func(a, b []string) int {
		switch {
		case a[0] == "valid":
			return -1
		case b[0] == "valid":
			return 1
		}
		return slices.Compare(a, b)
	})
	return rows
}
