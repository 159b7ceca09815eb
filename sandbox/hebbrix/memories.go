package hebbrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell/sandbox/stand"
)

// memory is one text as it is kept.
type memory struct {
	scope

	ID              string          `json:"id"`
	CollectionID    string          `json:"collection_id"`
	Content         string          `json:"content"`
	Importance      float64         `json:"importance"`
	SourceType      string          `json:"source_type"`
	SourceReference *string         `json:"source_reference"`
	AccessCount     int             `json:"access_count"`
	LastAccessedAt  *time.Time      `json:"last_accessed_at"`
	Metadata        json.RawMessage `json:"metadata"`
	Tags            []string        `json:"tags"`
	CreatedAt       time.Time       `json:"created_at"`
	UpdatedAt       time.Time       `json:"updated_at"`

	// Ready is from when on it can be found.
	Ready time.Time `json:"ready_at"`
}

// scope is whom a memory is about.
type scope struct {
	UserID  *string `json:"user_id,omitempty"`
	AgentID *string `json:"agent_id,omitempty"`
	RunID   *string `json:"run_id,omitempty"`
}

// covers reports whether what was asked for includes the other; nil is anything.
func (s scope) covers(of scope) bool {
	same := func(want, got *string) bool { return want == nil || got != nil && *got == *want }
	return same(s.UserID, of.UserID) && same(s.AgentID, of.AgentID) && same(s.RunID, of.RunID)
}

// shownMemory is what the API shows.
type shownMemory struct {
	memory

	Ready            *struct{} `json:"ready_at,omitempty"` // hides the kept one
	ProcessingStatus string    `json:"processing_status"`
	Searchable       bool      `json:"searchable"`
}

func (m *memory) show(now time.Time) shownMemory {
	searchable := m.searchable(now)
	return shownMemory{memory: *m, ProcessingStatus: indexState(searchable), Searchable: searchable}
}

func (m *memory) searchable(now time.Time) bool { return !m.Ready.After(now) }

func indexState(searchable bool) string {
	if searchable {
		return isCompleted
	}
	return isPending
}

// How long it takes until a text can be found. The document has no numbers.
const (
	indexing        = 200 * time.Millisecond
	indexingPerByte = 10 * time.Microsecond
	// patience is how long a call that asks for it waits for the index.
	patience = 500 * time.Millisecond
)

// index is when a text can be found. Who asks to wait need not when it takes no
// longer than the API waits: the answer comes as if that time had passed.
func index(text string, now time.Time, wait bool) time.Time {
	took := indexing + time.Duration(len(text))*indexingPerByte
	if wait && took <= patience {
		return now
	}
	return now.Add(took)
}

