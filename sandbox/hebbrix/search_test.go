package hebbrix_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/sandbox"
)

type results struct {
	Query   string `json:"query"`
	Results []struct {
		MemoryID string   `json:"memory_id"`
		Content  string   `json:"content"`
		Score    float64  `json:"score"`
		Entities []string `json:"entities"`
	} `json:"results"`
	Total      int      `json:"total"`
	NoMatch    bool     `json:"no_match"`
	Confidence float64  `json:"query_confidence"`
	Evidence   []string `json:"evidence_ids"`
}

func (s *server) search(as, body string) results {
	s.Helper()
	r := s.call(as, "POST", "/v1/search", body)
	if r.status != 200 {
		s.Fatalf("%d %s", r.status, r.body)
	}
	return decode[results](s.T, r)
}

// contents of the results, in their order.
func (r results) contents() string {
	var out []string
	for _, x := range r.Results {
		out = append(out, x.Content)
	}
	return strings.Join(out, " | ")
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	in := s.collection("plan_pro", "Drinks")
	first := s.remember("plan_pro", `{"content":"Tea, tea, MILK!","collection_id":"`+in+`","metadata":{"year": 2020,"kind":{"a":[1]}},"tags":["hot","white"],"user_id":"u1"}`)
	s.advance(time.Second)
	s.remember("plan_pro", `{"content":"tea","collection_id":"`+in+`","user_id":"u2"}`)
	s.remember("plan_pro", `{"content":"coffee with milk","collection_id":"`+in+`"}`)
	s.remember("plan_pro", `{"content":"A house of cards and tea"}`)
	s.remember("other", `{"content":"somebody else's tea"}`)
	// The score is that of TestRankByHand: the collection's texts alone count.
	got := s.search("plan_pro", `{"query":"tea","collection_id":"`+in+`","search_type":"bm25"}`)
	if got.contents() != "tea | Tea, tea, MILK!" || math.Abs(got.Results[1].Score-math.Log(1.6)*14/11) > 1e-12 || got.Results[1].MemoryID != first {
		t.Errorf("%+v", got)
	}
	if got.Confidence != 1 || got.NoMatch || len(got.Evidence) != 2 || got.Total != 2 || got.Query != "tea" {
		t.Errorf("%+v", got)
	}
	for body, want := range map[string]string{
		`{"query":"tea coffee water nothing"}`:                             "coffee with milk | Tea, tea, MILK! | tea | A house of cards and tea",
		`{"query":"tea","limit":1.0}`:                                      "Tea, tea, MILK!",
		`{"query":"milk","filters":{"year":2020}}`:                         "Tea, tea, MILK!",
		`{"query":"milk","filters":{"kind":{ "a": [1] }}}`:                 "Tea, tea, MILK!",
		`{"query":"milk","filters":{"year":2021}}`:                         "",
		`{"query":"milk","filters":{"tags":["cold","hot"]}}`:               "Tea, tea, MILK!",
		`{"query":"milk","filters":{"tags":["cold"]}}`:                     "",
		`{"query":"tea","user_id":"u1","filters":{},"collection_id":null}`: "Tea, tea, MILK!",
		`{"query":"tea","user_id":"u3"}`:                                   "",
		`{"query":"water","search_type":"vector"}`:                         "",
	} {
		if got := s.search("plan_pro", body); got.contents() != want {
			t.Errorf("%s: %s, want %s", body, got.contents(), want)
		}
	}
	if got := s.search("plan_pro", `{"query":"tea coffee water nothing"}`); got.Confidence != 0.25 {
		t.Errorf("%+v", got)
	}
	if got := s.search("plan_pro", `{"query":"water"}`); !got.NoMatch || got.Confidence != 0 || got.Evidence == nil || got.Results == nil {
		t.Errorf("%+v", got)
	}
}

