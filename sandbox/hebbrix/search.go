package hebbrix

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/sandbox/stand"
)

type searchInput struct {
	scope

	Query        string                     `json:"query"`
	CollectionID string                     `json:"collection_id"`
	Limit        json.Number                `json:"limit"`
	SearchType   string                     `json:"search_type"`
	Filters      map[string]json.RawMessage `json:"filters"`
}

// found is a memory that a search found.
type found struct {
	MemoryID     string          `json:"memory_id"`
	ID           string          `json:"id"`
	CollectionID string          `json:"collection_id"`
	Content      string          `json:"content"`
	Score        float64         `json:"score"`
	Metadata     json.RawMessage `json:"metadata"`
	Tags         []string        `json:"tags"`
	Entities     []string        `json:"entities,omitempty"`
	CreatedAt    time.Time       `json:"created_at"`
}

// resultsSize is how much is found when nobody says how much is wanted.
const resultsSize = 10

func (h *api) search(w http.ResponseWriter, r *http.Request) error {
	var in searchInput
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	if strings.TrimSpace(in.Query) == "" {
		return refuse("query", "must not be blank")
	}
	if in.SearchType == "" {
		in.SearchType = "hybrid"
	}
	if in.SearchType == searchGraph {
		if err := h.included(r, knowledgeGraph); err != nil {
			return err
		}
	}
	if err := h.mustName(r, in.CollectionID); err != nil {
		return err
	}
	account := h.Account(r)
	if in.CollectionID != "" {
		if err := h.held(r.Context(), account, in.CollectionID); err != nil {
			return err
		}
	}
	began := h.Clock.Now()
	corpus, err := h.corpus(r.Context(), account, &in)
	if err != nil {
		return err
	}
	rows, confidence, err := h.hits(r.Context(), account, &in, corpus)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, envelope(&in, rows, confidence, h.Clock.Now().Sub(began)))
}

// corpus is what is searched: what the call covers and the index knows. Its
// statistics are those of the search.
func (h *api) corpus(ctx context.Context, account string, in *searchInput) ([]memory, error) {
	all, err := h.memories(account).All(ctx)
	if err != nil {
		return nil, err
	}
	now := h.now()
	all = slices.DeleteFunc(all, func(m memory) bool {
		return !m.searchable(now) || in.CollectionID != "" && m.CollectionID != in.CollectionID || !in.covers(m.scope) || !m.passes(in.Filters)
	})
	slices.SortFunc(all, func(a, b memory) int { return place{a.CreatedAt, a.ID}.compare(place{b.CreatedAt, b.ID}) })
	return all, nil
}

// passes reports whether the memory's metadata has every value that is asked
// for; tags pass when one of them is there.
func (m *memory) passes(filters map[string]json.RawMessage) bool {
	if len(filters) == 0 {
		return true
	}
	var has map[string]json.RawMessage
	if json.Unmarshal(m.Metadata, &has) != nil {
		return false
	}
	for name, want := range filters {
		var tags []string
		if name == "tags" && json.Unmarshal(want, &tags) == nil {
			if !slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(m.Tags, t) }) {
				return false
			}
			continue
		}
		if !bytes.Equal(compact(has[name]), compact(want)) {
			return false
		}
	}
	return true
}

func compact(text json.RawMessage) []byte {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return nil
	}
	return out.Bytes()
}

// hits ranks the corpus. The graph leaves only what speaks of things that the
// query names.
func (h *api) hits(ctx context.Context, account string, in *searchInput, corpus []memory) (rows []found, confidence float64, err error) {
	texts := make([]string, len(corpus))
	for i := range corpus {
		texts[i] = corpus[i].Content
	}
	var named []named
	if in.SearchType == searchGraph {
		if named, err = h.named(ctx, account, in.Query); err != nil {
			return nil, 0, err
		}
	}
	rows = []found{}
	hits, asked := rank(in.Query, texts)
	for _, hit := range hits {
		m := &corpus[hit.index]
		row := found{m.ID, m.ID, m.CollectionID, m.Content, hit.score, m.Metadata, m.Tags, nil, m.CreatedAt}
		if in.SearchType == searchGraph {
			if row.Entities = spokenOf(named, m.Content); len(row.Entities) == 0 {
				continue
			}
		}
		confidence = max(confidence, float64(hit.matched)/float64(asked))
		if rows = append(rows, row); len(rows) == whole(in.Limit, resultsSize) {
			break
		}
	}
	return rows, confidence, nil
}

// envelope has what newer clients ask for before they believe a result: which
// memories are the evidence, and whether there is any.
func envelope(in *searchInput, rows []found, confidence float64, took time.Duration) map[string]any {
	ids := make([]string, 0, len(rows))
	for i := range rows {
		ids = append(ids, rows[i].MemoryID)
	}
	grounding := "grounded"
	if len(rows) == 0 {
		grounding = "no_grounded_match"
	}
	return map[string]any{
		"query": in.Query, "results": rows, "total": len(rows), "search_type": in.SearchType, "took_ms": took.Milliseconds(),
		"no_match": len(rows) == 0, "abstain_recommended": len(rows) == 0, "query_confidence": confidence,
		"grounding": map[string]string{"status": grounding}, "evidence_ids": ids, "safety_contract_version": "search-safety-v1",
	}
}
