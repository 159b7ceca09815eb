package fault_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

const agents = "/api/v1/agents"

func start(t *testing.T, rules ...fault.Rule) *sandboxtest.Server {
	t.Helper()
	return sandboxtest.Start(t, "heppu", sandbox.Options{Faults: &fault.Script{Seed: 7, Rules: rules}})
}

// raw makes a call on a connection of its own and returns all that comes, as it
// comes, and how it ended.
func raw(s *sandboxtest.Server, request string) (string, error) {
	s.Helper()
	conn, err := dial(s)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: %s\r\n\r\n", request, s.Key("valid"))
	all, err := io.ReadAll(conn)
	return string(all), err
}

func dial(s *sandboxtest.Server) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(s.Context(), "tcp", strings.TrimPrefix(s.Origin, "http://"))
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := start(t, fault.Rule{Nth: "1", Fault: fault.Fault{Reset: "before"}}, fault.Rule{Nth: "1", Fault: fault.Fault{Reset: "20"}})
	got, err := raw(s, "GET "+agents)
	if got != "" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("before: %q, %v", got, err)
	}
	got, err = raw(s, "GET "+agents)
	_, body, _ := strings.Cut(got, "\r\n\r\n")
	if !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(got, "HTTP/1.1 200 OK") || !strings.Contains(body, `{"data":{"agents":[]`) || strings.Contains(body, `{"data":{"agents":[],`) {
		t.Errorf("after 20 bytes: %q, %v", got, err)
	}
	if r := s.Call("valid", "GET", agents, ""); r.Status != 200 {
		t.Errorf("afterwards: %d", r.Status)
	}
}

