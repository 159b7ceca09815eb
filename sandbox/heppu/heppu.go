// Package heppu stands in for Heppu AI: voice and chat agents of organisations.
package heppu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// New makes the stand-in of Heppu AI.
func New(w *stand.World) (stand.API, error) {
	return &api{World: w, conflict: w.Contract.MustCode("resource_conflict"), invalid: w.Contract.MustCode("validation_failed")}, nil
}

type api struct {
	*stand.World

	conflict, invalid *contract.Code
}

func (h *api) Handlers() map[string]stand.Handler {
	return map[string]stand.Handler{
		"agents.list":   h.listAgents,
		"agents.create": h.createAgent,
		"agents.get":    h.getAgent,
		"agents.update": h.updateAgent,
		"agents.delete": h.deleteAgent,
		"keys.create":   h.createKey,
		"keys.revoke":   h.revokeKey,
		"calls.create":  h.createCall,
		"calls.list":    h.listCalls,
		"calls.get":     h.getCall,
	}
}

func (*api) Seed(context.Context) error { return nil }

// Tasks of a call: its id is "account/id".
func (h *api) Tasks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{"answer": h.answerCall, "hang_up": h.endCall}
}

// agent is the resource as the API shows it.
type agent struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Type         string         `json:"type"`
	Status       string         `json:"status"`
	Model        string         `json:"model"`
	Instructions string         `json:"instructions,omitempty"`
	SystemPrompt string         `json:"systemPrompt,omitempty"`
	Temperature  *float64       `json:"temperature,omitempty"`
	Config       map[string]any `json:"config"`
	ToolIDs      []string       `json:"toolIds,omitempty"`
	Tools        []any          `json:"tools"`
	PhoneNumbers []string       `json:"phoneNumbers"`
	CreatedAt    time.Time      `json:"createdAt"`
	UpdatedAt    time.Time      `json:"updatedAt"`
}

// agentInput is what a caller may set; nil means not given.
type agentInput struct {
	Name         *string        `json:"name"`
	Type         *string        `json:"type"`
	Status       *string        `json:"status"`
	Model        *string        `json:"model"`
	Instructions *string        `json:"instructions"`
	SystemPrompt *string        `json:"systemPrompt"`
	Temperature  *float64       `json:"temperature"`
	Config       map[string]any `json:"config"`
	ToolIDs      []string       `json:"toolIds"`
}

func (h *api) agents(account string) stand.Collection[agent] {
	return stand.Collection[agent]{Store: h.Store, Prefix: h.Prefix() + "agents/" + account + "/"}
}

// reservation is what makes a name unique: who has it, and since when.
type reservation struct {
	Agent string    `json:"agent"`
	Since time.Time `json:"since"`
}

// creation is how long an agent may take to appear once its name is reserved.
const creation = 10 * time.Second

func (h *api) names(account string) stand.Collection[reservation] {
	return stand.Collection[reservation]{Store: h.Store, Prefix: h.Prefix() + "names/" + account + "/"}
}

// answer is the envelope of successes.
func (h *api) answer(w http.ResponseWriter, status int, data any) error {
	return stand.WriteJSON(w, status, map[string]any{"data": data, "meta": map[string]any{"timestamp": h.now()}})
}

func (h *api) now() time.Time { return h.Clock.Now().UTC().Truncate(time.Millisecond) }

func (h *api) find(r *http.Request, id string) (agent, store.Version, error) {
	if len(id) > stand.MaxID {
		return agent{}, 0, stand.Missing("agent", id[:stand.MaxID])
	}
	a, version, err := h.agents(h.Account(r)).Get(r.Context(), id)
	if errors.Is(err, store.ErrAbsent) {
		return a, 0, stand.Missing("agent", id)
	}
	return a, version, stand.StoreError(err)
}

func (h *api) listAgents(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	all, err := h.agents(h.Account(r)).All(r.Context())
	if err != nil {
		return err
	}
	matching := []agent{}
	for _, a := range all {
		if (query.Get("type") == "" || query.Get("type") == a.Type) && (query.Get("status") == "" || query.Get("status") == a.Status) {
			matching = append(matching, a)
		}
	}
	page, about := cut(query, matching)
	return h.answer(w, http.StatusOK, map[string]any{"agents": page, "pagination": about})
}

// cut takes the page out of a list that the query asks for, and tells about it.
func cut[T any](query url.Values, all []T) (page []T, about map[string]any) {
	limit, offset := stand.Number(query, "limit", 50), stand.Number(query, "offset", 0)
	from := min(offset, len(all))
	page = all[from:min(from+limit, len(all))]
	return page, map[string]any{"limit": limit, "offset": offset, "total": len(all), "hasMore": from+len(page) < len(all)}
}

// readAgent decodes a body that the schema has accepted and checks what a
// schema cannot say.
func (h *api) readAgent(r *http.Request) (in agentInput, err error) {
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return in, failwell.FromCondition(failwell.FormatInvalid, err)
	}
	e := failwell.New(h.invalid, nil)
	for _, x := range []struct {
		field string
		value *string
	}{{"name", in.Name}, {"systemPrompt", in.SystemPrompt}} {
		if x.value != nil && strings.TrimSpace(*x.value) == "" {
			e = e.WithField(x.field, "must not be blank", "blank")
		}
	}
	if len(e.Fields) > 0 {
		return in, e
	}
	return in, nil
}

