package sandbox

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Server is a sandbox on loopback, for tests.
type Server struct {
	*Sandbox

	// URL is the base URL of the API, for example http://127.0.0.1:40100/api/v1.
	URL string
	// Origin is URL without the path.
	Origin string

	tb TB
}

// TB is what Start needs of a *testing.T.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(end func())
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Start runs a sandbox until the test ends. The options are complete without
// API; nothing goes wrong on purpose unless they say so.
func Start(tb TB, api string, o Options) *Server {
	tb.Helper()
	o.API = api
	s, err := New(tb.Context(), o)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("sandbox: %v", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = server.Serve(s.Listener(listener)) // ends with ErrServerClosed
	}()
	tb.Cleanup(func() {
		_ = server.Close() // also what a fault holds
		<-over
		if err := s.Close(); err != nil {
			tb.Errorf("%v", err)
		}
	})
	origin := "http://" + listener.Addr().String()
	return &Server{Sandbox: s, URL: origin + s.base, Origin: origin, tb: tb}
}

// Key returns the key of that name; see [Sandbox.Keys]. The test ends when
// there is none.
func (s *Server) Key(name string) string {
	s.tb.Helper()
	key, ok := s.Keys()[name]
	if !ok {
		s.tb.Fatalf("sandbox: %s has no key called %q", s.contract.API, name)
	}
	return key
}