type memoryInput struct {
	scope

	Content         *string         `json:"content"`
	Messages        []message       `json:"messages"`
	CollectionID    string          `json:"collection_id"`
	Importance      *json.Number    `json:"importance"`
	SourceType      string          `json:"source_type"`
	SourceReference *string         `json:"source_reference"`
	Metadata        json.RawMessage `json:"metadata"`
	Infer           bool            `json:"infer"`
	Tags            given[[]string] `json:"tags"`
	WaitForIndex    bool            `json:"wait_for_index"`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// ordinary is the importance of what nobody gave one.
const ordinary = 0.5

// readImportance reads a number between 0 and 1.
func readImportance(n *json.Number, otherwise float64) (float64, error) {
	if n == nil {
		return otherwise, nil
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1 {
		return 0, refuse("importance", "must be between 0 and 1")
	}
	return f, nil
}

// texts are what is to be remembered: the content as it is or its sentences, or
// what was said.
func (in *memoryInput) texts() []string {
	if in.Content != nil && strings.TrimSpace(*in.Content) != "" {
		if in.Infer {
			return sentences(*in.Content)
		}
		return []string{*in.Content}
	}
	var said []string
	for _, m := range in.Messages {
		switch {
		case strings.TrimSpace(m.Content) == "":
		case in.Infer:
			said = append(said, sentences(m.Content)...)
		default:
			said = append(said, m.Content)
		}
	}
	return said
}

// outcome is what became of one text.
type outcome struct {
	ID       string `json:"id"`
	MemoryID string `json:"memory_id"`
	Event    string `json:"event"`
	Memory   string `json:"memory"`
}

type receipt struct {
	Results          []outcome `json:"results"`
	CollectionID     string    `json:"collection_id"`
	ProcessingStatus string    `json:"processing_status"`
	Searchable       bool      `json:"searchable"`
	CreatedCount     int       `json:"created_count"`
	UpdatedCount     int       `json:"updated_count"`
	SkippedCount     int       `json:"skipped_count"`
}

func (h *api) createMemory(w http.ResponseWriter, r *http.Request) error {
	var in memoryInput
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	texts := in.texts()
	if len(texts) == 0 {
		return lacking("content", "content or messages must say something")
	}
	importance, err := readImportance(in.Importance, ordinary)
	if err != nil {
		return err
	}
	if err := h.mustName(r, in.CollectionID); err != nil {
		return err
	}
	account := h.Account(r)
	in.CollectionID, err = h.resolve(r.Context(), account, in.CollectionID)
	if err != nil {
		return err
	}
	out, err := h.remember(r.Context(), account, &in, texts, importance)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if in.WaitForIndex && !out.Searchable {
		status = http.StatusAccepted
	}
	w.Header().Set("Location", "/v1/memories/"+out.Results[0].ID)
	w.Header().Set("X-Hebbrix-Index-Event", stand.NewID("evt_"))
	return stand.WriteJSON(w, status, out)
}

// remember keeps the texts. What is inferred is kept once.
func (h *api) remember(ctx context.Context, account string, in *memoryInput, texts []string, importance float64) (receipt, error) {
	out := receipt{CollectionID: in.CollectionID, Searchable: true}
	known, err := h.known(ctx, account, in)
	if err != nil {
		return out, err
	}
	now, memories := h.now(), h.memories(account)
	for _, text := range texts {
		if id, ok := known[fold(text)]; ok {
			out.Results = append(out.Results, outcome{id, id, "NOOP", text})
			out.SkippedCount++
			continue
		}
		m := memory{
			ID: stand.NewID("mem_"), CollectionID: in.CollectionID, Content: text, Importance: importance, SourceType: in.SourceType,
			SourceReference: in.SourceReference, Metadata: metadata(in.Metadata), Tags: orNone(in.Tags.value), CreatedAt: now, UpdatedAt: now,
			scope: in.scope, Ready: index(text, now, in.WaitForIndex),
		}
		if m.SourceType == "" {
			m.SourceType = "text"
		}
		if err := memories.Put(ctx, m.ID, 0, m); err != nil {
			return out, told("memory", m.ID, err)
		}
		if in.Infer {
			known[fold(text)] = m.ID
		}
		out.Results = append(out.Results, outcome{m.ID, m.ID, "ADD", text})
		out.CreatedCount++
		out.Searchable = out.Searchable && m.searchable(now)
	}
	out.ProcessingStatus = indexState(out.Searchable)
	if err := h.held(ctx, account, in.CollectionID); err != nil {
		for _, o := range out.Results {
			if _, failed := remove(ctx, memories, o.ID); failed != nil {
				return out, errors.Join(err, failed)
			}
		}
		return out, err
	}
	return out, nil
}

// known lists the memories that an inferred fact may repeat, by their text.
func (h *api) known(ctx context.Context, account string, in *memoryInput) (map[string]string, error) {
	known := map[string]string{}
	if !in.Infer {
		return known, nil
	}
	all, err := h.memories(account).All(ctx)
	for i := range all {
		if m := &all[i]; m.CollectionID == in.CollectionID && in.covers(m.scope) {
			known[fold(m.Content)] = m.ID
		}
	}
	return known, err
}

func (h *api) listMemories(w http.ResponseWriter, r *http.Request) error {
	account, query := h.Account(r), r.URL.Query()
	within := query.Get("collection_id")
	if err := h.mustName(r, within); err != nil {
		return err
	}
	if within != "" {
		if err := h.held(r.Context(), account, within); err != nil {
			return err
		}
	}
	all, err := h.memories(account).All(r.Context())
	if err != nil {
		return err
	}
	asked := scope{UserID: some(query.Get("user_id")), AgentID: some(query.Get("agent_id")), RunID: some(query.Get("run_id"))}
	shown := []shownMemory{}
	for i := range all {
		if m := &all[i]; (within == "" || within == m.CollectionID) && asked.covers(m.scope) {
			shown = append(shown, m.show(h.now()))
		}
	}
	out, err := cut(query, shown, func(m shownMemory) place { return place{m.CreatedAt, m.ID} })
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, out)
}

// some is nil for nothing.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// getMemory counts as an access.
func (h *api) getMemory(w http.ResponseWriter, r *http.Request) error {
	now := h.now()
	m, err := h.changeMemory(r, func(m *memory) error {
		m.AccessCount++
		m.LastAccessedAt = &now
		return nil
	})
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, m.show(now))
}

func (h *api) changeMemory(r *http.Request, edit func(*memory) error) (memory, error) {
	id := r.PathValue("id")
	if _, err := find(r.Context(), h.memories(h.Account(r)), "memory", id); err != nil {
		return memory{}, err
	}
	m, err := h.memories(h.Account(r)).Change(r.Context(), id, edit)
	return m, told("memory", id, err)
}

func (h *api) updateMemory(w http.ResponseWriter, r *http.Request) error {
	var in memoryInput
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	if in.Content != nil && strings.TrimSpace(*in.Content) == "" {
		return lacking("content", "must say something")
	}
	if _, err := readImportance(in.Importance, ordinary); err != nil {
		return err
	}
	now := h.now()
	m, err := h.changeMemory(r, func(m *memory) (err error) {
		m.UpdatedAt = now
		if m.Importance, err = readImportance(in.Importance, m.Importance); err != nil {
			return err
		}
		if in.Content != nil {
			m.Content, m.Ready = *in.Content, index(*in.Content, now, in.WaitForIndex)
		}
		if in.Metadata != nil {
			m.Metadata = metadata(in.Metadata)
		}
		if in.Tags.set {
			m.Tags = orNone(in.Tags.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, m.show(now))
}

func (h *api) deleteMemory(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !plain(id) {
		return stand.Missing("memory", id[:min(len(id), stand.MaxID)])
	}
	there, err := remove(r.Context(), h.memories(h.Account(r)), id)
	switch {
	case err != nil:
		return err
	case !there:
		return stand.Missing("memory", id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteMemories forgets everything, or counts it. The contract has looked at
// the confirmation, which may be left out.
func (h *api) deleteMemories(w http.ResponseWriter, r *http.Request) error {
	memories := h.memories(h.Account(r))
	all, err := memories.All(r.Context())
	if err != nil {
		return err
	}
	dry, deleted := r.URL.Query().Get("dry_run") == "true", 0
	for i := range all {
		if dry {
			break
		}
		there, err := remove(r.Context(), memories, all[i].ID)
		if err != nil {
			return err
		}
		if there { // and not deleted by somebody else meanwhile
			deleted++
		}
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"deleted_count": deleted, "dry_run": dry, "would_delete": len(all)})
}
