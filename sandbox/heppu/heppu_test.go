package heppu_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
	"github.com/failwell/failwell/store/storetest"
)

type stand struct {
	*testing.T
	*sandbox.Sandbox
	server *httptest.Server
	clock  *storetest.Clock
}

func start(t *testing.T, o sandbox.Options) *stand {
	t.Helper()
	at := storetest.ClockAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	o.API, o.Clock, o.Logger = "heppu", at.Now, slog.New(slog.DiscardHandler)
	if o.BackendTimeout == 0 {
		o.BackendTimeout = 100 * time.Millisecond
	}
	s, err := sandbox.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &stand{T: t, Sandbox: s, server: server, clock: at}
}

type reply struct {
	status  int
	header  http.Header
	body    string
	failure contract.Failure
}

// call makes a call as the key of that name and reads what came of it.
func (s *stand) call(as, method, path, body string, headers ...string) reply {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if key := s.Keys()[as]; key != "" {
		request.Header.Set("X-Api-Key", key)
	} else if as != "" {
		request.Header.Set("X-Api-Key", as)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.server.Client().Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	out := reply{status: response.StatusCode, header: response.Header, body: string(data)}
	if out.status >= 400 {
		f, ok := s.Contract().Decode(contract.Response{Status: out.status, Header: response.Header, Body: data}, s.clock.Now())
		if !ok || f.Code == nil || !f.Certain || f.RequestID == "" {
			s.Errorf("%s %s: not an error of the contract: %d %s", method, path, out.status, data)
		}
		out.failure = f
	}
	return out
}

func (s *stand) id(r reply) string {
	s.Helper()
	var got struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || got.Data.ID == "" {
		s.Fatalf("no id in %d %s", r.status, r.body)
	}
	return got.Data.ID
}

func TestHeppuAgents(t *testing.T) {
	s := start(t, sandbox.Options{})
	created := s.call("valid", "POST", "/api/v1/agents", `{"name":"Reception","temperature":0.5,"systemPrompt":"Greet."}`)
	if created.status != 201 {
		t.Fatalf("%d %s", created.status, created.body)
	}
	id := s.id(created)
	for _, as := range []string{"valid", "test", "live", "read_only"} {
		if got := s.call(as, "GET", "/api/v1/agents/"+id, ""); got.status != 200 || s.id(got) != id {
			t.Errorf("as %s: %d %s", as, got.status, got.body)
		}
	}
	if got := s.call("", "GET", "/agents/"+id, "", "Authorization", "bearer "+s.Keys()["valid"]); got.status != 200 {
		t.Errorf("by bearer and without the base path: %d %s", got.status, got.body)
	}
	if got := s.call("valid", "PATCH", "/api/v1/agents/"+id, `{"name":"Night desk","status":"inactive"}`); got.status != 200 || !strings.Contains(got.body, `"updated":true`) {
		t.Errorf("update: %d %s", got.status, got.body)
	}
	if got := s.call("valid", "POST", "/api/v1/agents", `{"name":"Reception"}`); got.status != 201 {
		t.Errorf("a name that was given up is not free: %d %s", got.status, got.body)
	}
	list := s.call("valid", "GET", "/api/v1/agents?limit=1&offset=0&status=inactive", "")
	if !strings.Contains(list.body, `"total":1`) || !strings.Contains(list.body, id) {
		t.Errorf("list: %s", list.body)
	}
	if got := s.call("other", "GET", "/api/v1/agents", ""); !strings.Contains(got.body, `"total":0`) {
		t.Errorf("another organisation sees %s", got.body)
	}
	if got := s.call("valid", "DELETE", "/api/v1/agents/"+id, ""); got.status != 204 || got.body != "" {
		t.Errorf("delete: %d %q", got.status, got.body)
	}
	if got := s.call("valid", "GET", "/api/v1/agents/"+id, ""); got.status != 404 {
		t.Errorf("a deleted agent: %d", got.status)
	}
}

// Every documented error, each by its real cause.
func TestHeppuErrors(t *testing.T) {
	s := start(t, sandbox.Options{})
	id := s.id(s.call("valid", "POST", "/api/v1/agents", `{"name":"A","type":"voice"}`))
	chat := s.id(s.call("valid", "POST", "/api/v1/agents", `{"name":"B"}`))
	broken := s.id(s.call("valid", "POST", "/api/v1/agents", `{"name":"C"}`))
	control := func(path, body string) {
		t.Helper()
		if got := s.call("", "PUT", "/_sandbox/"+path, body); got.status != 204 {
			t.Fatalf("control %s: %d %s", path, got.status, got.body)
		}
	}
	dial := `{"agentId":"` + id + `","phoneNumber":"+358401234567"}`
	for _, tc := range []struct {
		name             string
		before           func()
		as, method, path string
		body             string
		status           int
		code             string
		condition        condition.Condition
		details          string
	}{
		{"no key", nil, "", "GET", "/agents", "", 401, "missing_api_key", condition.KeyMissing, ""},
		{"a key that is none", nil, "invalid_key", "GET", "/agents", "", 401, "invalid_api_key", condition.KeyUnknown, ""},
		{"mistyped", nil, "malformed", "GET", "/agents", "", 401, "invalid_api_key", condition.KeyUnknown, ""},
		{"never issued", nil, "unknown", "GET", "/agents", "", 401, "invalid_api_key", condition.KeyUnknown, ""},
		{"expired", nil, "expired", "GET", "/agents", "", 401, "invalid_api_key", condition.KeyUnknown, ""},
		{"deactivated", nil, "deactivated", "GET", "/agents", "", 401, "invalid_api_key", condition.KeyUnknown, ""},
		{"revoked", nil, "revoked", "GET", "/agents", "", 401, "revoked_api_key", condition.KeyRevoked, ""},
		{"suspended", nil, "suspended", "GET", "/agents", "", 403, "insufficient_permissions", condition.PermissionDenied, ""},
		{"permission", nil, "read_only", "POST", "/agents", `{"name":"x"}`, 403, "insufficient_permissions", condition.PermissionDenied, `{"required_permission":"agents:write"}`},
		{"unknown id", nil, "valid", "GET", "/agents/nonexistent_id", "", 404, "resource_not_found", condition.ResourceMissing, `{"resource_id":"nonexistent_id","resource_type":"agent"}`},
		{"somebody else's", nil, "other", "DELETE", "/agents/" + id, "", 404, "resource_not_found", condition.ResourceMissing, ""},
		{"unknown route", nil, "valid", "GET", "/nothing", "", 404, "resource_not_found", condition.ResourceMissing, ""},
		{"required field", nil, "valid", "POST", "/agents", `{}`, 400, "invalid_request", condition.RequestMalformed, ""},
		{"all problems at once", nil, "valid", "POST", "/agents", `{"name":7,"temperature":9}`, 400, "invalid_request", condition.RequestMalformed, ""},
		{"not JSON", nil, "valid", "POST", "/agents", `{"name":`, 400, "invalid_request", condition.RequestMalformed, ""},
		{"bad query", nil, "valid", "GET", "/agents?limit=1000", "", 400, "invalid_request", condition.RequestMalformed, ""},
		{"blank name and prompt", nil, "valid", "POST", "/agents", `{"name":" ","systemPrompt":" "}`, 422, "validation_failed", condition.ValidationFailed, `{"field":"name","message":"must not be blank"}`},
		{"blank prompt", nil, "valid", "POST", "/agents", `{"name":"x","systemPrompt":"  "}`, 422, "validation_failed", condition.ValidationFailed, ""},
		{"duplicate name", nil, "valid", "POST", "/agents", `{"name":"A"}`, 409, "resource_conflict", condition.ResourceConflict, `{"conflict":"duplicate_name"}`},
		{"rename to a taken name", nil, "valid", "PATCH", "/agents/" + id, `{"name":"B"}`, 409, "resource_conflict", condition.ResourceConflict, ""},
		{"state that does not allow it", nil, "valid", "POST", "/calls/outbound", `{"agentId":"` + chat + `","phoneNumber":"+1555"}`, 409, "resource_conflict", condition.ResourceConflict, ""},
		{"unknown key id", nil, "valid", "DELETE", "/api-keys/key_nope", "", 404, "resource_not_found", condition.ResourceMissing, ""},
		{"granting more than one has", nil, "read_only", "POST", "/api-keys", `{"name":"k"}`, 403, "insufficient_permissions", condition.PermissionDenied, ""},
		{"corrupt record", func() { control("corrupt/heppu/agents/org_main/"+broken, "") }, "valid", "GET", "/agents/" + broken, "", 500, "internal_error", condition.Internal, ""},
		{"backend down", func() { control("backend", `{"mode":"down"}`) }, "valid", "POST", "/calls/outbound", dial, 502, "bad_gateway", condition.UpstreamUnreachable, ""},
		{"backend slow", func() { control("backend", `{"mode":"slow"}`) }, "valid", "POST", "/calls/outbound", dial, 504, "gateway_timeout", condition.UpstreamTimeout, ""},
		{"maintenance", func() { control("maintenance", `{"on":true}`) }, "valid", "GET", "/agents", "", 503, "internal_error", condition.Unavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.before != nil {
				tc.before()
			}
			got := s.call(tc.as, tc.method, "/api/v1"+tc.path, tc.body)
			if got.status != tc.status || got.failure.Code == nil || got.failure.Code.Name != tc.code || got.failure.Condition != tc.condition {
				t.Fatalf("got %d %s (%s), want %d %s (%s)", got.status, got.body, got.failure.Condition, tc.status, tc.code, tc.condition)
			}
			var body struct {
				Error struct {
					Details json.RawMessage `json:"details"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Fatal(err)
			}
			if tc.details != "" && !includes(body.Error.Details, tc.details) {
				t.Errorf("details %s, want %s", body.Error.Details, tc.details)
			}
			if strings.Contains(got.body, s.Keys()["valid"]) || strings.Contains(got.body, "corrupt") {
				t.Errorf("something private got out: %s", got.body)
			}
		})
	}
	if got := s.call("", "PUT", "/_sandbox/backend", `{"mode":"sideways"}`); got.status != 400 {
		t.Errorf("an unknown mode: %d %s", got.status, got.body)
	}
}

func includes(got json.RawMessage, want string) bool {
	var g, w map[string]any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
		return false
	}
	for name, value := range w {
		if fmt.Sprint(g[name]) != fmt.Sprint(value) {
			return false
		}
	}
	return true
}

// Of two hundred calls at once exactly the limit gets in; the others are told
// when to come back, and then get in.
func TestHeppuRateLimit(t *testing.T) {
	s := start(t, sandbox.Options{})
	var mu sync.Mutex
	count := map[int]int{}
	var refused reply
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			got := s.call("valid", "GET", "/api/v1/agents", "")
			mu.Lock()
			defer mu.Unlock()
			count[got.status]++
			if got.status == 429 {
				refused = got
			}
			if got.header.Get("X-Ratelimit-Limit") != "100" || got.header.Get("X-Ratelimit-Reset") == "" {
				t.Errorf("headers of a %d: %v", got.status, got.header)
			}
		})
	}
	wg.Wait()
	if count[200] != 100 || count[429] != 100 {
		t.Fatalf("%v", count)
	}
	if refused.header.Get("Retry-After") != "60" || refused.failure.RetryAfter != time.Minute || refused.header.Get("X-Ratelimit-Remaining") != "0" {
		t.Errorf("%v, %+v", refused.header, refused.failure)
	}
	if got := s.call("test", "GET", "/api/v1/agents", ""); got.status != 200 {
		t.Errorf("another key is limited too: %d", got.status)
	}
	s.clock.Advance(59 * time.Second)
	if got := s.call("valid", "GET", "/api/v1/agents", ""); got.status != 429 || got.header.Get("Retry-After") != "1" {
		t.Errorf("a second early: %d, %v", got.status, got.header)
	}
	s.clock.Advance(time.Second)
	if got := s.call("valid", "GET", "/api/v1/agents", ""); got.status != 200 {
		t.Errorf("after the wait: %d %s", got.status, got.body)
	}
}

func TestHeppuKeys(t *testing.T) {
	s := start(t, sandbox.Options{})
	created := s.call("valid", "POST", "/api/v1/api-keys", `{"name":"ci","permissions":["agents:read"]}`)
	var got struct {
		Data struct {
			ID  string `json:"id"`
			Key string `json:"key"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(created.body), &got); err != nil || created.status != 201 || !strings.HasPrefix(got.Data.Key, "heppu_live_") {
		t.Fatalf("%d %s", created.status, created.body)
	}
	if r := s.call(got.Data.Key, "GET", "/api/v1/agents", ""); r.status != 200 {
		t.Errorf("the new key: %d %s", r.status, r.body)
	}
	if r := s.call(got.Data.Key, "POST", "/api/v1/agents", `{"name":"x"}`); r.status != 403 {
		t.Errorf("beyond its permissions: %d", r.status)
	}
	if r := s.call("other", "DELETE", "/api/v1/api-keys/"+got.Data.ID, ""); r.status != 404 {
		t.Errorf("another organisation revokes it: %d", r.status)
	}
	if r := s.call("valid", "DELETE", "/api/v1/api-keys/"+got.Data.ID, ""); r.status != 204 {
		t.Errorf("revoke: %d %s", r.status, r.body)
	}
	if r := s.call(got.Data.Key, "GET", "/api/v1/agents", ""); r.status != 401 || r.failure.Code.Name != "revoked_api_key" {
		t.Errorf("the revoked key: %d %s", r.status, r.body)
	}
}

// A call is made, answered and ended by the clock, and belongs to who made it.
func TestHeppuCalls(t *testing.T) {
	s := start(t, sandbox.Options{})
	agent := s.id(s.call("valid", "POST", "/api/v1/agents", `{"name":"A","type":"voice"}`))
	made := s.call("valid", "POST", "/api/v1/calls/outbound", `{"agentId":"`+agent+`","phoneNumber":"+358401234567","priority":3.0,"metadata":{"case":7}}`)
	id := s.id(made)
	if made.status != 201 || !strings.Contains(made.body, `"status":"queued"`) || !strings.Contains(made.body, `"metadata":{"case":7}`) {
		t.Fatalf("%d %s", made.status, made.body)
	}
	for _, tc := range []struct {
		after  time.Duration
		status string
	}{{0, "queued"}, {5 * time.Second, "in_progress"}, {59 * time.Second, "in_progress"}, {time.Second, "completed"}} {
		if err := s.Advance(t.Context(), tc.after); err != nil {
			t.Fatal(err)
		}
		if got := s.call("read_only", "GET", "/api/v1/calls/"+id, ""); got.status != 200 || !strings.Contains(got.body, `"status":"`+tc.status+`"`) {
			t.Errorf("after %v: %d %s, want %s", tc.after, got.status, got.body, tc.status)
		}
	}
	later := s.id(s.call("valid", "POST", "/api/v1/calls/outbound", `{"agentId":"`+agent+`","phoneNumber":"+15550100"}`))
	list := func(query string) string {
		var got struct {
			Data struct {
				Calls []struct {
					ID string `json:"id"`
				} `json:"calls"`
			} `json:"data"`
		}
		r := s.call("valid", "GET", "/api/v1/calls?"+query, "")
		if err := json.Unmarshal([]byte(r.body), &got); err != nil {
			t.Fatalf("%v in %s", err, r.body)
		}
		var ids []string
		for _, c := range got.Data.Calls {
			ids = append(ids, c.ID)
		}
		return strings.Join(ids, " ")
	}
	for query, want := range map[string]string{
		"": later + " " + id, "limit=1": later, "offset=1": id, "status=completed": id, "agentId=" + agent: later + " " + id, "agentId=none": "", "offset=9": "",
	} {
		if got := list(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	for _, path := range []string{"none", strings.Repeat("x", 500)} {
		if got := s.call("valid", "GET", "/api/v1/calls/"+path, ""); got.status != 404 || !strings.Contains(got.body, `"resource_type":"call"`) {
			t.Errorf("%.10s: %d %s", path, got.status, got.body)
		}
	}
	if got := s.call("other", "GET", "/api/v1/calls/"+id, ""); got.status != 404 {
		t.Errorf("another organisation reads it: %d %s", got.status, got.body)
	}
}

// Names are unique also when many ask for one at once.
func TestHeppuUniqueNames(t *testing.T) {
	s := start(t, sandbox.Options{})
	var mu sync.Mutex
	count := map[int]int{}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			got := s.call("plan_plus", "POST", "/api/v1/agents", `{"name":"one"}`)
			mu.Lock()
			count[got.status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if count[201] != 1 || count[409] != 39 {
		t.Fatalf("%v", count)
	}
}

// With a store of its own everything goes on after a restart: keys, agents, names
// that are taken, and a call that is under way.
func TestHeppuRestart(t *testing.T) {
	dir := t.TempDir()
	open := func(now func() time.Time) (store.Store, error) {
		return pebblestore.Open(dir, pebblestore.Options{Clock: now})
	}
	var key, agent, rung string
	t.Run("before", func(t *testing.T) {
		s := start(t, sandbox.Options{OpenStore: open})
		key, agent = s.Keys()["valid"], s.id(s.call("valid", "POST", "/api/v1/agents", `{"name":"A","type":"voice"}`))
		rung = s.id(s.call("valid", "POST", "/api/v1/calls/outbound", `{"agentId":"`+agent+`","phoneNumber":"+15550100"}`))
	})
	s := start(t, sandbox.Options{OpenStore: open})
	if s.Keys()["valid"] != key {
		t.Error("the keys changed")
	}
	if got := s.call("valid", "GET", "/api/v1/agents/"+agent, ""); got.status != 200 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.call("valid", "POST", "/api/v1/agents", `{"name":"A"}`); got.status != 409 {
		t.Errorf("the name is free: %d %s", got.status, got.body)
	}
	if err := s.Advance(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := s.call("valid", "GET", "/api/v1/calls/"+rung, ""); !strings.Contains(got.body, `"status":"completed"`) {
		t.Errorf("the call: %d %s", got.status, got.body)
	}
}

// The scenarios that the API's document lists, as its contract has them.
func TestHeppuScenarios(t *testing.T) {
	for _, sc := range start(t, sandbox.Options{}).Contract().Scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			s := start(t, sandbox.Options{})
			as := "valid"
			var headers []string
			for name, value := range sc.Headers {
				headers = append(headers, name, value)
			}
			var hit bool
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range sc.Times {
				wg.Go(func() {
					got := s.call(as, sc.Method, s.BasePath()+sc.Path, sc.Body, headers...)
					mu.Lock()
					defer mu.Unlock()
					hit = hit || got.status == sc.Status && got.failure.Code != nil && got.failure.Code.Name == sc.Code
				})
			}
			wg.Wait()
			if !hit {
				t.Errorf("no %d %s", sc.Status, sc.Code)
			}
		})
	}
}

// Everything a stranger can send ends in an error of the contract.
func FuzzHeppuCreate(f *testing.F) {
	f.Add([]byte(`{"name":"A"}`))
	f.Add([]byte(`{"name":"\u0000","config":{"a":[[[[]]]]},"toolIds":[1e400]}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	s, err := sandbox.New(f.Context(), sandbox.Options{API: "heppu", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/agents", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Api-Key", s.Keys()["valid"])
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code == 201 {
			return
		}
		failure, ok := s.Contract().Decode(contract.Response{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}, time.Now())
		if w.Code >= 500 || !ok || !failure.Certain {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
