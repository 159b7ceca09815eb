package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// errDrained ends requests that take longer than the gateway waits for them.
var errDrained = errors.New("the gateway is shutting down")

// Run serves until the context ends, then takes no new connections and lets
// requests under way finish, for at most the drain timeout. Requests that take
// longer are answered with the contract's error where that is still possible.
// Run may be called once. A shutdown that was asked for is no error.
func (g *Gateway) Run(ctx context.Context) error {
	if err := g.Listen(ctx); err != nil {
		return err
	}
	s := g.live.Load().settings
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	if err := g.live.Load().admission.Watch(base); err != nil {
		g.log.Warn("changes of keys in other gateways are noticed within a second, not at once", "err", err)
	}
	failed := make(chan error, 4)
	servers := g.serve(base, s, failed)
	admin, err := g.serveAdmin(failed) // its shutdown comes after the context's end
	if err != nil {
		failed <- err
	}
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	g.draining.Store(true)
	drain := g.live.Load().settings.DrainTimeout
	g.log.Info("draining", "under_way", g.underWay.Load(), "timeout", drain)
	g.drain(servers, drain, end) // draining begins when the context has ended
	g.closeRecords()             // as above; it ends whoever follows as well
	if admin != nil {
		admin()
	}
	g.live.Load().closeIdle()
	g.giveBack()                         // as above
	return errors.Join(cause, g.Close()) // as above
}

// giveBack returns what was taken ahead of limits that are leased; what cannot
// be returned time frees.
func (g *Gateway) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := g.live.Load().admission.Close(ctx); err != nil {
		g.log.Warn("units of limits that were taken ahead could not be given back", "err", err)
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// serve starts a server for each protocol.
func (g *Gateway) serve(base context.Context, s Settings, failed chan<- error) []*http.Server {
	newServer := func(maxHeader int) *http.Server {
		return &http.Server{
			Handler: g, ReadHeaderTimeout: s.HeaderTimeout, IdleTimeout: s.IdleTimeout, MaxHeaderBytes: maxHeader,
			DisableGeneralOptionsHandler: true, // OPTIONS * is for the contract to answer
			ErrorLog:                     slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
			BaseContext:                  func(net.Listener) context.Context { return base },
			ConnState:                    stateChanged,
			ConnContext: func(ctx context.Context, c net.Conn) context.Context {
				switch c := c.(type) {
				case *clientConn:
					return context.WithValue(ctx, connKey{}, c)
				case *tlsClientConn:
					return context.WithValue(ctx, connKey{}, c.clientConn)
				}
				return ctx
			},
		}
	}
	run := func(server *http.Server, l net.Listener) {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			failed <- fmt.Errorf("serving: %w", err)
		}
	}
	// net/http allows 4 KiB more than it is told.
	http1 := newServer(int(s.MaxHeader) - 4<<10)
	http1.Protocols = new(http.Protocols)
	http1.Protocols.SetHTTP1(true)
	f := newFront(g.public, g.tlsConfig(publicCertificate), s.HeaderTimeout, g.refusal)
	if f.tls == nil {
		go run(http1, f)
		return []*http.Server{http1}
	}
	// HTTP/2 cannot be told what to say about a head that is too large; a
	// larger bound lets the handler say it.
	http2 := newServer(max(int(s.MaxHeader)*4, 1<<20))
	http2.Protocols = new(http.Protocols)
	http2.Protocols.SetHTTP2(true)
	http2.TLSConfig = f.tls
	go run(http1, f.http1)
	go run(http2, f.http2)
	go func() {
		if err := f.run(base); err != nil && !errors.Is(err, net.ErrClosed) && base.Err() == nil {
			failed <- fmt.Errorf("accepting: %w", err)
		}
	}()
	return []*http.Server{http1, http2}
}

// drain waits for requests under way. The last second belongs to those that
// have to be told that it is over; upgraded connections have no end of their own
// and are closed with them.
func (g *Gateway) drain(servers []*http.Server, timeout time.Duration, end context.CancelCauseFunc) {
	_ = g.public.Close() // servers over TLS do not own it
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan error, len(servers))
	for _, server := range servers {
		go func() { done <- server.Shutdown(ctx) }()
	}
	for range servers {
		if err := ignoreClosed(<-done); err != nil { // the port was closed above
			g.log.Warn("requests took longer than the drain timeout", "err", err)
		}
	}
	// Calls with an idempotency key go on when their callers have left.
	for g.live.Load().admission.Reserved() > 0 && ctx.Err() == nil {
		pause(ctx)
	}
	over := failwell.FromCondition(condition.Unavailable, errDrained)
	end(over)
	g.die(over)
	last, cancelLast := context.WithTimeout(context.Background(), time.Second)
	defer cancelLast()
	for _, server := range servers {
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	}
	// Upgraded connections are nobody's; their handlers end with the context.
	for g.underWay.Load() > 0 && last.Err() == nil {
		pause(last)
	}
}

// pause is between two looks at what is still under way.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}
