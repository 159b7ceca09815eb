package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

const agents = "/api/v1/agents"

type entries struct {
	Entries []sandbox.Entry `json:"entries"`
}

func journal(s *sandboxtest.Server, query string) []sandbox.Entry {
	s.Helper()
	return sandboxtest.Decode[entries](s.T, s.Call("", "GET", "/_sandbox/journal"+query, "")).Entries
}

// The journal says what came, what became of it, and which entries are attempts
// of one call.
func TestJournal(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{Faults: &fault.Script{Rules: []fault.Rule{{Method: "POST", Nth: "1", Fault: fault.Fault{Error: "internal_error"}}}}})
	trace := "00-4bf92f3577b34da6a3ce929d0e0e4736-%016d-01"
	for i := range 2 {
		s.Call("valid", "POST", agents, `{"name":"A"}`, "Traceparent", fmt.Sprintf(trace, i+1))
	}
	s.Call("valid", "GET", agents, "")
	s.Call("nobody", "GET", "/nothing", "")
	s.Call("valid", "POST", agents, `{"name":"A"}`)
	all := journal(s, "")
	if len(all) != 5 {
		t.Fatalf("%+v", all)
	}
	if a := all[0]; a.Number != 1 || a.Method != http.MethodPost || a.Path != agents || a.Operation != "agents.create" || a.Key != "valid" || a.Status != 500 || a.Code != "internal_error" ||
		a.Fault != "error internal_error" || a.Attempt != 1 || a.BodyBytes != 12 || a.RequestID == "" || !a.At.Equal(sandboxtest.Began()) || a.Call == "" {
		t.Errorf("first: %+v", a)
	}
	if a := all[1]; a.Status != 201 || a.Attempt != 2 || a.Call != all[0].Call || a.Repeats != 1 || a.Fault != "" {
		t.Errorf("second: %+v", a)
	}
	if a := all[2]; a.Operation != "agents.list" || a.Call != "" || a.Attempt != 0 || a.Repeats != 0 {
		t.Errorf("third: %+v", a)
	}
	if a := all[3]; a.Status != 404 || a.Key != "" || a.Operation != "" {
		t.Errorf("fourth: %+v", a)
	}
	if a := all[4]; a.Status != 409 || a.Repeats != 2 || a.Body != all[0].Body {
		t.Errorf("fifth: %+v", a)
	}
	if rest := journal(s, "?after=3"); len(rest) != 2 || rest[0].Number != 4 {
		t.Errorf("after the third: %+v", rest)
	}
	text, err := json.Marshal(all)
	if err != nil || strings.Contains(string(text), s.Key("valid")) {
		t.Errorf("a key stands in the journal: %s", text)
	}
	s.Control("DELETE", "journal", "")
	s.Call("valid", "GET", agents, "")
	if all = journal(s, ""); len(all) != 1 || all[0].Number != 6 {
		t.Errorf("numbers begin again: %+v", all)
	}
}

// Attempts under one idempotency key belong together, and replays are marked.
func TestJournalIdempotency(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hebbrix", sandbox.Options{})
	for range 2 {
		s.Call("valid", "POST", "/v1/collections", `{"name":"A"}`, "Idempotency-Key", "k1")
	}
	s.Call("other", "POST", "/v1/collections", `{"name":"A"}`, "Idempotency-Key", "k1")
	all := journal(s, "")
	if len(all) != 3 || all[0].Attempt != 1 || all[0].Replayed || all[1].Attempt != 2 || !all[1].Replayed || all[1].IdempotencyKey != "k1" || all[2].Attempt != 1 || all[2].Replayed {
		t.Errorf("%+v", all)
	}
}

