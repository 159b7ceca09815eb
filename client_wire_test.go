package failwell_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/failwell/failwell"
)

// memory is a server on pipes, so that a bubble's clock governs it.
type memory struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
	dials  atomic.Int64
	// delay, when set, is asked before each dial.
	delay func(ctx context.Context, dial int64) error
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.accept:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n := m.dials.Add(1)
	if m.delay != nil {
		if err := m.delay(ctx, n); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	select {
	case m.accept <- far:
		return near, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs a handler in a bubble and returns a client whose Transport speaks
// to it.
func serve(t *testing.T, h http.HandlerFunc) (*memory, *failwell.Transport, *http.Client) {
	t.Helper()
	m := &memory{accept: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Hour}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(m)
	}()
	tr := &failwell.Transport{Contract: parcels(), Base: &http.Transport{DialContext: m.dial}, Random: func() float64 { return 0 }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = server.Close()
		<-stopped
		<-time.After(time.Second) // net/http's server lingers after an early answer
	})
	return m, tr, &http.Client{Transport: tr}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"m"}}`, code)
}

// times answers the first n requests with first, the others with then.
func times(n int64, first, then http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= n {
			first(w, r)
			return
		}
		then(w, r)
	}
}

func post(ctx context.Context, t *testing.T, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://parcels.example"+path, strings.NewReader(`{"to":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func get(ctx context.Context, t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://parcels.example/parcels", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func wanted(t *testing.T, err error) *failwell.Error {
	t.Helper()
	e, ok := errors.AsType[*failwell.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e
}

func TestRetriesReuseTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		long := func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(bytes.Repeat([]byte("x"), failwell.MaxBody/2))
		}
		m, _, client := serve(t, times(2, long, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
		resp, err := client.Do(get(t.Context(), t))
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if n := m.dials.Load(); n != 1 {
			t.Errorf("three attempts dialled %d times", n)
		}
	})
}

func TestFinalResponseIsWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		whole := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		_, tr, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "req_big")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(whole)
		})
		resp, err := tr.RoundTrip(get(t.Context(), t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes of %d were readable: %v", len(got), len(whole), err)
		}
		e := wanted(t, failwell.Check(resp, nil))
		if e.Status != http.StatusForbidden || e.RequestID != "req_big" || !bytes.Equal(e.Body, whole[:failwell.MaxBody]) {
			t.Errorf("after the body was read: status %d, request id %q, %d bytes of body", e.Status, e.RequestID, len(e.Body))
		}
	})
}

func TestBrokenErrorBodyKeepsTheStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"code":"denied","mess`)
		})
		resp, err := client.Do(get(t.Context(), t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading the broken body: %v", err)
		}
		if e := wanted(t, failwell.Check(resp, nil)); e.Status != http.StatusForbidden || !errors.Is(e, failwell.PermissionDenied) {
			t.Errorf("got %v", e)
		}
	})
}

func TestAttemptTimeoutSparesTheBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, tr, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for range 5 {
				_, _ = io.WriteString(w, "drip ")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(time.Minute):
				case <-r.Context().Done():
					return
				}
			}
		})
		tr.AttemptTimeout = 2 * time.Second
		resp, err := client.Do(get(t.Context(), t))
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != strings.Repeat("drip ", 5) {
			t.Errorf("read %q: %v", got, err)
		}
		_ = resp.Body.Close()
	})
}

func TestAttemptTimeoutCoversTheErrorBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, tr, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		tr.AttemptTimeout = 2 * time.Second
		began := time.Now()
		resp, err := client.Do(get(t.Context(), t))
		e := wanted(t, failwell.Check(resp, err))
		if e.Status != http.StatusForbidden || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), e)
		}
	})
}

func TestHangingDialIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m, tr, client := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
		tr.AttemptTimeout = time.Second
		m.delay = func(ctx context.Context, dial int64) error {
			if dial > 1 {
				return nil
			}
			<-ctx.Done()
			return errors.New("interrupted")
		}
		resp, err := client.Do(post(t.Context(), t, "/labels"))
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
}

func TestSlowAnswerMayHaveBeenSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var served atomic.Int64
		_, tr, client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			served.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		tr.AttemptTimeout = time.Second
		resp, err := client.Do(post(t.Context(), t, "/labels"))
		e := wanted(t, failwell.Check(resp, err))
		if e.Stopped != failwell.StopUnsafe || served.Load() != 1 || !e.Timeout() || !errors.Is(e, context.DeadlineExceeded) || !errors.Is(e, failwell.UpstreamTimeout) {
			t.Errorf("served %d times: %v", served.Load(), e)
		}
	})
}

func TestCancelledWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			fail(w, http.StatusTooManyRequests, "slow_down")
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		began := time.Now()
		resp, err := client.Do(get(ctx, t))
		e := wanted(t, failwell.Check(resp, err))
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("cancelled after 10s, returned after %v", took)
		}
		if !errors.Is(e, context.Canceled) || !errors.Is(e, failwell.RateLimited) || e.Stopped != failwell.StopCancelled || e.RetryAfter != time.Minute || e.Origin != failwell.FromClient {
			t.Errorf("the error lost what happened: %+v", e)
		}
	})
}

func TestCancelCauseIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusServiceUnavailable, "down") })
		ctx, cancel := context.WithCancelCause(t.Context())
		shutdown := errors.New("shutting down")
		time.AfterFunc(time.Millisecond, func() { cancel(shutdown) })
		resp, err := client.Do(get(ctx, t))
		if err := failwell.Check(resp, err); !errors.Is(err, shutdown) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// http.Client wraps the body when it has a timeout, and loses the chain of
