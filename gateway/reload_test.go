package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
)

// TestReloadDropsNothing swaps upstreams and contract under load.
func TestReloadDropsNothing(t *testing.T) {
	t.Parallel()
	one := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "one") })
	two := upstream(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "two") })
	var g *running
	own := pprof.Labels("test", t.Name()) // what a goroutine starts inherits them
	pprof.Do(t.Context(), own, func(context.Context) { g = start(t, gateway.Settings{Upstreams: []string{one}}) })
	var served, failed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() {
			for ctx.Err() == nil {
				resp, err := g.client.Post(g.url, "text/plain", strings.NewReader("x"))
				if err != nil {
					failed.Add(1)
					continue
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || string(body) != "one" && string(body) != "two" {
					failed.Add(1)
				}
				served.Add(1)
			}
		})
	}
	goroutines := 0
	for i := range 40 {
		s := g.settings
		s.Upstreams = [][]string{{one}, {two}, {one, two}}[i%3]
		s.Timeout = time.Duration(30+i%2) * time.Second
		s.Contract = open + fmt.Sprintf("title: version %d\n", i)
		if err := g.Reload(s); err != nil {
			t.Error(err)
		}
		for before := served.Load(); served.Load() < before+20 && failed.Load() == 0; {
			runtime.Gosched()
		}
		if i == 9 {
			goroutines = labelled(t, t.Name())
		}
	}
	if now := labelled(t, t.Name()); goroutines == 0 || now > goroutines+30 {
		t.Errorf("%d goroutines after 10 reloads, %d after 40", goroutines, now)
	}
	cancel()
	load.Wait()
	if failed.Load() != 0 || served.Load() < 500 {
		t.Errorf("%d of %d requests failed", failed.Load(), served.Load())
	}
}

// labelled is how many goroutines a test has started that labelled itself.
func labelled(t *testing.T, name string) (n int) {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	_, stacks, _ := strings.Cut(b.String(), "\n") // behind the line that counts all
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(stack, fmt.Sprintf("# labels: {%q:%q}", "test", name)) {
			var same int
			if _, err := fmt.Sscanf(stack, "%d @", &same); err != nil {
				t.Fatal(err)
			}
			n += same
		}
	}
	return n
}

func TestBadReloadChangesNothing(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	secret := g.newKey(c, admission.NewKey{Account: "acme"})
	for name, change := range map[string]func(*gateway.Settings){
		"contract":  func(s *gateway.Settings) { s.Contract = keyed + "colour: red\nshape: round\n" },
		"upstream":  func(s *gateway.Settings) { s.Upstreams = []string{"nowhere"} },
		"port":      func(s *gateway.Settings) { s.Listen = "127.0.0.1:1" },
		"authority": func(s *gateway.Settings) { s.UpstreamCA = "/nowhere" },
	} {
		s := g.settings
		change(&s)
		err := g.Reload(s)
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		status, statusErr := c.Status(t.Context())
		if statusErr != nil || status.Reload == nil || strings.Join(status.Reload.Faults, "\n") != err.Error() {
			t.Errorf("%s: %+v %v", name, status.Reload, statusErr)
		}
		if name == "contract" && (len(status.Reload.Faults) != 2 || !strings.Contains(g.logs.String(), "shape")) {
			t.Errorf("not all faults: %q", status.Reload.Faults)
		}
		if resp, body := g.get("/item", "X-Api-Key", secret); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	if err := g.Reload(g.settings); err != nil {
		t.Fatal(err)
	}
	if status, err := c.Status(t.Context()); err != nil || status.Reload != nil {
		t.Errorf("%+v %v", status.Reload, err)
	}
}

// TestReloadKeepsCounts uses a limit up before a reload: it must be used up after.
func TestReloadKeepsCounts(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	secret := g.newKey(c, admission.NewKey{Account: "acme"})
	for range 5 {
		if resp, body := g.get("/item", "X-Api-Key", secret); resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	s := g.settings
	s.Contract = keyed + "title: next\n"
	if err := g.Reload(s); err != nil {
		t.Fatal(err)
	}
	resp, body := g.get("/item", "X-Api-Key", secret)
	wantFault(t, resp, body, 429, "slow_down")
}

func TestDrain(t *testing.T) {
	t.Parallel()
	began, finish := make(chan struct{}), make(chan struct{})
	g := behind(t, func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-finish
		io.WriteString(w, "finished")
	})
	got := make(chan string, 1)
	go func() {
		_, body := g.get("/")
		got <- body
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- g.stop() }()
	for !g.Status().Draining {
		runtime.Gosched()
	}
	close(finish)
	if body := <-got; body != "finished" {
		t.Errorf("got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if resp, err := g.client.Get(g.url); err == nil {
		resp.Body.Close()
		t.Error("the port is still open")
	}
}

// TestDrainIsBounded has an upstream that never answers: the caller is told.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	g := start(t, gateway.Settings{Upstreams: []string{up}, DrainTimeout: 100 * time.Millisecond})
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, body := g.get("/")
		wantFault(t, resp, body, 503, "unavailable")
	}()
	<-began
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	<-done
}
