package hebbrix_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/sandbox"
)

type shown struct {
	ID               string   `json:"id"`
	CollectionID     string   `json:"collection_id"`
	Content          string   `json:"content"`
	Importance       float64  `json:"importance"`
	AccessCount      int      `json:"access_count"`
	LastAccessedAt   *string  `json:"last_accessed_at"`
	ProcessingStatus string   `json:"processing_status"`
	Searchable       bool     `json:"searchable"`
	Tags             []string `json:"tags"`
	UpdatedAt        string   `json:"updated_at"`
	ReadyAt          string   `json:"ready_at"`
}

type receipt struct {
	Results []struct {
		ID     string `json:"id"`
		Event  string `json:"event"`
		Memory string `json:"memory"`
	} `json:"results"`
	CollectionID     string `json:"collection_id"`
	ProcessingStatus string `json:"processing_status"`
	Searchable       bool   `json:"searchable"`
	Created          int    `json:"created_count"`
	Skipped          int    `json:"skipped_count"`
}

type list struct {
	Items []struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		MemoryCount int    `json:"memory_count"`
	} `json:"items"`
	NextCursor *string `json:"next_cursor"`
	HasMore    bool    `json:"has_more"`
	Total      int     `json:"total_count"`
}

func TestMemories(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	created := s.call("valid", "POST", "/v1/memories", `{"content":"Rye bread is sour.","importance":0.25,"tags":["bread"],"metadata":{"n":12345678901234567890.10}}`)
	got := decode[receipt](t, created)
	if created.status != 201 || got.Created != 1 || got.Results[0].Event != "ADD" || got.Searchable || got.ProcessingStatus != "pending" || got.CollectionID != "col_default" {
		t.Fatalf("%d %s", created.status, created.body)
	}
	id := got.Results[0].ID
	if created.header.Get("Location") != "/v1/memories/"+id || created.header.Get("X-Hebbrix-Index-Event") == "" {
		t.Errorf("headers: %v", created.header)
	}
	first := s.call("valid", "GET", "/v1/memories/"+id, "")
	m := decode[shown](t, first)
	if m.AccessCount != 1 || m.LastAccessedAt == nil || m.Searchable || m.Importance != 0.25 || m.ReadyAt != "" || !strings.Contains(first.body, "12345678901234567890.10") {
		t.Errorf("%s", first.body)
	}
	s.advance(time.Second)
	changed := decode[shown](t, s.call("valid", "PATCH", "/v1/memories/"+id, `{"content":"Rye bread is dark.","importance":1e0,"tags":null,"metadata":null}`))
	if changed.Content != "Rye bread is dark." || changed.Importance != 1 || len(changed.Tags) != 0 || changed.Searchable || changed.UpdatedAt == m.UpdatedAt {
		t.Errorf("%+v", changed)
	}
	s.advance(time.Second)
	if m := decode[shown](t, s.call("read_only", "GET", "/v1/memories/"+id, "")); m.AccessCount != 2 || !m.Searchable || m.ProcessingStatus != "completed" {
		t.Errorf("%+v", m)
	}
	if r := s.call("valid", "PATCH", "/v1/memories/"+id, `{"importance":0.5}`); !decode[shown](t, r).Searchable {
		t.Errorf("a change of importance takes it out of the index: %s", r.body)
	}
	if r := s.call("valid", "DELETE", "/v1/memories/"+id, ""); r.status != 204 || r.body != "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.call("valid", "DELETE", "/v1/memories/"+id, ""); r.status != 404 {
		t.Errorf("twice: %d %s", r.status, r.body)
	}
}

// Who asks to wait for the index gets 201 once it is done, or a receipt under
// 202 when that takes longer.
func TestMemoryReceipts(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	short := s.call("valid", "POST", "/v1/memories", `{"content":"Short.","wait_for_index":true}`)
	if got := decode[receipt](t, short); short.status != 201 || !got.Searchable || got.ProcessingStatus != "completed" {
		t.Errorf("%d %s", short.status, short.body)
	}
	long := s.call("valid", "POST", "/v1/memories", `{"content":"`+strings.Repeat("long ", 10000)+`","wait_for_index":true}`)
	got := decode[receipt](t, long)
	if long.status != 202 || got.Searchable || got.ProcessingStatus != "pending" {
		t.Fatalf("%d %+v", long.status, got)
	}
	s.advance(time.Second)
	if r := s.call("valid", "GET", long.header.Get("Location"), ""); !decode[shown](t, r).Searchable {
		t.Errorf("after its time: %.300s", r.body)
	}
}

