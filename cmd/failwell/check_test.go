package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/failwell/failwell/sandbox"
)

// stands API starts a stand-in at $API, with its keys in $KEY, $KEY_EXPIRED and so on.
func stands(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stands API")
	}
	s, err := sandbox.New(context.Background(), sandbox.Options{API: args[0], Logger: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	server := httptest.NewUnstartedServer(s.Handler())
	server.Listener = s.Listener(server.Listener)
	server.Start()
	ts.Defer(func() {
		server.Close()
		ts.Check(s.Close())
	})
	ts.Setenv("API", server.URL+s.BasePath())
	for name, key := range s.Keys() {
		ts.Setenv("KEY_"+strings.ToUpper(name), key)
	}
	ts.Setenv("KEY", s.Keys()["valid"])
}
