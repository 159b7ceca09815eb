package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstreamArg runs this program as the server that clients are measured against,
// in a process of its own, so that only the client's work is counted.
const upstreamArg = "upstream"

// upstream answers 1 KiB; below /flaky every other call is refused first.
func upstream() http.Handler {
	answer := bytes.Repeat([]byte("x"), 1<<10)
	var calls atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["X-Request-Id"] = []string{"01a22b8d-5009-7f00-9dac-4fdf2b4864d8"}
		if r.URL.Path == "/flaky" && calls.Add(1)%2 == 1 {
			w.Header()["Content-Type"] = []string{"application/json"}
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"error":{"code":"broken","message":"Broken."}}`)
			return
		}
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = w.Write(answer)
	})
}

// serveUpstream tells its address and serves until its input ends.
func serveUpstream() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	fmt.Fprintln(os.Stdout, listener.Addr())
	server := &http.Server{Handler: upstream(), ReadHeaderTimeout: time.Minute}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with whoever started this
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != nil && err != http.ErrServerClosed {
		return err
	}
	return nil
}

// startUpstream returns the server's URL.
func startUpstream(ctx context.Context) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	command := exec.CommandContext(ctx, self, upstreamArg)
	in, err := command.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, fmt.Errorf("starting the upstream: %w", err)
	}
	stop = func() {
		_ = in.Close()
		_ = command.Wait() // it was asked to end
	}
	buffer := make([]byte, 64)
	n, err := out.Read(buffer)
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the upstream did not start: %w", err)
	}
	return "http://" + strings.TrimSpace(string(buffer[:n])), stop, nil
}

// successes measures calls that succeed, retries those that need a second try.
func successes(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	return along(ctx, s, progress, "A POST of 1 KiB that succeeds, 1 KiB back", bareClient, "/ok", controlled(httpClients()))
}

func retries(ctx context.Context, s settings, progress io.Writer) (*table, error) {
	return along(ctx, s, progress, "A POST of 1 KiB that succeeds at the second try, no wait between", ourClient, "/flaky", repeating())
}

// along calls a path from one goroutine, one client after the other.
func along(ctx context.Context, s settings, progress io.Writer, title, yardstick, path string, list []client) (*table, error) {
	url, stop, err := startUpstream(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
	}
	t := newTable(title, yardstick, names, figure{"µs", "%.1f", true}, figure{"client CPU µs", "%.1f", true},
		figure{"allocations", "%.1f", false}, figure{"connections", "%.0f", false})
	body := bytes.Repeat([]byte("x"), 1<<10)
	for round := range s.rounds {
		// Short turns, many times: what else the machine does meets all of them. In
		// random order: who comes after failsafehttp waits while its connections end.
		sums := make(map[string]*pathSum, len(list))
		bases := map[string]*dialled{}
		calls := map[string]caller{}
		for _, c := range list {
			bases[c.name] = newDialled()
			calls[c.name], sums[c.name] = c.make(bases[c.name], time.Nanosecond), &pathSum{}
		}
		order := slices.Clone(list)
		for began := time.Now(); time.Since(began) < s.loaded*time.Duration(len(list)); {
			rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] }) //nolint:gosec // an order to take turns in
			for _, c := range order {
				if err := sums[c.name].turn(ctx, calls[c.name], url+path, body); err != nil {
					return nil, fmt.Errorf("%s: %w", c.name, err)
				}
			}
		}
		for _, c := range list {
			x := sums[c.name]
			n := float64(x.calls)
			t.add(c.name, float64(x.took.Nanoseconds())/1e3/n, float64(x.used.Nanoseconds())/1e3/n, float64(x.allocations)/n, float64(bases[c.name].dials.Load()))
			bases[c.name].close()
			fmt.Fprintf(progress, "round %d/%d  %s  %-28s %6.1f µs  %5.1f allocations\n", round+1, s.rounds, path, c.name, float64(x.took.Nanoseconds())/1e3/n, float64(x.allocations)/n)
		}
	}
	return t, nil
}

type pathSum struct {
	calls       int
	took, used  time.Duration
	allocations uint64
}

func (x *pathSum) turn(ctx context.Context, call caller, url string, body []byte) error {
	const batch = 200
	var before, after runtime.MemStats
	if status, err := call(ctx, url, body); err != nil || status != http.StatusOK { // warms the connection
		return fmt.Errorf("%w: %d: %w", errStatus, status, err)
	}
	runtime.ReadMemStats(&before)
	began, used := time.Now(), ownCPU()
	for range batch {
		if status, err := call(ctx, url, body); err != nil || status != http.StatusOK {
			return fmt.Errorf("%w: %d: %w", errStatus, status, err)
		}
	}
	x.took += time.Since(began)
	x.used += ownCPU() - used
	runtime.ReadMemStats(&after)
	x.calls += batch
	x.allocations += after.Mallocs - before.Mallocs
	return nil
}

// dialled counts connections.
type dialled struct {
	*http.Transport

	dials atomic.Int64
	mu    sync.Mutex
	all   []net.Conn
}

// close ends all connections, also those whose answer nobody has read to its end:
// of them there would be more than a process may have, after some rounds.
func (d *dialled) close() {
	d.CloseIdleConnections()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range d.all {
		_ = conn.Close() // most are closed
	}
}

func newDialled() *dialled {
	d := &dialled{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	d.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		d.dials.Add(1)
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			d.mu.Lock()
			d.all = append(d.all, conn)
			d.mu.Unlock()
		}
		return conn, err
	}
	return d
}
