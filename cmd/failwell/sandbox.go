package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox"
)

type sandboxCmd struct {
	API    string `arg:""                                    help:"API to stand in for."                              name:"name"`
	Listen string `default:"127.0.0.1:4010"                  help:"Address to serve on (${default}); port 0 for any." placeholder:"HOST:PORT"`
	JSON   bool   `help:"Print one line of JSON when ready."`
}

// Run serves the stand-in until SIGINT or SIGTERM.
func (x *sandboxCmd) Run(ctx context.Context, c *console) error {
	s, err := startSandbox(ctx, sandbox.Options{API: x.API, Logger: newLogger(c.stderr, "text", slog.LevelInfo)})
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
		err = c.showSandbox(url+s.BasePath(), s.Keys())
	}
	if err != nil {
		return errors.Join(err, listener.Close(), s.Close())
	}
	return errors.Join(serveUntil(ctx, listener, s.Handler()), s.Close())
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
func (c *console) showSandbox(url string, keys map[string]string) error {
	p := c.painterFor(c.stdout)
	if err := c.printf("sandbox on %s\n\n", p.bold(url)); err != nil {
		return err
	}
	return c.table(p, "keys", []string{"STATE", "KEY"}, keyRows(keys))
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
