package heppu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// How long a call rings, and is spoken; the API's document gives no numbers.
const (
	ringing  = 5 * time.Second
	speaking = time.Minute
)

// The states of a call.
const (
	isQueued    = "queued"
	isGoingOn   = "in_progress"
	isCompleted = "completed"
)

// call is the resource as the API shows it.
type call struct {
	ID          string         `json:"id"`
	Status      string         `json:"status"`
	AgentID     string         `json:"agentId"`
	PhoneNumber string         `json:"phoneNumber"`
	CallerID    *string        `json:"callerId"`
	Priority    int            `json:"priority"`
	StartedAt   time.Time      `json:"startedAt"`
	AnsweredAt  *time.Time     `json:"answeredAt,omitempty"`
	EndedAt     *time.Time     `json:"endedAt,omitempty"`
	Agent       calledBy       `json:"agent"`
	Metadata    map[string]any `json:"metadata"`
}

// calledBy is the agent as it was when the call was made.
type calledBy struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

func (h *api) calls(account string) stand.Collection[call] {
	return stand.Collection[call]{Store: h.Store, Prefix: h.Prefix() + "calls/" + account + "/"}
}

func (h *api) createCall(w http.ResponseWriter, r *http.Request) error {
	in := struct {
		AgentID     string         `json:"agentId"`
		PhoneNumber string         `json:"phoneNumber"`
		CallerID    *string        `json:"callerId"`
		Metadata    map[string]any `json:"metadata"`
		Priority    float64        `json:"priority"` // 5.0 is an integer for JSON Schema
	}{Priority: 5}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return failwell.FromCondition(failwell.FormatInvalid, err)
	}
	a, _, err := h.find(r, in.AgentID)
	if err != nil {
		return err
	}
	if a.Type != "voice" || a.Status == "inactive" {
		cause := fmt.Errorf("agent %s is %s and %s", a.ID, a.Type, a.Status) //nolint:err113 // the particulars are for the log
		return failwell.New(h.conflict, cause).With("field", "agentId").With("conflict", "invalid_state")
	}
	if err := h.Backend.Call(r.Context()); err != nil {
		return err
	}
	account := h.Account(r)
	c := call{
		ID: stand.NewID("call_"), Status: isQueued, AgentID: a.ID, PhoneNumber: in.PhoneNumber, CallerID: in.CallerID,
		Priority: int(in.Priority), StartedAt: h.now(), Agent: calledBy{a.ID, a.Name, a.Type}, Metadata: in.Metadata,
	}
	if err := h.calls(account).Put(r.Context(), c.ID, 0, c); err != nil {
		return stand.StoreError(err)
	}
	answered := c.StartedAt.Add(ringing)
	if err := errors.Join(
		h.Due.At(r.Context(), answered, "answer", account+"/"+c.ID),
		h.Due.At(r.Context(), answered.Add(speaking), "hang_up", account+"/"+c.ID),
	); err != nil {
		return stand.StoreError(err)
	}
	return h.answer(w, http.StatusCreated, c)
}

func (h *api) listCalls(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	all, err := h.calls(h.Account(r)).All(r.Context())
	if err != nil {
		return err
	}
	matching := []call{}
	for _, c := range all {
		if (query.Get("agentId") == "" || query.Get("agentId") == c.AgentID) && (query.Get("status") == "" || query.Get("status") == c.Status) {
			matching = append(matching, c)
		}
	}
	slices.SortStableFunc(matching, func(a, b call) int { return b.StartedAt.Compare(a.StartedAt) })
	page, about := cut(query, matching)
	return h.answer(w, http.StatusOK, map[string]any{"calls": page, "pagination": about})
}

func (h *api) getCall(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("callId")
	if len(id) > stand.MaxID {
		return stand.Missing("call", id[:stand.MaxID])
	}
	c, _, err := h.calls(h.Account(r)).Get(r.Context(), id)
	if errors.Is(err, store.ErrAbsent) {
		return stand.Missing("call", id)
	}
	if err != nil {
		return stand.StoreError(err)
	}
	return h.answer(w, http.StatusOK, c)
}

func (h *api) answerCall(ctx context.Context, task string) error {
	return h.advance(ctx, task, func(c *call, now time.Time) {
		if c.Status == isQueued {
			c.Status, c.AnsweredAt = isGoingOn, &now
		}
	})
}

func (h *api) endCall(ctx context.Context, task string) error {
	return h.advance(ctx, task, func(c *call, now time.Time) { c.Status, c.EndedAt = isCompleted, &now })
}

// advance changes a call, where it is there.
func (h *api) advance(ctx context.Context, task string, change func(c *call, now time.Time)) error {
	account, id, _ := strings.Cut(task, "/")
	c, version, err := h.calls(account).Get(ctx, id)
	if errors.Is(err, store.ErrAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	change(&c, h.now())
	return h.calls(account).Put(ctx, id, version, c)
}
