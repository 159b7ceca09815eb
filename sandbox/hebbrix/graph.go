package hebbrix

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
)

const (
	// knowledgeGraph is the feature, searchGraph the kind of search that needs it.
	knowledgeGraph = "knowledge_graph"
	searchGraph    = "graph"
)

// entity is something that memories speak of.
type entity struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"created_at"`
}

func (h *api) createEntity(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	e := entity{ID: stand.NewID("ent_"), Name: in.Name, Type: cmp.Or(in.Type, "thing"), CreatedAt: h.now()}
	if len(terms(e.Name)) == 0 {
		return refuse("name", "must hold a letter or a digit")
	}
	if err := h.entities(h.Account(r)).Put(r.Context(), e.ID, 0, e); err != nil {
		return told("entity", e.ID, err)
	}
	return stand.WriteJSON(w, http.StatusCreated, e)
}

// named is an entity with the words of its name.
type named struct {
	name  string
	words []string
}

// named lists the entities that a text names.
func (h *api) named(ctx context.Context, account, text string) ([]named, error) {
	all, err := h.entities(account).All(ctx)
	if err != nil {
		return nil, err
	}
	spoken := terms(text)
	var out []named
	for _, e := range all {
		if n := (named{e.Name, terms(e.Name)}); holds(spoken, n.words) {
			out = append(out, n)
		}
	}
	return out, nil
}

// spokenOf lists those of the entities that a text names.
func spokenOf(entities []named, text string) (names []string) {
	spoken := terms(text)
	for _, n := range entities {
		if holds(spoken, n.words) && !slices.Contains(names, n.name) {
			names = append(names, n.name)
		}
	}
	return names
}

// holds reports whether words stand in a text one after the other.
func holds(text, words []string) bool {
	for i := range text {
		if len(text)-i >= len(words) && slices.Equal(text[i:i+len(words)], words) {
			return true
		}
	}
	return false
}

// included refuses what the caller's tier does not have, where only the body
// shows that it is asked for.
func (h *api) included(r *http.Request, feature string) error {
	_, account := failwell.Caller(r.Context())
	if account == nil {
		return nil // whoever admitted the call has looked
	}
	plans := h.Contract.Plans
	plan := plans[0]
	if p, ok := h.Contract.Plan(account.Plan); ok {
		plan = p
	}
	if plan.Includes(feature) {
		return nil
	}
	e := failwell.FromCondition(condition.FeatureUnavailable, nil).With("feature", feature).With("plan", plan.Name).With("plan_title", plan.Title)
	if f, ok := h.Contract.Feature(feature); ok {
		e = e.With("feature_title", f.Title)
	}
	for _, p := range plans { // from the cheapest on
		if p.Includes(feature) {
			return e.With("required_plan", p.Name).With("required_plan_title", p.Title).
				With("required_plan_price", p.Price).With("required_plan_credits", p.Credits)
		}
	}
	return e
}

// usage says what is used of the month's credits.
func (h *api) usage(w http.ResponseWriter, r *http.Request) error {
	limits, err := h.Admission.Usage(r.Context(), h.Account(r))
	if err != nil && !errors.Is(err, admission.ErrNoAccount) { // one that only the gateway in front knows
		return stand.StoreError(err)
	}
	_, account := failwell.Caller(r.Context())
	calls := map[string]any{"used": 0, "limit": -1, "remaining": -1, "percentage": 0.0} // -1: without bound
	out := map[string]any{"api_calls": calls, "tier": h.Contract.Plans[0].Name}
	if account != nil && account.Plan != "" {
		out["tier"] = account.Plan
	}
	for _, l := range limits {
		if strings.EqualFold(l.Name, "credits") {
			calls["used"], calls["limit"], calls["remaining"] = l.Used, l.Limit, l.Remaining
			calls["percentage"] = float64(l.Used) * 100 / float64(max(l.Limit, 1))
			out["reset_at"] = l.Reset.UTC()
		}
	}
	return stand.WriteJSON(w, http.StatusOK, out)
}