// What was just kept is found once the index has it.
func TestSearchWaitsForTheIndex(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	s.call("valid", "POST", "/v1/memories", `{"content":"snow"}`)
	if got := s.search("valid", `{"query":"snow"}`); got.Total != 0 {
		t.Errorf("at once: %+v", got)
	}
	s.advance(time.Second)
	if got := s.search("valid", `{"query":"snow"}`); got.Total != 1 {
		t.Errorf("later: %+v", got)
	}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	s.remember("plan_pro", `{"content":"Ada Lovelace wrote the first program."}`)
	s.remember("plan_pro", `{"content":"Ada is a language, too, with a program library."}`)
	graph := `{"query":"Which program did Ada Lovelace write?","search_type":"graph"}`
	if got := s.search("plan_pro", graph); got.Total != 0 {
		t.Errorf("before there is an entity: %+v", got)
	}
	created := s.call("plan_pro", "POST", "/v1/knowledge-graph/entities", `{"name":"Ada  LOVELACE","type":"person","id":"ent_mine","created_at":"x"}`)
	if created.status != 201 || strings.Contains(created.body, "ent_mine") || !strings.Contains(created.body, `"type":"person"`) {
		t.Fatalf("%d %s", created.status, created.body)
	}
	if got := s.search("plan_pro", graph); got.Total != 1 || fmt.Sprint(got.Results[0].Entities) != "[Ada  LOVELACE]" {
		t.Errorf("%+v", got)
	}
	if got := s.search("plan_scale", graph); got.Total != 0 {
		t.Errorf("another account: %+v", got)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	text := "Rain is water.\n\n" + strings.Repeat("Snow is frozen. ", 80) + "\n\nHail is ice."
	up := s.upload("valid", part{"file", "../weather.MD", text}, part{"category", "", "notes"}, part{"tags", "", "a, b,,c "})
	got := decode[struct {
		Document struct {
			ID, Filename, Format, Category, Status string
			CollectionID                           string `json:"collection_id"`
			ProcessingStatus                       string `json:"processing_status"`
			Size                                   int    `json:"size_bytes"`
			Tags                                   []string
		}
		Assigned bool `json:"collection_auto_assigned"`
	}](t, up)
	d := got.Document
	if up.status != 201 || d.Filename != "weather.MD" || d.Format != "md" || d.Category != "notes" || fmt.Sprint(d.Tags) != "[a b c]" || d.Size != len(text) ||
		d.ProcessingStatus != "pending" || d.Status != "pending" || !got.Assigned || d.CollectionID != "col_default" || strings.Contains(up.body, `"data"`) {
		t.Fatalf("%d %s", up.status, up.body)
	}
	path := "/v1/documents/" + d.ID
	status := func(want string) {
		t.Helper()
		if r := s.call("valid", "GET", path, ""); !strings.Contains(r.body, `"processing_status":"`+want+`"`) || strings.Contains(r.body, `"data"`) {
			t.Errorf("%s, want %s", r.body, want)
		}
	}
	status("pending")
	s.advance(500 * time.Millisecond)
	status("processing")
	if got := s.search("valid", `{"query":"hail"}`); got.Total != 0 {
		t.Errorf("too early: %+v", got)
	}
	s.advance(time.Second)
	status("completed")
	chunks := decode[struct {
		Chunks []struct {
			ID, Content string
			Index       int `json:"chunk_index"`
		}
		Total int `json:"total_count"`
	}](t, s.call("valid", "GET", path+"/chunks", ""))
	if chunks.Total != 4 || chunks.Chunks[0].Content != "Rain is water." || chunks.Chunks[3].Content != "Hail is ice." || chunks.Chunks[3].Index != 3 {
		t.Fatalf("%+v", chunks)
	}
	found := s.search("valid", `{"query":"hail","filters":{"document_id":"`+d.ID+`","tags":["b"]}}`)
	if found.Total != 1 || found.Results[0].MemoryID != chunks.Chunks[3].ID {
		t.Errorf("%+v", found)
	}
	if r := s.call("valid", "GET", "/v1/memories/"+chunks.Chunks[3].ID, ""); !strings.Contains(r.body, `"source_type":"document","source_reference":"`+d.ID) {
		t.Errorf("%s", r.body)
	}
	if r := s.call("other", "GET", path+"/chunks", ""); r.status != 404 {
		t.Errorf("another account: %d", r.status)
	}
	if r := s.call("valid", "DELETE", path, ""); r.status != 204 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if got := s.search("valid", `{"query":"hail"}`); got.Total != 0 {
		t.Errorf("of a deleted document: %+v", got)
	}
	if r := s.call("valid", "DELETE", path, ""); r.status != 404 {
		t.Errorf("twice: %d", r.status)
	}
}

// A document that cannot be read fails; its state says why.
func TestDocumentsThatFail(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	for name, want := range map[string]string{"latin1.txt": "UTF-8", "ragged.csv": "table", "empty.html": "no text"} {
		text := map[string]string{"latin1.txt": "caf\xe9", "ragged.csv": "a,b\n1,2,3\n", "empty.html": "<p> </p>"}[name]
		id := s.document("valid", name, text)
		s.advance(time.Minute)
		r := s.call("valid", "GET", "/v1/documents/"+id, "")
		if !strings.Contains(r.body, `"processing_status":"failed"`) || !strings.Contains(r.body, want) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	// Deleted before its turn, it is never read.
	id := s.document("valid", "a.txt", "text")
	s.call("valid", "DELETE", "/v1/documents/"+id, "")
	s.advance(time.Minute)
	if got := decode[list](t, s.call("valid", "GET", "/v1/memories", "")); got.Total != 0 {
		t.Errorf("%+v", got)
	}
}
