package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
)

func (h *heppuAPI) createKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name        string    `json:"name"`
		Description string    `json:"description"`
		Permissions *[]string `json:"permissions"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return failwell.FromCondition(failwell.FormatInvalid, err)
	}
	own := h.contract.Permissions
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
	secret, key, err := h.keyring.Create(r.Context(), admission.NewKey{
		Account: h.account(r), Name: in.Name, Environment: environment, Permissions: slices.Clone(granted),
	})
	if errors.Is(err, admission.ErrInvalid) {
		return failwell.New(h.invalid, err).WithField("name", "must be up to 256 printable characters", "string_pattern")
	}
	if err != nil {
		return storeError(err)
	}
	return h.answer(w, http.StatusCreated, map[string]any{
		"id": key.ID, "key": secret, "name": in.Name, "description": in.Description, "permissions": granted,
		"createdAt": key.Created.UTC().Truncate(time.Millisecond),
	})
}

// revokeKey withdraws a key of the caller's own organisation.
func (h *heppuAPI) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("keyId")
	if len(id) > maxID {
		return h.missing("api_key", id[:maxID])
	}
	key, err := h.keyring.Get(r.Context(), id)
	if errors.Is(err, admission.ErrNoKey) || err == nil && (key.Account != h.account(r) || key.State == admission.KeyRevoked) {
		return h.missing("api_key", id)
	}
	if err != nil {
		return storeError(err)
	}
	if _, err := h.keyring.Revoke(r.Context(), id); err != nil {
		return storeError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
