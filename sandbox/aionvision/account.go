package aionvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
)

// usage is how an account's month stands.
type usage struct {
	limit, used, left, credits int64
	reset                      time.Time
}

// usageOf reads the allowance of descriptions. Of an account that is known only
// to somebody in front there is nothing to read.
func (h *api) usageOf(ctx context.Context, account string) (u usage, err error) {
	all, err := h.Admission.Usage(ctx, account)
	if errors.Is(err, admission.ErrNoAccount) {
		return u, nil
	}
	if err != nil {
		return u, refused(err)
	}
	for i := range all {
		switch x := &all[i]; x.Name {
		case "descriptions":
			u.limit, u.used, u.left, u.reset = x.Limit, x.Used, x.Remaining, x.Reset
		case credits:
			u.credits = x.Remaining
		}
	}
	return u, nil
}

func (h *api) checkQuota(w http.ResponseWriter, r *http.Request) error {
	u, err := h.usageOf(r.Context(), h.Account(r))
	if err != nil {
		return err
	}
	t := h.tierOf(r.Context())
	count := int64(stand.Number(r.URL.Query(), "file_count", 1))
	var message any
	switch {
	case count > u.left:
		message = fmt.Sprintf("There is an allowance for %d more files this month.", u.left)
	case count > int64(t.batch):
		message = fmt.Sprintf("Up to %d files may be sent at a time.", t.batch)
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"can_proceed": message == nil, "requested": count, "available": u.left, "monthly_limit": u.limit, "current_usage": u.used,
		"prepaid_credits": u.credits, "max_batch_size": t.batch, "max_concurrent_uploads": t.open, "message": message,
	})
}

func (h *api) checkUsage(w http.ResponseWriter, r *http.Request) error {
	in := struct {
		Items whole `json:"item_count"`
	}{1}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	u, err := h.usageOf(r.Context(), h.Account(r))
	if err != nil {
		return err
	}
	var message, reset any
	if int64(in.Items) > u.left {
		message = fmt.Sprintf("This takes %d, and there are %d left.", int64(in.Items), u.left)
	}
	if !u.reset.IsZero() {
		reset = u.reset.UTC()
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"can_proceed": message == nil, "current_usage": u.used, "monthly_limit": u.limit, "required_credits": int64(in.Items),
		"available_credits": u.left, "reset_date": reset, "message": message,
	})
}

func (h *api) createKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Scopes      *[]string      `json:"scopes"`
		Metadata    map[string]any `json:"metadata"`
		ExpiresAt   *time.Time     `json:"expires_at"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	own, environment := h.Contract.Permissions, ""
	if key, _ := failwell.Caller(r.Context()); key != nil {
		own, environment = key.Permissions, key.Environment
	}
	scopes := own
	if in.Scopes != nil {
		scopes = *in.Scopes
	}
	for _, scope := range scopes {
		if !slices.Contains(own, scope) { // nobody can give what they do not have
			return failwell.FromCondition(condition.PermissionDenied, nil).With("permission", scope)
		}
	}
	request := admission.NewKey{Account: h.Account(r), Name: in.Name, Environment: environment, Permissions: slices.Clone(scopes)}
	if in.ExpiresAt != nil {
		if !in.ExpiresAt.After(h.now()) {
			return invalid("expires_at", "must be in the future")
		}
		request.Expires = *in.ExpiresAt
	}
	secret, key, err := h.Keys.Create(r.Context(), request)
	if errors.Is(err, admission.ErrInvalid) {
		return invalid("name", "must be up to 255 printable characters")
	}
	if err != nil {
		return stand.StoreError(err)
	}
	return stand.WriteJSON(w, http.StatusCreated, map[string]any{
		"id": key.ID, "api_key": secret, "key_prefix": secret[:min(len(secret), shownKey)], "name": in.Name, "description": in.Description,
		"scopes": scopes, "metadata": in.Metadata, "is_active": true, "expires_at": in.ExpiresAt, "created_at": h.now(),
	})
}

// shownKey is how much of a key is shown in lists, as in the site's samples.
const shownKey = 14

// deactivateKey switches a key of the caller's own account off.
func (h *api) deactivateKey(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if len(id) > stand.MaxID {
		return missing("api_key", id)
	}
	key, err := h.Keys.Get(r.Context(), id)
	if errors.Is(err, admission.ErrNoKey) || err == nil && (key.Account != h.Account(r) || key.State != admission.KeyActive) {
		return missing("api_key", id)
	}
	if err == nil {
		_, err = h.Keys.Deactivate(r.Context(), id)
	}
	if err != nil {
		return stand.StoreError(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