// errors when that strikes; what the call met must survive both.
func TestClientTimeoutFailsFast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			fail(w, http.StatusTooManyRequests, "slow_down")
		})
		client.Timeout = 5 * time.Second
		began := time.Now()
		resp, err := client.Do(get(t.Context(), t))
		e := wanted(t, failwell.Check(resp, err))
		if time.Since(began) != 0 || e.Stopped != failwell.StopDeadline || len(e.Attempts) != 1 || e.RetryAfter != time.Minute || !errors.Is(e, parcels429(e)) {
			t.Errorf("after %v: %+v", time.Since(began), e)
		}
	})
}

func parcels429(e *failwell.Error) error { return e.Contract.MustCode("slow_down") }

func TestRequestIsNotModified(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var counts []string
		_, tr, client := serve(t, times(1,
			func(w http.ResponseWriter, r *http.Request) {
				counts = append(counts, r.Header.Get("X-Retry-Count"))
				fail(w, http.StatusInternalServerError, "broken")
			},
			func(_ http.ResponseWriter, r *http.Request) { counts = append(counts, r.Header.Get("X-Retry-Count")) }))
		tr.CountHeader = "X-Retry-Count"
		req := post(t.Context(), t, "/parcels")
		resp, err := client.Do(req)
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if len(req.Header) != 0 {
			t.Errorf("the caller's request gained %v", req.Header)
		}
		if strings.Join(counts, "|") != "|1" {
			t.Errorf("counted %q", counts)
		}
	})
}

func TestUpgradePasses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, tr, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := buffered.ReadString('\n')
			_, _ = io.WriteString(conn, "echo "+line)
		})
		tr.AttemptTimeout = time.Second
		req := get(t.Context(), t)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := tr.RoundTrip(req)
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		duplex, ok := resp.Body.(io.ReadWriter)
		if !ok {
			t.Fatalf("the body of an upgrade is a %T, which cannot be written", resp.Body)
		}
		time.Sleep(time.Minute) // a bubble's minute: the attempt's limit has passed
		_, _ = io.WriteString(duplex, "hello\n")
		if line, err := bufio.NewReader(duplex).ReadString('\n'); line != "echo hello\n" {
			t.Errorf("read %q: %v", line, err)
		}
	})
}

func TestRedirectsAreTheClients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/parcels" {
				http.Redirect(w, r, "/gone?pass=topsecret", http.StatusTemporaryRedirect)
				return
			}
			fail(w, http.StatusNotFound, "nowhere")
		})
		resp, err := client.Do(post(t.Context(), t, "/parcels"))
		e := wanted(t, failwell.Check(resp, err))
		if e.URL != "http://parcels.example/gone?pass=redacted" || e.Method != http.MethodPost || !errors.Is(e, failwell.ResourceMissing) {
			t.Errorf("%s %s: %v", e.Method, e.URL, e)
		}
	})
}

func TestDerivedRequestStartsAfresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, _, client := serve(t, times(1,
			func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusForbidden, "denied") },
			func(http.ResponseWriter, *http.Request) {}))
		resp, err := client.Do(get(t.Context(), t))
		if failwell.Check(resp, err) == nil {
			t.Fatal("a 403 is no failure")
		}
		resp, err = client.Do(get(resp.Request.Context(), t))
		if err := failwell.Check(resp, err); err != nil {
			t.Errorf("a success was taken for the failure before it: %v", err)
		}
		_ = resp.Body.Close()
	})
}

func TestNothingLeaks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		_, tr, client := serve(t, times(20, func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusServiceUnavailable, "down") },
			func(http.ResponseWriter, *http.Request) {}))
		tr.AttemptTimeout = time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				resp, err := client.Do(post(ctx, t, "/parcels"))
				if failwell.Check(resp, err) == nil {
					_ = resp.Body.Close()
				}
			})
		}
		group.Wait()
	})
}

// A server may answer before it has read the body, while the base transport is
// still sending it; the repetition must not share anything with that.
func TestEarlyAnswerAndRewind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		whole := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
		_, _, client := serve(t, times(3,
			func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusServiceUnavailable, "down") },
			func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://parcels.example/parcels", strings.NewReader(whole))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != whole {
			t.Errorf("%d bytes arrived: %v", len(got), err)
		}
		_ = resp.Body.Close()
	})
}

// contexts remembers the context of the last attempt.
type contexts struct {
	http.RoundTripper
	last context.Context
}

func (c *contexts) RoundTrip(req *http.Request) (*http.Response, error) {
	c.last = req.Context()
	return c.RoundTripper.RoundTrip(req)
}

// An attempt with a time limit must not stay registered with a parent context
// that lives on.
func TestAttemptsEnd(t *testing.T) {
	for name, end := range map[string]func(io.ReadCloser){
		"at the end of the body": func(b io.ReadCloser) { _, _ = io.Copy(io.Discard, b) },
		"when it is closed":      func(b io.ReadCloser) { _ = b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				base := &contexts{RoundTripper: &script{steps: []step{ok()}}}
				tr := &failwell.Transport{Base: base, AttemptTimeout: time.Second}
				resp, err := tr.RoundTrip(get(t.Context(), t))
				if err := failwell.Check(resp, err); err != nil {
					t.Fatal(err)
				}
				if base.last.Err() != nil {
					t.Error("the attempt ended before its body was read")
				}
				end(resp.Body)
				if base.last.Err() == nil {
					t.Error("the attempt goes on")
				}
			})
		})
	}
}
