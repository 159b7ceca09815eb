package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/failwell/failwell/conform"
)

// The shop keeps its contract, and every rule there is was tried on it: none
// passes for want of an occasion.
func TestEveryRuleIsTried(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	config := s.config(s.front(t, func(*http.Request, *answer) {}, nil))
	config.UseUp = Allowances()
	report, err := Check(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if c.State() != "kept" {
			t.Errorf("%s is %s: %s", c.ID, c.State(), c.Skipped)
		}
		show(t, &c)
	}
}

func show(t *testing.T, c *conform.Check) {
	t.Helper()
	for _, f := range c.Findings {
		t.Logf("%s: %s\n  promised %s\n  seen %s\n%s\n  %v", c.ID, f.Subject, f.Promised(c.Rule), f.Seen, f.Reproduce, f.Evidence)
	}
}

func broken(r *conform.Report) (ids []string) {
	for _, c := range r.Broken() {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// defect is a server that breaks one promise.
type defect struct {
	rule string
	do   spoil
	// noHTTP is said in answer to what is no HTTP.
	noHTTP string
}

// hit spoils the answers to some requests.
func hit(which func(*http.Request) bool, how func(*answer)) spoil {
	return func(r *http.Request, a *answer) {
		if which(r) {
			how(a)
		}
	}
}

// at is a request with that method and path.
func at(method, path string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && r.URL.Path == path }
}

// as is an answer with that status to such a request.
func when(status int, method, path string, how func(*answer)) spoil {
	return hit(at(method, path), func(a *answer) {
		if a.status == status {
			how(a)
		}
	})
}

// key is a request that carries that key.
func (s *shop) key(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+s.keys[name] }
}