// What was said is kept message by message; what is inferred, sentence by
// sentence and once.
func TestMemoriesOfMessages(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	said := decode[receipt](t, s.call("valid", "POST", "/v1/memories", `{"messages":[{"role":"user","content":"I like tea. I am 40."},{"role":"assistant","content":" "},{"role":"user","content":"Bye"}]}`))
	if said.Created != 2 || said.Results[0].Memory != "I like tea. I am 40." {
		t.Errorf("%+v", said)
	}
	inferred := decode[receipt](t, s.call("valid", "POST", "/v1/memories", `{"content":"I like tea!  It rains. IT  RAINS. bye","infer":true}`))
	var events []string
	for _, r := range inferred.Results {
		events = append(events, r.Event+" "+r.Memory)
	}
	if want := "[ADD I like tea! ADD It rains. NOOP IT  RAINS. NOOP bye]"; fmt.Sprint(events) != want || inferred.Created != 2 || inferred.Skipped != 2 {
		t.Errorf("%v, want %s", events, want)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	var ids []string
	for i := range 7 {
		ids = append(ids, s.remember("plan_pro", fmt.Sprintf(`{"content":"memory %d"}`, i)))
		s.advance(time.Second)
	}
	var walked []string
	for cursor := ""; ; {
		got := decode[list](t, s.call("plan_pro", "GET", "/v1/memories?limit=3&cursor="+cursor, ""))
		for _, m := range got.Items {
			walked = append(walked, m.ID)
		}
		if got.Total != 7 {
			t.Errorf("total %d", got.Total)
		}
		if got.NextCursor == nil {
			if got.HasMore {
				t.Error("there is more, but no cursor")
			}
			break
		}
		cursor = *got.NextCursor
		if len(walked) == 3 { // what a cursor stands on may go, and new ones may come
			s.call("plan_pro", "DELETE", "/v1/memories/"+walked[2], "")
			s.remember("plan_pro", `{"content":"new"}`)
		}
	}
	if fmt.Sprint(walked) != fmt.Sprint([]string{ids[6], ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]}) {
		t.Errorf("walked %v, made %v", walked, ids)
	}
	skipped := decode[list](t, s.call("plan_pro", "GET", "/v1/memories?skip=5&limit=1e1", ""))
	if len(skipped.Items) != 2 || skipped.Items[1].ID != ids[0] || skipped.HasMore {
		t.Errorf("%+v", skipped)
	}
	if got := decode[list](t, s.call("plan_pro", "GET", "/v1/memories?skip=99999999999999999999", "")); len(got.Items) != 0 || got.Total != 7 {
		t.Errorf("%+v", got)
	}
	for _, cursor := range []string{"x", "bm9uZQ", "!!", "LzEv"} {
		if r := s.call("plan_pro", "GET", "/v1/memories?cursor="+cursor, ""); r.status != 400 || r.failure.Code.Name != "validation_error" || !strings.Contains(r.body, `"param":"cursor"`) {
			t.Errorf("cursor %q: %d %s", cursor, r.status, r.body)
		}
	}
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	seeded := decode[list](t, s.call("valid", "GET", "/v1/collections?cursor=&name=&name_prefix=", ""))
	if seeded.Total != 1 || seeded.Items[0].ID != "col_xyz" {
		t.Errorf("at first: %+v", seeded)
	}
	id := s.collection("valid", "Bread and butter")
	kept := s.remember("valid", `{"content":"elsewhere"}`)
	gone := s.remember("valid", `{"content":"inside","collection_id":"`+id+`"}`)
	document := decode[struct{ Document struct{ ID string } }](t, s.upload("valid", part{"file", "a.txt", "text"}, part{"collection_id", "", id}))
	path := "/v1/collections/" + id
	got := s.call("valid", "GET", path, "")
	for _, want := range []string{`"memory_count":1`, `"is_active":true`, `"description":null`, `"metadata":{}`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %s in %s", want, got.body)
		}
	}
	if r := s.call("valid", "PATCH", path, `{"description":"d","metadata":{"a":1}}`); !strings.Contains(r.body, `"description":"d","is_active":true,"memory_count":1,"metadata":{"a":1}`) {
		t.Errorf("%s", r.body)
	}
	if r := s.call("valid", "PATCH", path, `{"description":null}`); !strings.Contains(r.body, `"description":null`) || !strings.Contains(r.body, `{"a":1}`) {
		t.Errorf("null is not absent: %s", r.body)
	}
	for query, want := range map[string]int{"name=Bread": 0, "name=Bread+and+butter": 1, "name_prefix=Bread": 1, "name_prefix=__": 1, "limit=1": 1} {
		if got := decode[list](t, s.call("valid", "GET", "/v1/collections?"+query, "")); len(got.Items) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	if r := s.call("valid", "DELETE", path, ""); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for path, want := range map[string]int{path: 404, "/v1/memories/" + gone: 404, "/v1/documents/" + document.Document.ID: 404, "/v1/memories/" + kept: 200} {
		if r := s.call("valid", "GET", path, ""); r.status != want {
			t.Errorf("%s: %d, want %d", path, r.status, want)
		}
	}
	s.advance(time.Minute) // the document's turn comes, though it is gone
	if got := decode[list](t, s.call("valid", "GET", "/v1/memories", "")); got.Total != 1 {
		t.Errorf("%+v", got)
	}
}

func TestForgettingEverything(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	for range 3 {
		s.remember("valid", `{"content":"a"}`)
	}
	s.remember("other", `{"content":"b"}`)
	const all, confirm = "/v1/memories/all", "X-Hebbrix-Confirm-Destructive"
	for _, tc := range []struct {
		as, path string
		headers  []string
		status   int
		body     string
	}{
		{"valid", all + "?dry_run=true", nil, 200, `{"deleted_count":0,"dry_run":true,"would_delete":3}`},
		{"valid", all, []string{confirm, "all-memory"}, 400, "invalid_request"},
		{"valid", all + "?dry_run=true", []string{confirm, "yes"}, 400, "invalid_request"},
		{"valid", all + "?dry_run=1", nil, 422, "dry_run"},
		{"read_only", all + "?dry_run=true", nil, 403, "admin"},
		{"valid", all, []string{confirm, "all-memories"}, 200, `{"deleted_count":3,"dry_run":false,"would_delete":3}`},
		{"valid", all, nil, 200, `{"deleted_count":0,"dry_run":false,"would_delete":0}`},
		{"other", all + "?dry_run=true", nil, 200, `"would_delete":1`},
	} {
		if r := s.call(tc.as, "DELETE", tc.path, "", tc.headers...); r.status != tc.status || !strings.Contains(r.body, tc.body) {
			t.Errorf("%s %v: %d %s", tc.path, tc.headers, r.status, r.body)
		}
	}
}
