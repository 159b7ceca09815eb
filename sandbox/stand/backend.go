package stand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/failwell/failwell"
)

// Backend is the service behind the API, for example what places telephone
// calls. It is a real server on loopback, so that an API whose backend is down,
// broken or slow fails for the same reason as in production.
type Backend struct {
	client *http.Client

	mu      sync.Mutex
	current string
	address string
	server  *http.Server
	slow    chan struct{}
}

// What a backend can be.
const (
	BackendUp     = "up"
	BackendDown   = "down"   // nobody listens
	BackendSlow   = "slow"   // it never answers
	BackendBroken = "broken" // it answers 500
)

// NewBackend starts a backend whose callers wait for timeout; 0 means two
// seconds. Close ends it.
func NewBackend(timeout time.Duration) (*Backend, error) {
	if timeout == 0 {
		timeout = 2 * time.Second
	}
	b := &Backend{client: &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}}
	if err := b.Set(BackendUp); err != nil {
		return nil, err
	}
	return b, nil
}

// Mode is what the backend is.
func (b *Backend) Mode() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current
}

// Set switches what the backend is.
func (b *Backend) Set(mode string) error {
	switch mode {
	case BackendUp, BackendDown, BackendSlow, BackendBroken:
	default:
		return errors.New("must be one of up, down, slow, broken")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop()
	b.current = mode
	if mode == BackendDown {
		return nil // the address stays; nobody listens there any more
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener on loopback is ready at once
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	b.address = listener.Addr().String()
	release := make(chan struct{})
	b.slow = release
	b.server = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch mode {
		case BackendSlow:
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case BackendBroken:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})}
	go func(server *http.Server) { _ = server.Serve(listener) }(b.server) // ends with ErrServerClosed
	return nil
}

func (b *Backend) stop() {
	if b.server != nil {
		close(b.slow)
		_ = b.server.Close()
		b.server = nil
	}
}

// Close ends the backend.
func (b *Backend) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop()
	b.client.CloseIdleConnections()
}

// Call asks the backend to do something and says in the vocabulary why it
// did not.
func (b *Backend) Call(ctx context.Context) error {
	b.mu.Lock()
	address := b.address
	b.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/calls", http.NoBody)
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	response, err := b.client.Do(request)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return failwell.FromCondition(failwell.UpstreamTimeout, err).With("timeout_seconds", b.client.Timeout.Seconds())
	case err != nil:
		return failwell.FromCondition(failwell.UpstreamUnreachable, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10))
	if response.StatusCode >= http.StatusBadRequest {
		return failwell.FromCondition(failwell.DependencyFailed, fmt.Errorf("backend answered %d", response.StatusCode)) //nolint:err113 // the status is the news
	}
	return nil
}