func defects(s *shop) []defect {
	const items, orders, photos, notes, search = "/v1/items", "/v1/orders", "/v1/photos", "/v1/notes", "/v1/search"
	coded := func(code string, status int) func(*answer) { return func(a *answer) { a.code(code, status) } }
	set := func(name, value string) func(*answer) { return func(a *answer) { a.header.Set(name, value) } }
	drop := func(name string) func(*answer) { return func(a *answer) { a.header.Del(name) } }
	// contains is an answer with that status and text.
	contains := func(status int, text string, how func(*answer)) spoil {
		return func(_ *http.Request, a *answer) {
			if a.status == status && strings.Contains(string(a.body), text) {
				how(a)
			}
		}
	}
	const otherID = "01234567-89ab-4def-8123-456789abcdef"
	return []defect{
		{rule: "answered", do: contains(400, `"not_json"`, func(a *answer) { a.gone = true })},
		{rule: "envelope", do: contains(404, `"no_route"`, func(a *answer) { a.body = []byte(`{"detail":"Not Found"}`) })},
		{rule: "wire-envelope", noHTTP: "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request"},
		{rule: "code-known", do: contains(404, `"no_route"`, func(a *answer) { a.edit(func(e map[string]any) { e["code"] = "not_in_the_book" }) })},
		{rule: "code-status", do: contains(422, `"invalid"`, func(a *answer) {
			a.status = 400
			a.edit(func(e map[string]any) { e["status"] = 400 })
		})},
		{rule: "code-operation", do: when(200, "GET", search, coded("no_item", 404))},
		{rule: "members", do: contains(413, "", func(a *answer) { a.edit(func(e map[string]any) { e["max_bytes"] = "2048" }) })},
		{rule: "status-in-body", do: contains(404, `"no_route"`, func(a *answer) { a.edit(func(e map[string]any) { e["status"] = 400 }) })},
		{rule: "media-type", do: contains(404, `"no_route"`, set("Content-Type", "text/html"))},
		{rule: "request-id", do: when(200, "GET", search, drop("X-Request-ID"))},
		{rule: "request-id-form", do: when(200, "GET", search, set("X-Request-ID", "request-7"))},
		{rule: "request-id-unique", do: func(r *http.Request, a *answer) {
			if a.status == 200 && r.Header.Get("X-Request-ID") == "" {
				a.header.Set("X-Request-ID", otherID)
			}
		}},
		{rule: "request-id-in-body", do: contains(404, `"no_route"`, func(a *answer) { a.edit(func(e map[string]any) { e["request_id"] = otherID }) })},
		{rule: "request-id-accepted", do: hit(func(r *http.Request) bool { return r.Header.Get("X-Request-ID") != "" }, set("X-Request-ID", otherID))},
		{rule: "process-time", do: when(200, "GET", search, set("X-Process-Time", "fast"))},
		{rule: "rate-limit-headers", do: when(200, "GET", search, drop("X-RateLimit-Remaining"))},
		{rule: "rate-limit-headers", do: when(200, "GET", search, set("X-RateLimit-Reset", "60"))},
		{rule: "rate-limit-fields", do: when(200, "GET", search, set("RateLimit", "40 of 50"))},
		{rule: "retry-after", do: contains(429, "", set("Retry-After", "soon"))},
		{rule: "retry-after", do: contains(429, "", drop("Retry-After"))},
		{rule: "allow", do: contains(405, "", drop("Allow"))},
		{rule: "allow", do: when(405, "PROPFIND", items, set("Allow", "GET"))},
		{rule: "head", do: hit(at("HEAD", items), func(a *answer) { a.status = 404 })},
		{rule: "nothing-private", do: contains(404, `"no_route"`, func(a *answer) {
			a.edit(func(e map[string]any) {
				e["message"] = "Traceback (most recent call last):\n  File \"/srv/shop/app.py\", line 3"
			})
		})},
		{rule: "nothing-private", do: contains(422, `"invalid"`, set("X-Debug", "SELECT name FROM items WHERE id = 3"))},
		{rule: "secret-repeated", do: func(r *http.Request, a *answer) {
			if a.status == 404 && r.URL.RawQuery != "" {
				a.edit(func(e map[string]any) { e["message"] = "There is no " + r.URL.String() })
			}
		}},
		{rule: "secret-repeated", do: hit(s.key("expired"), func(a *answer) {
			a.edit(func(e map[string]any) { e["message"] = "The key " + s.keys["expired"] + " has expired." })
		})},
		{rule: "key-missing", do: contains(401, `"key_missing"`, coded("key_unknown", 401))},
		{rule: "key-missing", do: contains(401, `"key_missing"`, func(a *answer) { a.ok(200) })},
		{rule: "key-malformed", do: contains(401, `"key_malformed"`, coded("key_missing", 401))},
		{rule: "key-unknown", do: contains(401, `"key_unknown"`, coded("key_missing", 401))},
		{rule: "key-state", do: hit(s.key("expired"), coded("key_revoked", 401))},
		{rule: "key-state", do: hit(s.key("suspended"), func(a *answer) { a.ok(200) })},
		{rule: "key-disclosure", do: hit(s.altered, coded("key_expired", 401))},
		{rule: "permission", do: hit(s.key("read_only"), func(a *answer) { a.ok(201) })},
		{rule: "route-unknown", do: contains(404, `"no_route"`, coded("bad_request", 400))},
		{rule: "method-unknown", do: contains(405, "", coded("no_route", 404))},
		{rule: "resource-missing", do: contains(404, `"no_item"`, func(a *answer) { a.ok(200) })},
		{rule: "body-malformed", do: contains(400, `"not_json"`, coded("invalid", 422))},
		{rule: "body-too-large", do: contains(413, "", coded("bad_request", 400))},
		{rule: "media-type-refused", do: contains(415, "", coded("not_json", 400))},
		{rule: "field-missing", do: when(400, "POST", items, func(a *answer) {
			if strings.Contains(string(a.body), `"missing"`) {
				a.code("invalid", 422)
			}
		})},
		{rule: "field-invalid", do: when(422, "POST", orders, coded("bad_request", 400))},
		{rule: "field-named", do: when(422, "POST", orders, func(a *answer) {
			a.edit(func(e map[string]any) { e["fields"] = []any{map[string]any{"name": "other", "issue": "is wrong"}} })
		})},
		{rule: "parameter-missing", do: when(400, "GET", search, coded("parameter", 400))},
		{rule: "parameter-invalid", do: when(400, "GET", items, coded("invalid", 422))},
		{rule: "body-malformed", do: when(400, "POST", photos, func(a *answer) {
			if strings.Contains(string(a.body), `"bad_request"`) {
				a.ok(201)
			}
		})},
		{rule: "field-missing", do: when(400, "POST", photos, func(a *answer) {
			if strings.Contains(string(a.body), `"caption"`) {
				a.ok(201)
			}
		})},
		{rule: "field-missing", do: when(400, "POST", notes, coded("invalid", 422))},
		{rule: "field-invalid", do: when(422, "POST", photos, func(a *answer) { a.ok(201) })},
		{rule: "field-invalid", do: when(422, "POST", notes, coded("not_json", 400))},
		{rule: "field-named", do: when(422, "POST", notes, func(a *answer) {
			a.edit(func(e map[string]any) { e["fields"] = []any{map[string]any{"name": "other", "issue": "is wrong"}} })
		})},
		{rule: "idempotency-key-syntax", do: hit(func(r *http.Request) bool { return len(r.Header.Get("Idempotency-Key")) > 1000 }, func(a *answer) { a.ok(201) })},
		{rule: "idempotency-key-required", do: func(r *http.Request, a *answer) {
			if a.status == 400 && strings.Contains(string(a.body), "Idempotency-Key") && r.Header.Get("Idempotency-Key") == "" {
				a.ok(201)
			}
		}},
		{rule: "replay", do: replayed(s, func(n int, a *answer) { a.body = fmt.Appendf(nil, `{"id":"item_again_%d"}`, n) })},
		{rule: "replay", do: replayed(s, func(_ int, a *answer) { a.status = 200 })},
		{rule: "replay-marked", do: replayed(s, func(_ int, a *answer) { a.header.Del("X-Replayed") })},
		{rule: "replay-mismatch", do: contains(422, `"mismatch"`, func(a *answer) { a.ok(201) })},
		{rule: "replay-path", do: when(201, "POST", orders, set("X-Replayed", "yes"))},
		{rule: "replay-path", do: when(201, "POST", orders, coded("mismatch", 422))},
		{rule: "replay-account", do: hit(s.key("other"), set("X-Replayed", "yes"))},
		{rule: "replay-at-once", do: together(s, func(n int, a *answer) {
			a.ok(201)
			a.body = fmt.Appendf(nil, `{"id":"item_once_%d"}`, n)
		})},
		{rule: "replay-at-once", do: together(s, func(n int, a *answer) {
			a.ok(201)
			if n > 1 {
				a.code("broken", 500)
			}
		})},
		{rule: "limit-code", do: contains(429, "", coded("used_up", 429))},
		{rule: "retry-after-enough", do: contains(429, "", set("Retry-After", "5"))},
		{rule: "retry-after-needed", do: contains(429, "", set("Retry-After", "85"))},
		{rule: "remaining-truthful", do: contains(429, "", set("X-RateLimit-Remaining", "1"))},
		{rule: "remaining-steady", do: func(_ *http.Request, a *answer) {
			if a.header.Get("X-RateLimit-Remaining") == "5" {
				a.header.Set("X-RateLimit-Remaining", "30")
			}
		}},
		{rule: "reset-steady", do: wandering()},
		{rule: "concurrency-code", do: contains(429, `"crowded"`, coded("used_up", 429))},
		{rule: "concurrency-freed", do: fourth(coded("crowded", 429))},
		{rule: "storage-code", do: contains(507, "", coded("used_up", 429))},
		{rule: "quota-code", do: contains(429, `"used_up"`, coded("full", 507))},
		{rule: "balance-code", do: contains(402, "", coded("used_up", 429))},
	}
}
