package compat

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

// mutation is one change of a real contract: what is found, and what is found
// when it is taken back.
type mutation struct {
	contract   string
	from, to   string // replaced once
	want, back []string
}

var mutations = []mutation{
	// The catalogue.
	{"hebbrix", "  collection_not_found:\n    status: 404", "  shelf_not_found:\n    code: collection_not_found\n    status: 404", []string{"entry-renamed"}, []string{"entry-renamed"}},
	{"hebbrix", "  collection_not_found:\n    status: 404", "  collection_not_found:\n    code: shelf_not_found\n    status: 404", []string{"code-renamed"}, []string{"code-renamed"}},
	{"hebbrix", "  missing_api_key:\n", "  no_api_key:\n", []string{"code-renamed"}, []string{"code-renamed"}},
	{"hebbrix", "  collection_not_found:\n    status: 404\n    type: not_found_error\n    retry: never\n", "  shelf_not_found:\n    status: 404\n    type: not_found_error\n    retry: never\n", []string{"code-removed", "code-unlisted"}, []string{"code-removed", "code-unlisted"}},
	{"everything", "  broken: {status: 500", "  odd: {status: 418, is: [], type: caller, retry: never, message: Odd.}\n  broken: {status: 500", []string{"code-added"}, []string{"code-removed"}},
	{"everything", "  broken: {status: 500", "  odd: {status: 418, is: [], type: caller, retry: backoff, message: Odd.}\n  broken: {status: 500", []string{"code-fallback"}, []string{"code-removed"}},
	{"everything", "code: 1001", "code: \"1001\"", []string{"code-type"}, []string{"code-type"}},
	{"hebbrix", "  collection_not_found:\n    status: 404", "  collection_not_found:\n    status: 410", []string{"status-changed"}, []string{"status-changed"}},
	{"everything", "{body_too_large: 413}", "{body_too_large: 422}", []string{"status-changed"}, []string{"status-changed"}},
	{"everything", "also: [404, 422]", "also: [404]", []string{"status-dropped"}, []string{"status-added"}},
	{"hebbrix", "is: [resource_missing]", "is: [resource_conflict, resource_missing]", []string{"condition-changed"}, []string{"condition-changed"}},
	{"hebbrix", "is: [rate_limited, concurrency_exceeded]", "is: [rate_limited]", []string{"condition-changed"}, []string{"condition-added"}},
	{"everything", "quota_exhausted, concurrency_exceeded,", "concurrency_exceeded,", []string{"condition-changed"}, []string{"condition-added"}},
	{"everything", "is: [request_malformed,", "is: [request_malformed, key_expired,", []string{"condition-added", "condition-moved"}, []string{"condition-changed"}},
	{"hebbrix", "type: quota_error", "type: limit_error", []string{"type-changed"}, []string{"type-changed"}},
	{"everything", "subcode: b1", "subcode: b2", []string{"type-changed"}, []string{"type-changed"}},
	{"everything", "operations: [orders.create, GET /orders]", "operations: [orders.create]", []string{"occurs-less"}, []string{"occurs-more"}},
	{"everything", "    operations: [orders.create, GET /orders]\n", "", []string{"occurs-more"}, []string{"occurs-less"}},
	{"everything", "    deprecated: Use others.\n", "", []string{"deprecated"}, []string{"deprecated"}},
	{"everything", "Not this way.", "Not like this.", []string{"message-changed"}, []string{"message-changed"}},
	{"everything", "{de: Falsch.}", "{}", []string{"language-removed"}, []string{"language-added"}},
	{"everything", "open_codes: true", "open_codes: false", []string{"codes-closed"}, []string{"codes-opened"}},
	{"jobs", "", "open_codes: true\n", []string{"codes-opened"}, []string{"codes-closed"}},
	{"heppu", ", error: resource_conflict}", "}", []string{"status-row"}, []string{"status-row"}},
	// Advice.
	{"hebbrix", "    is: [rate_limited, concurrency_exceeded]\n    retry: after_wait", "    is: [rate_limited, concurrency_exceeded]\n    retry: never", []string{"retry-weakened"}, []string{"retry-strengthened"}},
	{"everything", "type: server, retry: backoff", "type: server, retry: same_key", []string{"retry-needs-key"}, []string{"retry-changed"}},
	{"hebbrix", "  network: same_key", "  network: never", []string{"retry-weakened"}, []string{"retry-strengthened"}},
	{"heppu", "5xx: backoff", "5xx: never", []string{"retry-weakened"}, []string{"retry-strengthened"}},
	{"hebbrix", "    - {header: X-RateLimit-Reset, unit: epoch_s}\n", "", []string{"hint-removed"}, []string{"hint-added"}},
	{"hebbrix", "- {header: X-RateLimit-Reset, unit: epoch_s}", "- {header: X-RateLimit-Reset, unit: epoch_ms}", []string{"hint-unit"}, []string{"hint-unit"}},
	{"hebbrix", "    - {header: Retry-After}\n    - {header: X-RateLimit-Reset, unit: epoch_s}\n", "    - {header: X-RateLimit-Reset, unit: epoch_s}\n    - {header: Retry-After}\n", []string{"hint-order"}, []string{"hint-order"}},
	{"hebbrix", "  attempts: 5", "  attempts: 3", []string{"pace-slower"}, []string{"pace-faster"}},
	{"hebbrix", "first: 1s, factor: 2", "first: 2s, factor: 2", []string{"pace-slower"}, []string{"pace-faster"}},
	{"hebbrix", "jitter: 0s..1s", "jitter: 0s..2s", []string{"pace-spread"}, []string{"pace-spread"}},
	{"everything", "cap: 60s", "cap: 90s", []string{"pace-slower"}, []string{"pace-faster"}},
	{"everything", "max_hint: 60s", "max_hint: 90s", []string{"pace-slower"}, []string{"pace-faster"}},
	{"heppu", "default_waits: {429: 60s}", "default_waits: {429: 90s}", []string{"pace-slower"}, []string{"pace-faster"}},
	{"heppu", "timeout: 30s", "timeout: 20s", []string{"pace-slower"}, []string{"pace-faster"}},
	{"hebbrix", "    RateLimitError: {base: HebbrixError, status: 429, languages: [python, typescript]}\n", "", []string{"class-removed"}, []string{"class-added"}},
	{"hebbrix", "RateLimitError: {base: HebbrixError, status: 429,", "RateLimitError: {base: HebbrixError, status: [429, 503],", []string{"class-widened"}, []string{"class-changed"}},
	{"hebbrix", "RateLimitError: {base: HebbrixError,", "RateLimitError: {", []string{"class-changed"}, []string{"class-changed"}},
	// Bodies.
	{"hebbrix", "        param?: $field\n", "", []string{"member-removed"}, []string{"member-added"}},
	{"hebbrix", "        param?: $field\n", "        field?: $field\n", []string{"member-renamed"}, []string{"member-renamed"}},
	{"hebbrix", "request_id: req_$request_id", "request_id: $request_id", []string{"member-changed"}, []string{"member-changed"}},
	{"everything", "        type: $type\n", "        type: \"fixed\"\n", []string{"member-changed"}, []string{"member-changed"}},
	{"hebbrix", "        type: $type\n        param?", "        type?: $type\n        param?", []string{"member-optional"}, []string{"member-always"}},
	{"hebbrix", "      msg: $field.message", "      msg: $field.name", []string{"member-changed"}, []string{"member-changed"}},
	{"everything", "errmsg: $message", "errmsg: $friendly", []string{"member-text"}, []string{"member-text"}},
	{"everything", "<Code>$code</Code>", "<Kind>$code</Kind>", []string{"member-changed"}, []string{"member-changed"}},
	{"hebbrix", "      used: {type: integer, example: \"1000\", doc: What is used of it.}\n", "", []string{"param-removed"}, []string{"param-added"}},
	{"hebbrix", "used: {type: integer,", "used: {type: number,", []string{"param-changed"}, []string{"param-changed"}},
	{"hebbrix", "from: reset, format: rfc3339,", "from: reset, format: epoch_s,", []string{"param-changed"}, []string{"param-changed"}},
	{"everything", "prefix: r_, required: false", "prefix: r_, required: true", []string{"param-always"}, []string{"param-optional"}},
	{"hebbrix", "{type: string, from: plan, example: free", "{type: string, from: plan_title, example: free", []string{"param-source"}, []string{"param-source"}},
	{"everything", "        details?: {\"...\": $params}", "        ref?: $params.ref\n        details?: {\"...\": $params}", []string{"member-added", "param-changed"}, []string{"member-removed"}},
	{"problem", "media_type: application/problem+json", "media_type: application/json", []string{"media-type"}, []string{"media-type"}},
	{"everything", "inside: [200]", "inside: [200, 202]", []string{"inside-success"}, []string{"inside-dropped"}},
	{"everything", "successes: [fine]", "successes: [ok]", []string{"success-code", "success-code"}, []string{"success-code", "success-code"}},
	{"everything", "headers: {X-Failure: \"yes ${code}\"}", "headers: {X-Failure: \"yes\"}", []string{"header-value"}, []string{"header-value"}},
	{"everything", "    headers: {X-Failure: \"yes ${code}\"}\n", "", []string{"header-removed"}, []string{"header-added"}},
	{"heppu", "timestamp: rfc3339\n", "timestamp: epoch_ms\n", []string{"timestamp-form"}, []string{"timestamp-form"}},
	{"everything", "partial:\n  - {status: 207, items: results, error: error, id: id}\n", "", []string{"partial-removed"}, []string{"partial-added"}},
	{"everything", "streams: {event: error, ndjson: true}", "streams: {ndjson: true}", []string{"stream-changed"}, []string{"stream-added"}},
	{"everything", "streams: {event: error, ndjson: true}", "streams: {event: error}", []string{"stream-changed"}, []string{"stream-added"}},
	{"hebbrix", "    enum: type_error.enum", "    enum: value_error.enum", []string{"field-code"}, []string{"field-code"}},
	{"everything", "  missing: parameter_missing\n", "", []string{"validation-changed"}, []string{"validation-changed"}},
	// Headers and keys.
	{"hebbrix", "process_time: {name: X-Process-Time, unit: ms}", "process_time: {name: X-Process-Time, unit: s}", []string{"header-unit"}, []string{"header-unit"}},
	{"hebbrix", "  process_time: {name: X-Process-Time, unit: ms}\n", "", []string{"header-removed"}, []string{"header-added"}},
	{"hebbrix", "    remaining: X-RateLimit-Remaining\n", "    remaining: X-Left\n", []string{"header-renamed"}, []string{"header-renamed"}},
	{"hebbrix", "retry_after: {on: [409, 429, 503]}", "retry_after: {on: [429, 503]}", []string{"header-rarer"}, []string{"header-oftener"}},
	{"heppu", "request_id: {name: X-Request-ID, format: token, prefix: req_}", "request_id: {name: X-Request-ID, format: uuid, prefix: req_}", []string{"request-id-stricter"}, []string{"request-id-looser"}},
	{"heppu", "format: token, prefix: req_}", "format: token, prefix: r_}", []string{"request-id-prefix"}, []string{"request-id-prefix"}},
	{"heppu", "    - {in: header, name: x-api-key}\n", "", []string{"credential-removed"}, []string{"credential-added"}},
	{"problem", "  schemes:\n    - {in: header, name: Authorization, prefix: Bearer}\n", "", []string{"credential-freed"}, []string{"credential-needed"}},
	{"heppu", "{test: heppu_test_,", "{test: heppu_try_,", []string{"key-form"}, []string{"key-form"}},
	// Limits.
	{"hebbrix", "free: {title: Free, price: $0, credits: 1K/month, rate: 60/min,", "free: {title: Free, price: $0, credits: 1K/month, rate: 50/min,", []string{"limit-lowered"}, []string{"limit-raised"}},
	{"hebbrix", "rate: 60/min,", "rate: 3600/h,", []string{"limit-raised"}, []string{"limit-lowered"}},
	{"heppu", "rate: 100/60s", "rate: 10/6s", []string{"limit-lowered"}, []string{"limit-lowered"}},
	{"hebbrix", "quota: {credits: 1000/month}", "quota: {credits: 900/month}", []string{"limit-lowered"}, []string{"limit-raised"}},
	{"hebbrix", "quota: {credits: 1000/month}", "quota: {credits: 1000/day}", []string{"limit-raised"}, []string{"limit-lowered"}},
	{"hebbrix", ", quota: {credits: 1000000/month}", "", []string{"limit-removed"}, []string{"limit-added"}},
	{"everything", "storage: 1GB", "storage: 2GB", []string{"limit-raised"}, []string{"limit-lowered"}},
	{"everything", "concurrency: 3", "concurrency: 2", []string{"limit-lowered"}, []string{"limit-raised"}},
	{"everything", "{name: calls, limit: 60", "{name: requests, limit: 60", []string{"limit-renamed"}, []string{"limit-renamed"}},
	{"hebbrix", "limits: {algorithm: gcra, scope: account}", "limits: {algorithm: gcra, scope: key}", repeat("limit-raised", 5), repeat("limit-lowered", 5)},
	{"everything", "  large: {rate: 6000/min, features: [gifts, notes]}\n", "  large: {rate: 6000/min, features: [gifts, notes]}\n  huge: {rate: 9000/min}\n", []string{"plan-added"}, []string{"plan-removed"}},
	{"heppu", "  standard: {title: Standard, rate: 100/60s}\n  plus: {title: Plus, rate: 1000/60s}\n", "  plus: {title: Plus, rate: 1000/60s}\n  standard: {title: Standard, rate: 100/60s}\n", []string{"plan-default"}, []string{"plan-default"}},
	{"everything", "features: [gifts, notes]}", "features: [gifts]}", []string{"feature-removed"}, []string{"feature-added"}},
	{"hebbrix", "permissions: [read, write, admin]", "permissions: [read, write, admin, owner]", []string{"name-added"}, []string{"name-dropped"}},
	{"everything", "counters_away: closed", "counters_away: open", []string{"outage-looser"}, []string{"outage-stricter"}},
	// Writes.
	{"hebbrix", "methods: [POST, PUT, PATCH]", "methods: [POST, PUT]", []string{"idempotency-removed"}, []string{"idempotency-added"}},
	{"hebbrix", "  header: Idempotency-Key", "  header: X-Idempotency-Key", []string{"idempotency-header"}, []string{"idempotency-header"}},
	{"hebbrix", "keep: 24h", "keep: 1h", []string{"idempotency-shortened"}, []string{"idempotency-lengthened"}},
	{"hebbrix", "  replayed: {name: X-Idempotent-Replay, value: \"true\"}\n", "", []string{"replay-changed"}, []string{"replay-added"}},
	{"hebbrix", "headers: [Location, X-Hebbrix-Index-Event]", "headers: [Location]", []string{"replay-changed"}, []string{"replay-added"}},
	{"hebbrix", "in_flight: wait", "in_flight: reject", []string{"duplicate-refused"}, []string{"duplicate-waits"}},
	{"everything", "lease: 30s", "lease: 60s", []string{"duplicate-timing"}, []string{"duplicate-timing"}},
	{"everything", "  unknown: reject\n  max", "  unknown: reexecute\n  max", []string{"outcome-repeated"}, []string{"outcome-refused"}},
	{"everything", "    unknown: reconcile\n    reconcile: /orders/by-key/$key\n", "    unknown: reject\n", []string{"outcome-refused"}, []string{"outcome-settled"}},
	{"everything", "  away: closed\nclient", "  away: open\nclient", []string{"protection-dropped"}, []string{"protection-strict"}},
	// Operations.
	{"everything", "  GET /orders: {public: true, summary: List orders.}\n", "  GET /orders: {public: true, summary: List orders.}\n  GET /orders/{id}: {}\n", []string{"operation-added"}, []string{"operation-removed"}},
	{"hebbrix", "    id: collections.create\n", "    id: collections.make\n", []string{"operation-id"}, []string{"operation-id"}},
	{"everything", "public: true, ", "public: false, ", []string{"key-required"}, []string{"key-dropped"}},
	{"hebbrix", "    summary: Create a collection.\n    permission: write", "    summary: Create a collection.\n    permission: admin", []string{"permission-raised"}, []string{"permission-raised"}},
	{"everything", "    permission: write\n", "", []string{"permission-lowered"}, []string{"permission-raised"}},
	{"everything", "    feature: gifts\n", "", []string{"feature-freed"}, []string{"feature-required"}},
	{"everything", "cost: 2", "cost: 3", []string{"cost-raised"}, []string{"cost-lowered"}},
	{"everything", "charge: {credits: 1, funds: 5}", "charge: {credits: 1}", []string{"cost-lowered"}, []string{"cost-raised"}},
	{"everything", "    slot: true\n", "", []string{"cost-lowered"}, []string{"cost-raised"}},
	{"everything", "rate: 10/min", "rate: 5/min", []string{"limit-lowered"}, []string{"limit-raised"}},
	{"hebbrix", "max_body: 1MiB", "max_body: 512KiB", []string{"body-bound-lowered"}, []string{"body-bound-raised"}},
	{"hebbrix", "media_types: [application/json]", "media_types: [application/json, application/cbor]", []string{"media-widened"}, []string{"media-narrowed"}},
	{"everything", "    timeout: 10s\n", "    timeout: 5s\n", []string{"timeout-shortened"}, []string{"timeout-lengthened"}},
	{"everything", "translate: true", "translate: false", []string{"translation-dropped"}, []string{"translation-added"}},
	{"everything", "    safe: true\n", "", []string{"repeat-unsafe"}, []string{"repeat-safe"}},
	{"everything", "    idempotency: required\n", "", []string{"request-widened"}, []string{"request-narrowed"}},
	{"everything", "    idempotency: required\n    unknown: reconcile\n    reconcile: /orders/by-key/$key\n", "    idempotency: \"off\"\n", []string{"idempotency-removed", "outcome-refused"}, []string{"request-narrowed", "outcome-settled"}},
	{"hebbrix", "name: {type: string, minLength: 1, maxLength: 200}", "name: {type: string, minLength: 1, maxLength: 100}", []string{"request-narrowed"}, []string{"request-widened"}},
	{"everything", "required: [item]", "required: [item, kind]", []string{"request-narrowed"}, []string{"request-widened"}},
	{"everything", "{enum: [a, b]}", "{enum: [a, b, c]}", []string{"request-widened"}, []string{"request-narrowed"}},
	{"everything", "{enum: [a, b]}", "{pattern: \"^a\"}", []string{"request-narrowed", "request-widened"}, []string{"request-narrowed", "request-widened"}},
	{"everything", "{enum: [a, b]}", "{enum: [a, b], anyOf: [{const: a}]}", []string{"request-changed"}, []string{"request-changed"}},
	{"everything", "body_condition: request_malformed", "body_condition: validation_failed", []string{"validation-changed"}, []string{"validation-changed"}},
	{"everything", "name: page, required: true", "name: page, required: false", []string{"request-widened"}, []string{"request-narrowed"}},
	// The API as such.
	{"hebbrix", "base_url: https://api.hebbrix.com", "base_url: https://eu.hebbrix.com", []string{"base-url"}, []string{"base-url"}},
	{"everything", "api: shop", "api: store", []string{"api-renamed"}, []string{"api-renamed"}},
	// What is no promise.
	{"hebbrix", "title: Hebbrix", "title: Hebbrix II", nil, nil},
	{"hebbrix", "message: There is no such collection.", "message: No such collection.", nil, nil},
	{"hebbrix", "    remedy: List the collections", "    since: \"2026\"\n    remedy: List the collections", nil, nil},
	{"hebbrix", "price: $19/month", "price: $29/month", nil, nil},
}

