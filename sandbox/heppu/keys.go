package heppu

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/sandbox/stand"
)

func (h *api) createKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name        string    `json:"name"`
		Description string    `json:"description"`
		Permissions *[]string `json:"permissions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return failwell.FromCondition(failwell.FormatInvalid, err)
	}
	own := h.Contract.Permissions
	environment := ""
	if key, _ := failwell.Caller(r.Context()); key != nil {
		own, environment = key.Permissions, key.Environment
	}
	granted := own
	if in.Permissions != nil {
		granted = *in.Permissions
	}
	for _, p := range granted {
		if !slices.Contains(own, p) { // nobody can give what they do not have
			return failwell.FromCondition(failwell.PermissionDenied, nil).With("permission", p)
		}
	}
	secret, key, err := h.Keys.Create(r.Context(), admission.NewKey{
		Account: h.Account(r), Name: in.Name, Environment: environment, Permissions: slices.Clone(granted),
	})
	if errors.Is(err, admission.ErrInvalid) {
		return failwell.New(h.invalid, err).WithField("name", "must be up to 256 printable characters", "string_pattern")
	}
	if err != nil {
		return stand.StoreError(err)
	}
	return h.answer(w, http.StatusCreated, map[string]any{
		"id": key.ID, "key": secret, "name": in.Name, "description": in.Description, "permissions": granted,
		"createdAt": key.Created.UTC().Truncate(time.Millisecond),
	})
}

// revokeKey withdraws a key of the caller's own organisation.
func (h *api) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("keyId")
	if len(id) > stand.MaxID {
		return stand.Missing("api_key", id[:stand.MaxID])
	}
	key, err := h.Keys.Get(r.Context(), id)
	if errors.Is(err, admission.ErrNoKey) || err == nil && (key.Account != h.Account(r) || key.State == admission.KeyRevoked) {
		return stand.Missing("api_key", id)
	}
	if err != nil {
		return stand.StoreError(err)
	}
	if _, err := h.Keys.Revoke(r.Context(), id); err != nil {
		return stand.StoreError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
