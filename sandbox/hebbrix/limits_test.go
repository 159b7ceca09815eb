package hebbrix_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

// atOnce makes calls together and returns what came of each.
func (s *server) atOnce(n int, call func(i int) reply) []reply {
	out := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { out[i] = call(i) })
	}
	wg.Wait()
	return out
}

// Of two hundred calls at once exactly the minute's get in. Only a refusal has
// the headers, and who waits as it says is let in.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	get := func(int) reply { return s.call("valid", "GET", "/v1/collections", "") }
	count := map[int]int{}
	var refused reply
	for _, r := range s.atOnce(200, get) {
		count[r.status]++
		if r.status == 429 {
			refused = r
		} else if r.header.Get("X-RateLimit-Limit")+r.header.Get("X-RateLimit-Remaining")+r.header.Get("Retry-After") != "" {
			t.Errorf("headers of a %d: %v", r.status, r.header)
		}
	}
	if count[200] != 60 || count[429] != 140 {
		t.Fatalf("%v", count)
	}
	if refused.failure.Code.Name != "rate_limit_exceeded" || !strings.Contains(refused.body, `"type":"rate_limit_error"`) || refused.header.Get("X-RateLimit-Limit") != "60" ||
		refused.header.Get("X-RateLimit-Remaining") != "0" || refused.header.Get("X-RateLimit-Reset") == "" || refused.failure.RetryAfter <= 0 {
		t.Errorf("%s %v", refused.body, refused.header)
	}
	s.likeForced(refused)
	s.advance(time.Minute)
	if r := get(0); r.status != 200 {
		t.Errorf("after the wait: %d %s", r.status, r.body)
	}
}

