package console_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/console"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// stream opens a live stream and returns its lines.
func (s *site) stream(path, after string) (lines <-chan string, end func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	client := *s.browser
	client.Timeout = 0
	resp, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%s %s", resp.Status, resp.Header)
	}
	out := make(chan string, 1000)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		in := bufio.NewScanner(resp.Body)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			out <- in.Text()
		}
	}()
	return out, cancel
}

// TestLiveResumes: a browser that comes back gets what it has missed, once.
func TestLiveResumes(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	add := func(from, to int) {
		for i := from; i < to; i++ {
			s.records.Add(&record.Record{ID: fmt.Sprintf("request-%03d", i), Ended: time.Now(), Method: "GET", Path: fmt.Sprintf("/n/%03d", i), Status: 500 - 100*(i%2)})
		}
	}
	lines, end := s.stream("/console/live?status=5xx", "")
	add(0, 10)
	last, seen := "", 0
	for line := range lines {
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			last = id
		}
		if seen += strings.Count(line, "/n/"); strings.Contains(line, "/n/001") || strings.Contains(line, "/n/000<") {
			break
		}
	}
	end()
	add(10, 100)
	lines, end = s.stream("/console/live?status=5xx", last)
	defer end()
	got, missed := map[string]int{}, ""
	for line := range lines {
		if n, ok := strings.CutPrefix(line, "data: "); ok && missed == "event" {
			missed = n
		}
		if line == "event: missed" {
			missed = "event"
		}
		if _, rest, ok := strings.Cut(line, "</b> /n/"); ok {
			got[rest[:3]]++
		}
		if len(got) == 25 {
			break
		}
	}
	if missed != "20" { // 45 since, of which the latest 25 are shown
		t.Errorf("missed %q", missed)
	}
	for n, times := range got {
		if times != 1 || n < "050" {
			t.Errorf("%s came %d times", n, times)
		}
	}
}

// TestLiveIsBounded: one page too many is told so in the words of the contract,
// and gets in when another one has gone.
func TestLiveIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *console.Console) { c.MaxStreams = 5 })
	s.signIn(s.gateway.AdminToken())
	var ends []func()
	for range 5 {
		_, end := s.stream("/console/live", "")
		ends = append(ends, end)
	}
	problem, err := builtin.Get("problem")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/console/live", nil)
			resp, err := s.browser.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			var body [4096]byte
			n, _ := resp.Body.Read(body[:])
			f, ok := problem.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: body[:n]}, time.Now())
			if !ok || resp.StatusCode != 503 || f.Condition != condition.Overloaded || f.RetryAfter != 15*time.Second {
				t.Errorf("%d %+v", resp.StatusCode, f)
			}
		})
	}
	all.Wait()
	ends[0]()
	for {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/console/live", nil)
		resp, err := s.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
	}
	for _, end := range ends {
		end()
	}
}