func (h *api) createAgent(w http.ResponseWriter, r *http.Request) error {
	in, err := h.readAgent(r)
	if err != nil {
		return err
	}
	a := agent{
		ID: stand.NewID("agent_"), Type: "chat", Status: "active", Config: map[string]any{}, Tools: []any{}, PhoneNumbers: []string{},
		CreatedAt: h.now(),
	}
	if in.Type != nil {
		a.Type = *in.Type
	}
	a.Model = map[string]string{"voice": "gpt-realtime-2025-08-28", "chat": "gpt-4o"}[a.Type]
	a.apply(in, h.now())
	account := h.Account(r)
	if err := h.takeName(r, account, a.Name, a.ID); err != nil {
		return err
	}
	if err := h.agents(account).Put(r.Context(), a.ID, 0, a); err != nil {
		return errors.Join(stand.StoreError(err), h.freeName(r, account, a.Name))
	}
	return h.answer(w, http.StatusCreated, a)
}

func (a *agent) apply(in agentInput, now time.Time) {
	set := func(to, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&a.Name, in.Name)
	set(&a.Status, in.Status)
	set(&a.Model, in.Model)
	set(&a.Instructions, in.Instructions)
	set(&a.SystemPrompt, in.SystemPrompt)
	if in.Temperature != nil {
		a.Temperature = in.Temperature
	}
	if in.Config != nil {
		a.Config = in.Config
	}
	if in.ToolIDs != nil {
		a.ToolIDs = in.ToolIDs
	}
	a.UpdatedAt = now
}

// nameKey keeps any name within the store's bound for keys.
func nameKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// takeName reserves a name. A reservation whose agent has another name by now,
// or never came to be, is left over from a crash and is taken over.
func (h *api) takeName(r *http.Request, account, name, id string) error {
	names, key := h.names(account), nameKey(name)
	taken := failwell.New(h.conflict, nil).With("field", "name").With("conflict", "duplicate_name")
	mine := reservation{Agent: id, Since: h.now()}
	err := names.Put(r.Context(), key, 0, mine)
	if !errors.Is(err, store.ErrConflict) {
		return stand.StoreError(err)
	}
	holder, version, err := names.Get(r.Context(), key)
	if err != nil {
		return taken // given back this instant: the caller may try again
	}
	other, _, err := h.agents(account).Get(r.Context(), holder.Agent)
	stale := err == nil && other.Name != name || errors.Is(err, store.ErrAbsent) && h.now().Sub(holder.Since) > creation
	if stale && names.Put(r.Context(), key, version, mine) == nil {
		return nil
	}
	return taken
}

func (h *api) freeName(r *http.Request, account, name string) error {
	_, version, err := h.names(account).Get(r.Context(), nameKey(name))
	if err == nil {
		err = h.names(account).Delete(r.Context(), nameKey(name), version)
	}
	if errors.Is(err, store.ErrAbsent) {
		return nil
	}
	return stand.StoreError(err)
}

func (h *api) getAgent(w http.ResponseWriter, r *http.Request) error {
	a, _, err := h.find(r, r.PathValue("agentId"))
	if err != nil {
		return err
	}
	return h.answer(w, http.StatusOK, a)
}

func (h *api) updateAgent(w http.ResponseWriter, r *http.Request) error {
	in, err := h.readAgent(r)
	if err != nil {
		return err
	}
	account := h.Account(r)
	a, version, err := h.find(r, r.PathValue("agentId"))
	if err != nil {
		return err
	}
	before := a.Name
	a.apply(in, h.now())
	if a.Name != before {
		if err := h.takeName(r, account, a.Name, a.ID); err != nil {
			return err
		}
	}
	if err := h.agents(account).Put(r.Context(), a.ID, version, a); err != nil {
		if a.Name != before {
			err = errors.Join(err, h.freeName(r, account, a.Name))
		}
		if errors.Is(err, store.ErrConflict) {
			return failwell.New(h.conflict, err).With("conflict", "invalid_state")
		}
		return stand.StoreError(err)
	}
	if a.Name != before {
		if err := h.freeName(r, account, before); err != nil {
			return err
		}
	}
	return h.answer(w, http.StatusOK, map[string]any{"id": a.ID, "updated": true})
}

func (h *api) deleteAgent(w http.ResponseWriter, r *http.Request) error {
	account := h.Account(r)
	a, version, err := h.find(r, r.PathValue("agentId"))
	if err != nil {
		return err
	}
	switch err := h.agents(account).Delete(r.Context(), a.ID, version); {
	case errors.Is(err, store.ErrAbsent):
		return stand.Missing("agent", a.ID)
	case errors.Is(err, store.ErrConflict):
		return failwell.New(h.conflict, err).With("conflict", "invalid_state")
	case err != nil:
		return stand.StoreError(err)
	}
	if err := h.freeName(r, account, a.Name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