// A month's credits go one by one for what is billable, and not for what fails,
// reads or deletes; the next month brings new ones.
func TestCredits(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	id := s.remember("valid", `{"content":"a"}`)
	s.search("valid", `{"query":"a"}`)
	s.call("valid", "PATCH", "/v1/memories/"+id, `{"importance":0.1}`)
	s.document("valid", "a.txt", "a")
	s.call("valid", "POST", "/v1/memories", `{}`)
	s.call("valid", "GET", "/v1/memories/"+id, "")
	s.call("valid", "DELETE", "/v1/memories/"+id, "")
	if r := s.call("valid", "GET", "/v1/usage", ""); !strings.Contains(r.body, `"api_calls":{"limit":1000,"percentage":0.4,"remaining":996,"used":4}`) || !strings.Contains(r.body, `"reset_at":"2026-12-01T00:00:00Z","tier":"free"`) {
		t.Fatalf("%s", r.body)
	}
	if r := s.call("plan_enterprise", "GET", "/v1/usage", ""); !strings.Contains(r.body, `"limit":-1`) || !strings.Contains(r.body, `"tier":"enterprise"`) {
		t.Errorf("without bound: %s", r.body)
	}
	for i := range 996 {
		if i%50 == 0 {
			s.advance(time.Minute)
		}
		s.search("valid", `{"query":"a"}`)
	}
	r := s.call("valid", "POST", "/v1/search", `{"query":"a"}`)
	if r.status != 429 || r.failure.Code.Name != "quota_exceeded" || !strings.Contains(r.body, `"type":"quota_error"`) ||
		!strings.Contains(r.body, `"reset_at":"2026-12-01T00:00:00Z"`) || r.failure.Retry != condition.AfterAction {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.likeForced(r)
	if r := s.call("valid", "GET", "/v1/memories", ""); r.status != 200 {
		t.Errorf("reading: %d %s", r.status, r.body)
	}
	s.advance(9 * 24 * time.Hour)
	s.search("valid", `{"query":"a"}`)
	if used := s.used("valid"); used != 1 {
		t.Errorf("%d used in the next month", used)
	}
}

// Calls under one idempotency key do the work once: those that come meanwhile
// wait for its answer, later ones get it again for a day.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	post := func(key, body string) reply {
		return s.call("plan_pro", "POST", "/v1/memories", body, "Idempotency-Key", key)
	}
	const body = `{"content":"once"}`
	replays := 0
	all := s.atOnce(20, func(int) reply { return post("k1", body) })
	for _, r := range all {
		if r.status != 201 || r.body != all[0].body || r.header.Get("Location") != all[0].header.Get("Location") ||
			r.header.Get("X-Hebbrix-Index-Event") == "" || r.header.Get("X-Request-Id") != all[0].header.Get("X-Request-Id") {
			t.Fatalf("%d %s %v", r.status, r.body, r.header)
		}
		if r.header.Get("X-Idempotent-Replay") == "true" {
			replays++
		}
	}
	total := func() int { return decode[list](t, s.call("plan_pro", "GET", "/v1/memories", "")).Total }
	if replays != 19 || total() != 1 || s.used("plan_pro") != 1 {
		t.Errorf("%d replays, %d memories, %d credits", replays, total(), s.used("plan_pro"))
	}
	if r := post("k1", `{"content":"twice"}`); r.status != 422 || r.failure.Code.Name != "validation_error" {
		t.Errorf("another body: %d %s", r.status, r.body)
	}
	// A refusal is an answer, and is given again.
	first, again := post("k2", `{}`), post("k2", `{}`)
	if first.status != 400 || again.body != first.body || again.header.Get("X-Idempotent-Replay") != "true" {
		t.Errorf("%d %s, %d %s", first.status, first.body, again.status, again.body)
	}
	// Documents are large enough to be told apart while they are read.
	form, contentType := form(t, part{"file", "a.txt", strings.Repeat("word ", 40<<10)})
	upload := func(text []byte) reply {
		r, err := s.try("plan_pro", "POST", "/v1/documents/upload", bytes.NewReader(text), "Content-Type", contentType, "Idempotency-Key", "k3")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	one, two := upload(form.Bytes()), upload(form.Bytes())
	if one.status != 201 || two.body != one.body || two.header.Get("X-Idempotent-Replay") != "true" {
		t.Errorf("%d %s, %d %s", one.status, one.body, two.status, two.body)
	}
	if r := upload(bytes.Replace(form.Bytes(), []byte("word"), []byte("Word"), 1)); r.status != 422 {
		t.Errorf("another document: %d %s", r.status, r.body)
	}
	s.advance(24*time.Hour + time.Second)
	if r := post("k1", body); r.status != 201 || r.header.Get("X-Idempotent-Replay") != "" || r.body == all[0].body {
		t.Errorf("a day later: %d %s", r.status, r.body)
	}
}