// Everything goes by the clock: limits, keys, jobs, idempotency.
func TestClock(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hebbrix", sandbox.Options{})
	body := func(r sandboxtest.Reply) string {
		if r.Status != 201 {
			t.Errorf("%d %s", r.Status, r.Body)
		}
		return r.Body
	}
	first := body(s.Call("valid", "POST", "/v1/collections", `{"name":"A"}`, "Idempotency-Key", "k1"))
	s.Control("POST", "clock", `{"advance":"23h"}`)
	if again := body(s.Call("valid", "POST", "/v1/collections", `{"name":"A"}`, "Idempotency-Key", "k1")); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	s.Control("POST", "clock", `{"advance":"1h1s"}`)
	if again := s.Call("valid", "POST", "/v1/collections", `{"name":"B"}`, "Idempotency-Key", "k1"); again.Body == first || again.Status != 201 {
		t.Errorf("a day later: %d %s", again.Status, again.Body)
	}
	for _, wrong := range []string{`{"advance":"-1h"}`, `{"advance":"tomorrow"}`, `{"advance":"90000h"}`, `{"forward":"1h"}`, `{`} {
		if r := s.Call("", "POST", "/_sandbox/clock", wrong); r.Status != 400 {
			t.Errorf("%s: %d %s", wrong, r.Status, r.Body)
		}
	}
	got := sandboxtest.Decode[struct {
		Now   time.Time `json:"now"`
		Ahead float64   `json:"ahead_seconds"`
	}](t, s.Call("", "GET", "/_sandbox/clock", ""))
	if got.Ahead != 86401 || !got.Now.Equal(sandboxtest.Began().Add(86401*time.Second)) {
		t.Errorf("%+v", got)
	}
}

// A reset brings back what was there at first, and nothing else: resources,
// limits and switches; keys stay.
func TestReset(t *testing.T) {
	t.Parallel()
	for _, api := range sandbox.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, api, sandbox.Options{})
			keys := s.Keys()
			s.Control("PUT", "maintenance", `{"on":true}`)
			s.Control("PUT", "faults", `{"rules":[{"fault":{"status":502}}]}`)
			s.Control("POST", "reset", "")
			if got := s.Keys(); fmt.Sprint(got) != fmt.Sprint(keys) {
				t.Errorf("keys: %v, then %v", keys, got)
			}
			o := s.Contract().Operations[slices.IndexFunc(s.Contract().Operations, func(o *contract.Operation) bool {
				return o.Method == http.MethodGet && !strings.Contains(o.Path, "{") && !required(o)
			})]
			for range 2 {
				if r := s.Call("valid", "GET", o.Path, ""); r.Status != 200 {
					t.Errorf("%s: %d %s", o.Path, r.Status, r.Body)
				}
				s.Control("POST", "reset", "")
			}
		})
	}
}

func required(o *contract.Operation) bool {
	return slices.ContainsFunc(o.Parameters, func(p contract.Parameter) bool { return p.Required })
}

func TestResetResources(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{})
	for i := range 101 {
		r := s.Call("valid", "POST", agents, fmt.Sprintf(`{"name":"agent %d"}`, i))
		if want := map[bool]int{true: 201, false: 429}[i < 100]; r.Status != want {
			t.Fatalf("call %d: %d %s", i, r.Status, r.Body)
		}
	}
	s.Control("POST", "reset", "")
	if r := s.Call("valid", "GET", agents, ""); r.Status != 200 || !strings.Contains(r.Body, `"total":0`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Any code of any API can be had by asking, with its own status, envelope and
// headers.
func TestForcing(t *testing.T) {
	t.Parallel()
	for _, api := range sandbox.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := sandboxtest.Start(t, api, sandbox.Options{})
			for _, code := range s.Contract().Codes {
				path := "/nowhere"
				for _, o := range s.Contract().Operations {
					fits := len(code.Operations) == 0 || slices.Contains(code.Operations, o.ID)
					if fits && o.Method == http.MethodGet && !required(o) {
						path = o.Path
					}
				}
				if path == "/nowhere" {
					continue // of operations with bodies alone; their own tests reach it
				}
				r := s.Call("valid", "GET", path, "", fault.Header, code.Name)
				if r.Status != code.Status || r.Failure.Code == nil || r.Failure.Code.Wire != code.Wire {
					t.Errorf("%s: %d %s", code.Name, r.Status, r.Body)
				}
				if on := s.Contract().Headers.RetryAfter.On; (r.Status == 429 || r.Status == 503) && on.Holds(r.Status) && r.Header.Get("Retry-After") == "" {
					t.Errorf("%s tells no wait", code.Name)
				}
			}
		})
	}
}

