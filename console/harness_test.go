package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/console"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

// site is a console on the admin listener of a real gateway.
type site struct {
	testing.TB
	*console.Console

	gateway *gateway.Gateway
	admin   *gateway.AdminClient
	url     string
	records *record.Memory
	browser *http.Client
}

// open starts a site under the contract hebbrix; change may set fields of the
// console.
func open(t testing.TB, change func(*console.Console)) *site {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(up.Close)
	s := &site{TB: t, records: &record.Memory{Max: 1_000_000}}
	g, err := gateway.New(gateway.Config{
		Settings: gateway.Settings{Contract: "hebbrix", Upstreams: []string{up.URL}, Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", DrainTimeout: time.Second},
		Store:    &store.Memory{}, LoadContract: builtin.Get, Logger: slog.New(slog.DiscardHandler), Version: "failwell test",
		Console: func(g *gateway.Gateway, api http.Handler) http.Handler {
			s.Console = &console.Console{API: api, Contract: g.Contract, Records: s.records, BaseURL: g.URL, Reference: "/errors/", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
			if change != nil {
				change(s.Console)
			}
			return s.Console
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := g.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s.gateway, s.url = g, "http://"+g.AdminAddr()
	if s.admin, err = gateway.OpenAdmin(s.url); err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.browser = &http.Client{Jar: jar, Timeout: time.Minute}
	if code, _ := s.get("/healthz"); code != http.StatusOK {
		t.Fatal("the gateway is not up")
	}
	return s
}

// get loads a page without a script, as curl would.
func (s *site) get(path string) (int, string) {
	s.Helper()
	return s.send(http.MethodGet, path, nil)
}

func (s *site) send(method, path string, form url.Values, header ...string) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.browser.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

var wordOfForm = regexp.MustCompile(`name="csrf" value="([A-Z0-9]+)"`)

// signIn signs in as whoever bears the token.
func (s *site) signIn(token string) {
	s.Helper()
	_, form := s.get("/console/sign-in")
	if code, body := s.send(http.MethodPost, "/console/sign-in", url.Values{"token": {token}, "csrf": {s.word(form)}}); code != http.StatusOK || !strings.Contains(body, "Sign out") {
		s.Fatalf("signing in: %d %s", code, body)
	}
}

// word is what the forms of a page carry.
func (s *site) word(page string) string {
	s.Helper()
	found := wordOfForm.FindStringSubmatch(page)
	if found == nil {
		s.Fatalf("no form in %s", page)
	}
	return found[1]
}

// change sends a form of the console.
func (s *site) change(path string, pairs ...string) (int, string) {
	s.Helper()
	_, page := s.get("/console/plans")
	form := url.Values{"csrf": {s.word(page)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return s.send(http.MethodPost, path, form)
}

// key makes one.
func (s *site) key(account string) admission.Key {
	s.Helper()
	_, key, err := s.admin.CreateKey(s.Context(), admission.NewKey{Account: account, Name: "production"})
	if err != nil {
		s.Fatal(err)
	}
	return key
}

// busy fills records with what an hour of an API may look like.
func (s *site) busy(keys []admission.Key, n int) {
	s.Helper()
	busy(keys, n, s.records.Add)
}

func busy(keys []admission.Key, n int, add func(*record.Record)) {
	chance := rand.New(rand.NewPCG(1, 2))
	type failure struct {
		code   string
		of     condition.Condition
		status int
		stage  record.Stage
	}
	failures := []failure{
		{"rate_limit_exceeded", condition.RateLimited, 429, record.Admission},
		{"invalid_api_key", condition.KeyUnknown, 401, record.Admission},
		{"validation_error", condition.ValidationFailed, 422, record.Validation},
		{"not_found", condition.ResourceMissing, 404, record.Handling},
		{"internal_error", condition.UpstreamTimeout, 504, record.Handling},
	}
	weights := []int{50, 12, 20, 14, 4}
	now := time.Now()
	left := map[string]int64{}
	quota := map[string]int64{}
	for i := range n {
		at := now.Add(-time.Hour + time.Duration(float64(time.Hour)*float64(i)/float64(n)))
		key := keys[chance.IntN(len(keys))]
		took := time.Duration(float64(4*time.Millisecond) * (0.3 + chance.ExpFloat64()))
		if chance.IntN(40) == 0 {
			took *= 60
		}
		r := record.Record{
			ID: fmt.Sprintf("01a22b7e-%04x-7%03x-8%03x-%012x", i%0xffff, i%0xfff, i%0xfff, i), Time: at.Add(-took), Ended: at, Account: key.Account, Key: key.ID, KeyStart: key.Start,
			Plan: "free", Operation: "POST /v1/memories", Method: "POST", Path: "/v1/memories", Status: 201, Stage: record.Handling,
			Decided: 14 * time.Microsecond, Upstream: took * 9 / 10, Took: took, Sent: 240, Bytes: 512, Tries: []record.Try{{To: "http://127.0.0.1:3000", After: 20 * time.Microsecond, Took: took * 9 / 10, Status: 201}},
		}
		if chance.IntN(3) > 0 {
			r.Operation, r.Method, r.Path, r.Status, r.Sent = "GET /v1/memories/{memory_id}", "GET", fmt.Sprintf("/v1/memories/mem_%06d", chance.IntN(99999)), 200, 0
			r.Tries[0].Status = 200
		}
		if i%20 == 0 {
			left[key.ID] = 60
		}
		before := max(left[key.ID], 0)
		left[key.ID]--
		if quota[key.Account] == 0 {
			quota[key.Account] = 1000
		}
		r.Limits = []record.Limit{
			{Kind: "rate", Max: 60, Per: time.Minute, Cost: 1, Before: before, After: max(before-1, 0), Reset: at.Add(40 * time.Second), Binding: true},
			{Name: "credits", Kind: "quota", Max: 1000, Period: "month", Cost: 1, Before: quota[key.Account], After: quota[key.Account] - 1, Reset: at.AddDate(0, 0, 20)},
		}
		quota[key.Account]--
		burst := i > n*7/10 && i < n*8/10
		if p := chance.IntN(100); p < 4 || burst && p < 35 {
			pick := chance.IntN(100)
			if burst {
				pick = 0
			}
			which := 0
			for sum := weights[0]; pick >= sum; sum += weights[which] {
				which++
			}
			f := failures[which]
			r.Code, r.Condition, r.Status, r.Stage = f.code, f.of, f.status, f.stage
			if f.stage != record.Handling {
				r.Tries, r.Upstream, r.Took = nil, 0, 60*time.Microsecond
				r.Time = at.Add(-r.Took)
			} else {
				r.Tries[0].Status = f.status
			}
			if f.status == 429 {
				r.Limits = r.Limits[:1]
				r.Limits[0].Before, r.Limits[0].After, r.Limits[0].Refused = 0, 0, true
				r.RetryAfter = 7 * time.Second
			}
			if f.status == 401 {
				r.Account, r.Key, r.KeyStart, r.Plan, r.Limits = "", "", "", "", nil
			}
			r.Body = `{"error":{"code":"` + f.code + `","message":"Told to the caller.","type":"api_error","status":` + fmt.Sprint(f.status) + `,"request_id":"req_` + r.ID + `"}}`
		}
		add(&r)
	}
}

func accountOf(id string) admission.Account {
	return admission.Account{ID: id, Name: id, State: admission.AccountActive}
}

// standIn is a sandbox of the API, as "failwell up" has one behind the gateway.
func standIn(t testing.TB) http.Handler {
	t.Helper()
	api, err := sandbox.New(t.Context(), sandbox.Options{API: "hebbrix", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	return api.Handler()
}