func repeat(rule string, n int) []string { return slices.Repeat([]string{rule}, n) }

func source(t *testing.T, name string) string {
	t.Helper()
	if name == "everything" {
		data, err := os.ReadFile("testdata/everything.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	data, err := builtin.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func promisesOf(t *testing.T, text string) *Promises {
	t.Helper()
	c, err := contract.Parse("new.yaml", []byte(text))
	if err != nil {
		t.Error(err)
		return nil
	}
	return Of(c)
}

func lines(findings []Finding) string {
	var b strings.Builder
	for i := range findings {
		b.WriteString(findings[i].String() + "\n")
	}
	return b.String()
}

func rulesOf(findings []Finding) []string {
	var ids []string
	for _, f := range findings {
		for range f.Subjects {
			ids = append(ids, f.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// One change gives what it is, and nothing else.
func TestMutations(t *testing.T) {
	met := map[string]bool{}
	for _, m := range mutations {
		old := source(t, m.contract)
		text := m.to + old
		if m.from != "" {
			if !strings.Contains(old, m.from) {
				t.Fatalf("%s does not contain %q", m.contract, m.from)
			}
			text = strings.Replace(old, m.from, m.to, 1)
		}
		was, is := promisesOf(t, old), promisesOf(t, text)
		if is == nil {
			continue
		}
		for _, x := range []struct {
			old, now *Promises
			want     []string
		}{{was, is, m.want}, {is, was, m.back}} {
			found := Diff(x.old, x.now)
			for _, f := range found {
				met[f.ID] = true
				if f.Pos.File != "new.yaml" || f.Pos.Line < 1 || f.Why == "" || f.Class != Safe && f.Do == "" {
					t.Errorf("%s at %v: it does not say where, why or what to do", f.ID, f.Pos)
				}
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(x.want)), rulesOf(found)); diff != "" {
				t.Errorf("%s: %q for %q:\n%s%s", m.contract, m.to, m.from, diff, lines(found))
			}
		}
	}
	for _, r := range Rules() {
		if !met[r.ID] {
			t.Errorf("no mutation leads to %s", r.ID)
		}
	}
}

// Where the change stands.
func TestPositions(t *testing.T) {
	for _, m := range []struct{ from, to, line string }{
		{"  collection_not_found:\n    status: 404", "  collection_not_found:\n    status: 410", "    status: 410"},
		{"keep: 24h", "keep: 1h", "  keep: 1h"},
		{"rate: 60/min,", "rate: 50/min,", "  free:"},
		{"request_id: req_$request_id", "request_id: $request_id", "        request_id: $request_id"},
		{"      used: {type: integer,", "      used: {type: number,", "      used:"},
		{"max_body: 1MiB", "max_body: 512KiB", "    max_body: 512KiB"},
		{"retry_after: {on: [409, 429, 503]}", "retry_after: {on: [429, 503]}", "  retry_after:"},
	} {
		old := source(t, "hebbrix")
		text := strings.Replace(old, m.from, m.to, 1)
		found := Diff(promisesOf(t, old), promisesOf(t, text))
		if len(found) != 1 {
			t.Errorf("%q: %v", m.to, found)
			continue
		}
		if line := strings.Split(text, "\n")[found[0].Pos.Line-1]; !strings.HasPrefix(line, m.line) {
			t.Errorf("%q is said to be at %q", m.to, line)
		}
	}
}

// Several changes at once: nothing against itself, the same through a lock, and
// what is found one way is found the other way too.
func TestDiffProperties(t *testing.T) {
	bases, old := map[string]string{}, map[string]*Promises{}
	for _, name := range append(builtin.Names(), "everything") {
		bases[name] = source(t, name)
		old[name] = promisesOf(t, bases[name])
	}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom(keysOf(bases)).Draw(r, "contract")
		text := bases[name]
		for _, m := range rapid.SliceOfN(rapid.SampledFrom(mutations), 0, 6).Draw(r, "mutations") {
			if m.contract == name && m.from != "" {
				text = strings.Replace(text, m.from, m.to, 1)
			}
		}
		c, err := contract.Parse("new.yaml", []byte(text))
		if err != nil {
			return // changes that do not go together
		}
		was, is := old[name], Of(c)
		if found := Diff(is, is); len(found) != 0 {
			r.Fatalf("against itself: %v", found)
		}
		lock, err := is.Lock()
		if err != nil {
			r.Fatal(err)
		}
		locked, err := Read("lock.yaml", lock)
		if err != nil {
			r.Fatal(err)
		}
		if found := append(Diff(is, locked), Diff(locked, is)...); len(found) != 0 {
			r.Fatalf("against its own lock: %v", found)
		}
		there, back := Diff(was, is), Diff(is, was)
		if (len(there) == 0) != (len(back) == 0) {
			r.Fatalf("found %v, but back %v", there, back)
		}
	})
}

// Built-in contracts differ in all respects; comparing them must not fail.
func TestDiffOfStrangers(t *testing.T) {
	all := map[string]*Promises{}
	for _, name := range builtin.Names() {
		all[name] = promisesOf(t, source(t, name))
	}
	for _, a := range builtin.Names() {
		for _, b := range builtin.Names() {
			found := Diff(all[a], all[b])
			if (a == b) != (len(found) == 0) {
				t.Errorf("%s against %s: %d findings", a, b, len(found))
			}
		}
	}
}
