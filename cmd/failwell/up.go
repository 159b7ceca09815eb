package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	pages "github.com/failwell/failwell/console"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

type upCmd struct {
	API    string `arg:""                                                                                 default:"heppu"         help:"API to stand in for (${default})." name:"name" optional:""`
	Listen string `help:"Address of the gateway (127.0.0.1:8080, or any port when that is taken)."        placeholder:"HOST:PORT"`
	Admin  string `help:"Address of its admin listener (127.0.0.1:8081, or any port when that is taken)." placeholder:"HOST:PORT"`
	Dir    string `help:"Directory for the store; absent: one that is removed at the end."                placeholder:"DIR"`
	JSON   bool   `help:"Print one line of JSON when ready."`
}

// Run puts a gateway in front of a stand-in, on one embedded store, until
// SIGINT or SIGTERM.
func (x *upCmd) Run(ctx context.Context, c *console) (err error) {
	tuneCollector(c.getenv)
	dir := x.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "failwell-up-"); err != nil {
			return fmt.Errorf("a directory for the store: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	logger := newLogger(c.stderr, "text", slog.LevelWarn)
	s, err := openStore(ctx, "pebble:"+dir, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return x.run(ctx, c, s, logger)
}

func (x *upCmd) run(ctx context.Context, c *console, s store.Store, logger *slog.Logger) error {
	api, err := startSandbox(ctx, sandbox.Options{API: x.API, Store: s, Open: true, Logger: logger})
	if err != nil {
		return err
	}
	var config net.ListenConfig
	behind, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("listen: %w", err), api.Close())
	}
	// The stand-in ends after the gateway, whose last requests it answers.
	rest, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- serveUntil(rest, api.Listener(behind), api.Handler()) }()
	origin := "http://" + behind.Addr().String()
	g, made, err := x.gateway(ctx, s, origin, logger)
	if err == nil {
		made.Sandbox, made.SandboxURL = api.Handler(), origin+"/_sandbox/"
		err = x.show(c, g, api, made)
	}
	if err == nil {
		err = g.Run(ctx)
	}
	stop()
	return errors.Join(err, <-ended, api.Close())
}

// gateway listens on the usual ports; other ones do where those are taken and
// nobody asked for them.
func (x *upCmd) gateway(ctx context.Context, s store.Store, upstream string, logger *slog.Logger) (*gateway.Gateway, *pages.Console, error) {
	settings := gateway.Settings{
		Contract: x.API, Upstreams: []string{upstream},
		Listen: cmp.Or(x.Listen, "127.0.0.1:8080"), Admin: cmp.Or(x.Admin, "127.0.0.1:8081"),
	}
	for again := range 2 {
		config := gateway.Config{Settings: settings, LoadContract: loadContract, Reference: pagesOf, Store: s, Logger: logger, Version: version()}
		made := withConsole(&config)
		g, err := gateway.New(config) // what it starts ends with Run or Close
		if err != nil {
			return nil, nil, fmt.Errorf("gateway: %w", err)
		}
		err = g.Listen(ctx)
		if err == nil {
			return g, made, nil
		}
		if again == 1 || !errors.Is(err, syscall.EADDRINUSE) || x.Listen != "" && x.Admin != "" {
			return nil, nil, listenFault(err)
		}
		settings.Listen, settings.Admin = cmp.Or(x.Listen, "127.0.0.1:0"), cmp.Or(x.Admin, "127.0.0.1:0")
	}
	return nil, nil, errors.New("no port is free")
}

func (x *upCmd) show(c *console, g *gateway.Gateway, api *sandbox.Sandbox, made *pages.Console) error {
	url := g.URL() + api.BasePath()
	if x.JSON {
		return c.json(map[string]any{"url": g.URL(), "base_url": url, "admin": g.AdminURL(), "console": inviting(g, made), "keys": api.Keys()})
	}
	p := c.painterFor(c.stdout)
	if err := c.printf("%s behind the gateway\n", p.bold(api.Contract().Title)); err != nil {
		return err
	}
	if err := c.pairs(p, [][2]string{{"api", url}, {"admin", g.AdminURL()}, {"console", inviting(g, made)}}); err != nil {
		return err
	}
	if err := errors.Join(c.print("\n"), c.table(p, "keys", []string{"STATE", "KEY"}, keyRows(api.Keys()))); err != nil {
		return err
	}
	if err := c.printf("\n%s\n", p.bold("try")); err != nil {
		return err
	}
	for _, t := range tries(x.API, url, api.Keys(), selfCommand()) {
		if err := c.printf("\n  %s\n  %s\n", p.faint("# "+t.why), t.line); err != nil {
			return err
		}
	}
	return c.printf("\nstop with Ctrl-C\n")
}