// The answer is lost, the work is done: or is not.
func TestDone(t *testing.T) {
	t.Parallel()
	s := start(t,
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Reset: "before", Done: true}},
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Reset: "before"}},
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Error: "internal_error", Done: true}},
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Error: "internal_error"}},
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Status: 502, Body: "html"}},
		fault.Rule{Method: "POST", Nth: "1", Fault: fault.Fault{Status: 502, Body: "html", Done: true}},
	)
	for i := range 6 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/agents", strings.NewReader(fmt.Sprintf(`{"name":"number %d"}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", s.Key("valid"))
		request.Header.Set("Content-Type", "application/json")
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}
	body := s.Call("valid", "GET", agents, "").Body
	for i, want := range []bool{true, false, true, false, false, true} {
		if got := strings.Contains(body, fmt.Sprintf("number %d", i)); got != want {
			t.Errorf("number %d: done %v, want %v", i, got, want)
		}
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	s := start(t, fault.Rule{Fault: fault.Fault{Stall: "5"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/agents", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", s.Key("valid"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var head [5]byte
	if _, err := io.ReadFull(response.Body, head[:]); err != nil {
		t.Fatal(err)
	}
	conn, err := dial(s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\n\r\n", agents, s.Key("valid"))
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q %v", line, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(reader)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(string(rest), "\r\n\r\n") {
		t.Errorf("%q, %v", rest, err)
	}
}

// Five bytes at a time arrive as chunks of five.
func TestDrip(t *testing.T) {
	t.Parallel()
	s := start(t, fault.Rule{Fault: fault.Fault{Drip: "5 every 1ms"}})
	got, err := raw(s, "GET "+agents)
	_, body, _ := strings.Cut(got, "\r\n\r\n")
	if err != nil || !strings.HasPrefix(body, "5\r\n{\"dat\r\n5\r\na\":{\"\r\n") || !strings.HasSuffix(body, "0\r\n\r\n") {
		t.Errorf("%q, %v", body, err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault fault.Fault
		check func(head http.Header, status int, body string) bool
	}{
		"malformed": {fault.Fault{Body: "malformed"}, func(h http.Header, status int, b string) bool {
			return status == 200 && h.Get("Content-Type") == "application/json" && strings.HasPrefix(b, `{"error"`) && !strings.HasSuffix(b, "}")
		}},
		"html": {fault.Fault{Status: 502, Body: "html", ContentType: "text/html"}, func(h http.Header, status int, b string) bool {
			return status == 502 && h.Get("Content-Type") == "text/html" && strings.HasPrefix(b, "<html>")
		}},
		"empty": {fault.Fault{Status: 503, Body: "empty"}, func(_ http.Header, status int, b string) bool { return status == 503 && b == "" }},
		"truncated": {fault.Fault{Body: "truncated"}, func(_ http.Header, status int, b string) bool {
			return status == 200 && strings.HasPrefix(b, `{"data"`) && !strings.HasSuffix(strings.TrimSpace(b), "}}")
		}},
		"binary": {fault.Fault{Body: "binary"}, func(_ http.Header, _ int, b string) bool { return strings.HasPrefix(b, "\x00\xff") }},
		"content type": {fault.Fault{ContentType: "text/plain"}, func(h http.Header, _ int, b string) bool {
			return h.Get("Content-Type") == "text/plain" && strings.HasPrefix(b, `{"data"`)
		}},
		"seconds":    {fault.Fault{Status: 503, RetryAfter: "3"}, func(h http.Header, _ int, _ string) bool { return h.Get("Retry-After") == "3" }},
		"negative":   {fault.Fault{Status: 503, RetryAfter: "-1"}, func(h http.Header, _ int, _ string) bool { return h.Get("Retry-After") == "-1" }},
		"a fraction": {fault.Fault{Status: 503, RetryAfter: "1.5"}, func(h http.Header, _ int, _ string) bool { return h.Get("Retry-After") == "1.5" }},
		"a word":     {fault.Fault{Status: 503, RetryAfter: "soon"}, func(h http.Header, _ int, _ string) bool { return h.Get("Retry-After") == "soon" }},
		"millennia":  {fault.Fault{Status: 503, RetryAfter: "999999999999"}, func(h http.Header, _ int, _ string) bool { return h.Get("Retry-After") == "999999999999" }},
		"a date": {fault.Fault{Status: 503, RetryAfter: "date 30s"}, func(h http.Header, _ int, _ string) bool {
			at, err := http.ParseTime(h.Get("Retry-After"))
			return err == nil && time.Until(at) > 20*time.Second && time.Until(at) <= 30*time.Second
		}},
		"a date gone by": {fault.Fault{Status: 503, RetryAfter: "date -1h"}, func(h http.Header, _ int, _ string) bool {
			at, err := http.ParseTime(h.Get("Retry-After"))
			return err == nil && time.Until(at) < 0
		}},
		"on top of an error": {fault.Fault{Error: "rate_limit_exceeded", RetryAfter: "7"}, func(h http.Header, status int, _ string) bool { return status == 429 && h.Get("Retry-After") == "7" }},
		"missing":            {fault.Fault{Missing: []string{"content-type", "date"}}, func(h http.Header, _ int, _ string) bool { return h["Content-Type"] == nil && h["Date"] == nil }},
		"missing length": {fault.Fault{Missing: []string{"content-length"}}, func(h http.Header, _ int, b string) bool {
			return h["Content-Length"] == nil && strings.HasPrefix(b, `{"data"`)
		}},
		"duplicate":            {fault.Fault{Duplicate: []string{"content-type"}}, func(h http.Header, _ int, _ string) bool { return len(h["Content-Type"]) == 2 }},
		"duplicate of nothing": {fault.Fault{Duplicate: []string{"X-Nothing"}}, func(h http.Header, _ int, _ string) bool { return h["X-Nothing"] == nil }},
		"headers":              {fault.Fault{Headers: map[string]string{"Server": "squid"}}, func(h http.Header, _ int, _ string) bool { return h.Get("Server") == "squid" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fault.Rule{Fault: tc.fault})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/agents", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Api-Key", s.Key("valid"))
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || !tc.check(response.Header, response.StatusCode, string(body)) {
				t.Errorf("%d %v %q %v", response.StatusCode, response.Header, body, err)
			}
		})
	}
}

// A stream ends in the middle of an event, and the client can tell.
func TestCutEvents(t *testing.T) {
	t.Parallel()
	i, err := fault.New(heppu(t), &fault.Script{Rules: []fault.Rule{{Fault: fault.Fault{CutEvents: 2}}}})
	if err != nil {
		t.Fatal(err)
	}
	events := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := range 5 {
			fmt.Fprintf(w, "data: event number %d\n\n", n)
		}
	})
	guard := &failwell.Guard{Contract: heppu(t)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, _ = i.Decide(r, "")
		i.Outside(guard, events).ServeHTTP(w, r)
	}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if want := "data: event number 0\n\ndata: event number 1\n\ndata: even"; err == nil || string(body) != want {
		t.Errorf("%q, %v; want %q", body, err, want)
	}
}

func TestOrdinals(t *testing.T) {
	t.Parallel()
	statuses := func(s *sandboxtest.Server, n int) (out []int) {
		for range n {
			r, err := s.Try("valid", "GET", agents, http.NoBody)
			if err != nil {
				s.Fatal(err)
			}
			out = append(out, r.Status)
		}
		return out
	}
	internal := fault.Fault{Error: "internal_error"}
	for name, tc := range map[string]struct {
		rule fault.Rule
		want []int
	}{
		"one":       {fault.Rule{Nth: "2", Fault: internal}, []int{200, 500, 200, 200}},
		"a range":   {fault.Rule{Nth: "1..2", Fault: internal}, []int{500, 500, 200, 200}},
		"from":      {fault.Rule{Nth: "3..", Fault: internal}, []int{200, 200, 500, 500}},
		"every":     {fault.Rule{Every: 2, Fault: internal}, []int{200, 500, 200, 500}},
		"key":       {fault.Rule{Key: "other", Fault: internal}, []int{200, 200}},
		"operation": {fault.Rule{Operation: "agents.create", Fault: internal}, []int{200, 200}},
		"path":      {fault.Rule{Path: "/api/*/agents", Method: "GET", Fault: internal}, []int{500, 500}},
		"all":       {fault.Rule{Percent: 100, Fault: internal}, []int{500, 500}},
	} {
		s := start(t, tc.rule)
		if got := statuses(s, len(tc.want)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
		// A reset counts from the beginning.
		s.Control("POST", "reset", "")
		if got := statuses(s, len(tc.want)); !slices.Equal(got, tc.want) {
			t.Errorf("%s, after a reset: %v, want %v", name, got, tc.want)
		}
	}
}

// The same seed gives the same run, also when calls come at once; another seed
// gives another one.
func TestSeed(t *testing.T) {
	t.Parallel()
	run := func(seed uint64, together bool) (failed []uint64) {
		i, err := fault.New(heppu(t), &fault.Script{Seed: seed, Rules: []fault.Rule{{Percent: 20, Fault: fault.Fault{OneOf: []string{"internal_error", "bad_gateway"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		count := map[string]uint64{}
		var wg sync.WaitGroup
		one := func() {
			_, d := i.Decide(httptest.NewRequest(http.MethodGet, agents, http.NoBody), "")
			mu.Lock()
			defer mu.Unlock()
			count[d.Told()]++
		}
		for range 400 {
			if together {
				wg.Go(one)
			} else {
				one()
			}
		}
		wg.Wait()
		return []uint64{count[""], count["error internal_error"], count["error bad_gateway"]}
	}
	alone := run(1, false)
	if again := run(1, true); !slices.Equal(alone, again) {
		t.Errorf("%v alone, %v at once", alone, again)
	}
	if alone[0] < 280 || alone[0] > 360 || alone[1] == 0 || alone[2] == 0 {
		t.Errorf("a fifth of 400 should fail, in both ways: %v", alone)
	}
	differ := false
	for seed := range uint64(5) {
		differ = differ || !slices.Equal(alone, run(seed+2, false))
	}
	if !differ {
		t.Error("the seed has no effect")
	}
}