// Changes that clash lose nothing: each lands or is told.
func TestConcurrentWrites(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	const as = "plan_enterprise"
	id := s.remember(as, `{"content":"a"}`)
	for _, r := range s.atOnce(40, func(i int) reply {
		switch i % 4 {
		case 0:
			return s.call(as, "PATCH", "/v1/memories/"+id, `{"importance":0.75}`)
		case 1:
			return s.call(as, "PATCH", "/v1/memories/"+id, `{"tags":["t"]}`)
		default:
			return s.call(as, "GET", "/v1/memories/"+id, "")
		}
	}) {
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if m := decode[shown](t, s.call(as, "GET", "/v1/memories/"+id, "")); m.AccessCount != 21 || m.Importance != 0.75 || len(m.Tags) != 1 {
		t.Errorf("%+v", m)
	}
	deleted := map[int]int{}
	for _, r := range s.atOnce(10, func(int) reply { return s.call(as, "DELETE", "/v1/memories/"+id, "") }) {
		deleted[r.status]++
	}
	if deleted[204] != 1 || deleted[404] != 9 {
		t.Errorf("%v", deleted)
	}
	// The default collection is made once, by whoever comes first.
	s.atOnce(20, func(i int) reply {
		return s.call("plan_scale", "POST", "/v1/memories", fmt.Sprintf(`{"content":"m%d"}`, i))
	})
	if got := decode[list](t, s.call("plan_scale", "GET", "/v1/collections", "")); got.Total != 1 || got.Items[0].Name != "__default__" || got.Items[0].MemoryCount != 20 {
		t.Errorf("%+v", got)
	}
	// A collection that is deleted while it is filled leaves nothing behind.
	for range 10 {
		in := s.collection(as, "short-lived")
		s.atOnce(8, func(i int) reply {
			switch i {
			case 4:
				return s.call(as, "DELETE", "/v1/collections/"+in, "")
			case 5:
				return s.upload(as, part{"file", "a.txt", "a"}, part{"collection_id", "", in})
			default:
				return s.call(as, "POST", "/v1/memories", `{"content":"b","collection_id":"`+in+`"}`)
			}
		})
		s.advance(2 * time.Second)
	}
	if got := decode[list](t, s.call(as, "GET", "/v1/memories", "")); got.Total != 0 {
		t.Errorf("left behind: %+v", got)
	}
}

// Nobody sees anything of another account.
func TestAccountsAreApart(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	const word = "xyzzy"
	in := s.collection("plan_pro", word)
	memory := s.remember("plan_pro", `{"content":"`+word+`","collection_id":"`+in+`"}`)
	document := s.document("plan_pro", word+".txt", word)
	s.call("plan_pro", "POST", "/v1/knowledge-graph/entities", `{"name":"`+word+`"}`)
	s.advance(time.Minute)
	for call, status := range map[string]int{
		"GET /v1/collections": 200, "GET /v1/memories": 200, "GET /v1/usage": 200, "GET /v1/collections?name=" + word: 200,
		"GET /v1/collections/" + in: 404, "PATCH /v1/collections/" + in: 404, "DELETE /v1/collections/" + in: 404,
		"GET /v1/memories/" + memory: 404, "PATCH /v1/memories/" + memory: 404, "DELETE /v1/memories/" + memory: 404,
		"GET /v1/memories?collection_id=" + in: 404, "DELETE /v1/memories/all": 200,
		"GET /v1/documents/" + document: 404, "GET /v1/documents/" + document + "/chunks": 404, "DELETE /v1/documents/" + document: 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		r := s.call("plan_scale", method, path, map[string]string{"PATCH": `{"metadata":null}`}[method])
		if r.status != status || strings.Contains(r.body, word) {
			t.Errorf("%s: %d %s", call, r.status, r.body)
		}
	}
	for _, kind := range []string{"bm25", "graph"} {
		if got := s.search("plan_scale", `{"query":"`+word+`","search_type":"`+kind+`"}`); got.Total != 0 {
			t.Errorf("%+v", got)
		}
	}
	if got := s.search("plan_pro", `{"query":"`+word+`","search_type":"graph"}`); got.Total != 2 {
		t.Errorf("its own: %+v", got)
	}
}

// Everything is there again after a restart, and goes on: a document that waited
// for its turn, answers under idempotency keys, credits.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(clock func() time.Time) (store.Store, error) {
		return pebblestore.Open(dir, pebblestore.Options{Clock: clock})
	}
	var id, document, key string
	var first reply
	t.Run("before", func(t *testing.T) {
		s := start(t, sandbox.Options{OpenStore: open})
		key, id = s.Key("valid"), s.remember("valid", `{"content":"kept"}`)
		document = s.document("valid", "a.txt", "of a document")
		first = s.call("valid", "POST", "/v1/collections", `{"name":"n"}`, "Idempotency-Key", "k")
		s.advance(600 * time.Millisecond)
	})
	s := start(t, sandbox.Options{OpenStore: open})
	if s.Key("valid") != key {
		t.Error("the keys changed")
	}
	if r := s.call("valid", "GET", "/v1/memories/"+id, ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.call("valid", "POST", "/v1/collections", `{"name":"n"}`, "Idempotency-Key", "k"); r.body != first.body || r.header.Get("X-Idempotent-Replay") != "true" {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.advance(time.Minute)
	if r := s.call("valid", "GET", "/v1/documents/"+document, ""); !strings.Contains(r.body, `"processing_status":"completed"`) {
		t.Errorf("%s", r.body)
	}
	if used := s.used("valid"); used != 2 {
		t.Errorf("%d credits used", used)
	}
}
