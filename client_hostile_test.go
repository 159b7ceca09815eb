package failwell_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

// hostileCalls is raised by make hostile.
var hostileCalls = flag.Int("hostile.calls", 120, "calls to each API in TestHostileAPIs")

// written is what TestHostileAPIs makes of an API, and how it is found again.
type written struct {
	key, path, body string // the body holds %d
	reads           string // what is read in between; "" is path
	// list is where the effects are looked up, with %d for where a page begins
	// unless it is one list; "" when sent once is enough.
	list string
}

// TestHostileAPIs calls APIs that fail in every way: errors, connections that end
// before and after the work is done, pages of proxies, bodies that drip. Then
// their journals are read: no write that its key does not protect was sent twice,
// and no write had two effects.
func TestHostileAPIs(t *testing.T) {
	for api, x := range map[string]written{
		"hume": {key: "valid", path: "/v0/batch/jobs", body: `{"models": {"language": {}}, "text": ["call %d"]}`},
		// The list of clients has no pages: after 8,000 writes, one that drips takes ten minutes.
		"jobs":       {key: "valid", path: "/v1/clients", body: `{"name": "call %d"}`, reads: "/v1/balance", list: "/v1/clients"},
		"heppu":      {key: "valid", path: "/api/v1/agents", body: `{"name": "call %d", "type": "chat", "systemPrompt": "You greet."}`},
		"aionvision": {key: "valid", path: "/api/v2/chat/sessions", body: `{"title": "call %d"}`},
		"hebbrix":    {key: "valid", path: "/v1/collections", body: `{"name": "call %d"}`, list: "/v1/collections?limit=100&skip=%d"},
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			h := startHostile(t, api, x)
			h.run(*hostileCalls)
			h.check()
		})
	}
}

type hostile struct {
	*testing.T
	written

	server *sandbox.Server
	client *http.Client
	// asked are the calls that were tried, done those that the client was told to
	// have succeeded.
	asked, done   atomic.Int64
	failed        sync.Map // conditions
	seen          map[string]sandbox.Entry
	last, doubles int64
	sent          int
}

func startHostile(t *testing.T, api string, x written) *hostile {
	t.Helper()
	s := sandbox.Start(t, api, sandbox.Options{Logger: slog.New(slog.DiscardHandler)})
	faults, err := json.Marshal(fault.Hostile(s.Contract(), 7))
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{T: t, written: x, server: s, seen: map[string]sandbox.Entry{}}
	h.control(http.MethodPut, "faults", string(faults))
	// Waits pass on the sandbox's clock, which is the client's as well.
	pass := func(ctx context.Context, d time.Duration) error { return s.Advance(ctx, d) }
	base := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(base.CloseIdleConnections)
	h.client = &http.Client{Transport: &failwell.Transport{
		Contract: s.Contract(), Base: base, Now: s.Now, Sleep: pass, MaxWait: -1, Budget: failwell.Budget{Ratio: 2},
	}}
	return h
}

func (h *hostile) control(method, path, body string) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, h.server.Origin+"/_sandbox/"+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err := failwell.Check(resp, err); err != nil {
		h.Fatal(err)
	}
	_ = resp.Body.Close()
}

func (h *hostile) call(method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(h.Context(), method, h.server.Origin+path, bodyOf(body))
	if err != nil {
		return "", err
	}
	scheme := h.server.Contract().Auth.Schemes[0]
	req.Header.Set(scheme.Name, strings.TrimSpace(strings.TrimSpace(scheme.Prefix)+" "+h.server.Key(h.key)))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := h.client.Do(req)
	if err := failwell.Check(resp, err); err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body) // the answer may break off after the work
	return string(data), err
}

// run makes calls from several goroutines, and reads the journal as it grows.
func (h *hostile) run(calls int) {
	h.Helper()
	const batch = 2000 // the journal holds 10,000 entries
	for from := 0; from < calls; from += batch {
		var group sync.WaitGroup
		next := atomic.Int64{}
		next.Store(int64(from))
		for range 16 {
			group.Go(func() {
				for n := next.Add(1); n <= int64(min(from+batch, calls)); n = next.Add(1) {
					h.one(n)
				}
			})
		}
		group.Wait()
		h.read()
	}
}

func (h *hostile) one(n int64) {
	if n%5 == 0 {
		_, _ = h.call(http.MethodGet, cmp.Or(h.reads, h.path), "") // reads may be repeated as they like
		return
	}
	h.asked.Add(1)
	_, err := h.call(http.MethodPost, h.path, fmt.Sprintf(h.body, n))
	e, failed := errors.AsType[*failwell.Error](err)
	if !failed {
		h.done.Add(1)
		return
	}
	h.failed.Store(fmt.Sprintf("%s/%s", e.Condition, e.Stopped), true)
	switch {
	case errors.Is(e, failwell.QuotaExhausted):
		_ = h.server.Advance(h.Context(), 31*24*time.Hour) // the next month
	case errors.Is(e, failwell.RateLimited):
		_ = h.server.Advance(h.Context(), e.RetryAfter) // where a write may not go again, the next one may
	}
}

// read looks through the journal since the last time.
func (h *hostile) read() {
	h.Helper()
	resp, err := http.DefaultClient.Get(fmt.Sprintf("%s/_sandbox/journal?after=%d", h.server.Origin, h.last))
	if err := failwell.Check(resp, err); err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct{ Entries []sandbox.Entry }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil { //nolint:musttag // the entries have tags
		h.Fatal(err)
	}
	for _, e := range page.Entries {
		if e.Number != h.last+1 && h.last != 0 {
			h.Fatalf("the journal has lost entries %d to %d", h.last+1, e.Number-1)
		}
		h.last = e.Number
		if e.Method != http.MethodPost || e.Body == "" {
			continue
		}
		h.sent++
		if first, ok := h.seen[e.Body]; ok {
			h.doubles++
			if e.IdempotencyKey == "" || e.IdempotencyKey != first.IdempotencyKey {
				h.Errorf("a write was sent again unprotected: %+v after %+v", e, first)
			}
		}
		h.seen[e.Body] = e
	}
}

// check compares what was sent, what was told and what is there.
func (h *hostile) check() {
	h.Helper()
	conditions := []any{}
	h.failed.Range(func(key, _ any) bool { conditions = append(conditions, key); return true })
	h.Logf("%d writes, %d succeeded, %d bodies arrived, %d of them again; failures: %v", h.asked.Load(), h.done.Load(), h.sent, h.doubles, conditions)
	if h.done.Load() == 0 || h.done.Load() == h.asked.Load() && h.doubles == 0 {
		h.Error("nothing went wrong, or nothing went well: nothing was shown")
	}
	if h.list == "" {
		return // each was sent once, so none can have been done twice
	}
	h.control(http.MethodPut, "faults", `{"rules": []}`)
	count := map[string]int{}
	for from, paged := 0, strings.Contains(h.list, "%d"); ; {
		path := h.list
		if paged {
			path = fmt.Sprintf(h.list, from)
		}
		text, err := h.call(http.MethodGet, path, "")
		if err != nil {
			h.Fatal(err)
		}
		names := strings.Split(text, `"name":"call `)[1:]
		for _, name := range names {
			id, _, _ := strings.Cut(name, `"`)
			count[id]++
		}
		if from += len(names); len(names) == 0 || !paged {
			break
		}
	}
	for id, n := range count {
		if n > 1 {
			h.Errorf("call %s was done %d times", id, n)
		}
	}
	if int64(len(count)) < h.done.Load() {
		h.Errorf("%d are there, %d were told to have succeeded", len(count), h.done.Load())
	}
}