// For one cause each of what heppu answers: the same by its cause and by force.
func TestForcedLikeCaused(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{BackendTimeout: 500 * time.Millisecond})
	s.Call("valid", "POST", agents, `{"name":"A","type":"voice"}`)
	agent := sandboxtest.Decode[struct{ Data struct{ ID string } }](t, s.Call("valid", "POST", agents, `{"name":"B","type":"voice"}`)).Data.ID
	broken := sandboxtest.Decode[struct{ Data struct{ ID string } }](t, s.Call("valid", "POST", agents, `{"name":"C"}`)).Data.ID
	s.Control("PUT", "corrupt/heppu/agents/org_main/"+broken, "")
	seen := map[string]bool{"bad_gateway": true, "gateway_timeout": true, "rate_limit_exceeded": true} // which come further down
	for _, tc := range []struct{ code, as, method, path, body string }{
		{"internal_error", "valid", "GET", "/" + broken, ""},
		{"missing_api_key", "", "GET", "", ""},
		{"invalid_api_key", "unknown", "GET", "", ""},
		{"revoked_api_key", "revoked", "GET", "", ""},
		{"insufficient_permissions", "read_only", "POST", "", `{"name":"x"}`},
		{"resource_not_found", "valid", "GET", "/none", ""},
		{"invalid_request", "valid", "POST", "", `{"name":`},
		{"validation_failed", "valid", "POST", "", `{"name":" "}`},
		{"resource_conflict", "valid", "POST", "", `{"name":"A"}`},
	} {
		r := s.Call(tc.as, tc.method, agents+tc.path, tc.body)
		if r.Code() != tc.code {
			t.Errorf("%s: %d %s", tc.code, r.Status, r.Body)
		}
		s.LikeForced(r, tc.as, tc.method, agents+tc.path, tc.body)
		seen[tc.code] = true
	}
	for _, code := range s.Contract().Codes {
		if !code.Beyond && !seen[code.Name] {
			t.Errorf("nothing causes %s", code.Name)
		}
	}
	dial := `{"agentId":"` + agent + `","phoneNumber":"+358401234567"}`
	for mode, code := range map[string]string{"down": "bad_gateway", "slow": "gateway_timeout"} {
		s.Control("PUT", "backend", `{"mode":"`+mode+`"}`)
		r := s.Call("valid", "POST", "/api/v1/calls/outbound", dial)
		if r.Code() != code {
			t.Errorf("%s: %d %s", mode, r.Status, r.Body)
		}
		s.LikeForced(r, "valid", "GET", agents, "")
	}
	for s.Call("live", "GET", agents, "").Status == 200 {
		// until the limit is used up
	}
	s.LikeForced(s.Call("live", "GET", agents, ""), "test", "GET", agents, "")
}

// Pages of other origins steer nothing; programs and the page itself do.
func TestOtherOrigins(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{})
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://example.com"}} {
		r := s.Call("", "POST", "/_sandbox/reset", "", headers...)
		if r.Status != 403 || r.Failure.Code == nil {
			t.Errorf("%v: %d %s", headers, r.Status, r.Body)
		}
	}
	if r := s.Call("", "POST", "/_sandbox/reset", "", "Sec-Fetch-Site", "same-origin"); r.Status != 204 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// The live journal ends with the sandbox, and sends what comes.
func TestEvents(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Origin+"/_sandbox/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	s.Call("valid", "GET", agents, "")
	const want = "id: 1\ndata: {\"number\":1,"
	head := make([]byte, len(want))
	if _, err := io.ReadFull(response.Body, head); err != nil || string(head) != want {
		t.Errorf("%q, %v", head, err)
	}
}

// A test can start one in less than 20 ms; the fastest of a few, since the
// machine may be busy.
func TestStartIsFast(t *testing.T) {
	for _, api := range sandbox.Names() {
		best := time.Hour
		for range 5 {
			began := time.Now()
			s, err := sandbox.New(t.Context(), sandbox.Options{API: api})
			if err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(began))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		t.Logf("%s: %v", api, best)
		if best > startBound {
			t.Errorf("%s took %v to start, %v are promised", api, best, startBound)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := sandbox.New(b.Context(), sandbox.Options{API: "heppu"})
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
