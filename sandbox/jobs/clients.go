package jobs

import (
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// client is a customer account; its id is that of the account.
type client struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Owner   string    `json:"owner"`
	Created time.Time `json:"created"`
}

const (
	clientActive    = "active"
	clientSuspended = "suspended"
)

func (c *client) show() map[string]any {
	return map[string]any{"clientId": c.ID, "name": c.Name, "status": c.Status, "createdAt": c.Created}
}

func (h *api) clients() stand.Collection[client] {
	return stand.Collection[client]{Store: h.Store, Prefix: h.Prefix() + "clients/"}
}

// owned reads a client that is the caller's own or was made by it.
func (h *api) owned(r *http.Request, id string) (client, error) {
	if len(id) > stand.MaxID {
		return client{}, failwell.New(h.noClient, nil)
	}
	c, _, err := h.clients().Get(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrAbsent):
		return c, failwell.New(h.noClient, nil)
	case err != nil:
		return c, h.stored(err)
	case c.Owner != h.Account(r) && c.ID != h.Account(r):
		return c, failwell.New(h.foreign, nil)
	}
	return c, nil
}

func (h *api) listClients(w http.ResponseWriter, r *http.Request) error {
	all, err := h.clients().All(r.Context())
	if err != nil {
		return err
	}
	shown := []map[string]any{}
	for i := range all {
		if all[i].Owner == h.Account(r) || all[i].ID == h.Account(r) {
			shown = append(shown, all[i].show())
		}
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"clients": shown, "total": len(shown)})
}

func (h *api) createClient(w http.ResponseWriter, r *http.Request) error {
	c := client{ID: stand.NewID("client_"), Status: clientActive, Owner: h.Account(r), Created: h.now()}
	if err := stand.ReadJSON(r, &c); err != nil {
		return err
	}
	c = client{ID: stand.NewID("client_"), Name: c.Name, Status: c.Status, Owner: h.Account(r), Created: h.now()}
	if err := h.Keys.PutAccount(r.Context(), admission.Account{ID: c.ID, State: stateOf(c.Status)}); err != nil {
		return h.stored(err)
	}
	if err := h.clients().Put(r.Context(), c.ID, 0, c); err != nil {
		return h.stored(err)
	}
	return stand.WriteJSON(w, http.StatusCreated, c.show())
}

func stateOf(status string) admission.AccountState {
	if status == clientSuspended {
		return admission.AccountSuspended
	}
	return admission.AccountActive
}

func (h *api) getClient(w http.ResponseWriter, r *http.Request) error {
	c, err := h.owned(r, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, c.show())
}

// updateClient renames, suspends or reinstates; keys of a suspended client get
// SUSPENDED_ACCOUNT from then on.
func (h *api) updateClient(w http.ResponseWriter, r *http.Request) error {
	c, err := h.owned(r, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	var in struct{ Name, Status *string }
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	c, err = h.clients().Change(r.Context(), c.ID, func(c *client) error {
		if in.Name != nil {
			c.Name = *in.Name
		}
		if in.Status != nil {
			c.Status = *in.Status
		}
		return nil
	})
	if err == nil && in.Status != nil {
		_, err = h.Keys.SetAccountState(r.Context(), c.ID, stateOf(c.Status))
	}
	if err != nil {
		return h.stored(err)
	}
	return stand.WriteJSON(w, http.StatusOK, c.show())
}

func (h *api) createKey(w http.ResponseWriter, r *http.Request) error {
	c, err := h.owned(r, r.PathValue("clientId"))
	if err != nil {
		return err
	}
	var in struct {
		Name        string     `json:"name"`
		Permissions []string   `json:"permissions"`
		ExpiresAt   *time.Time `json:"expiresAt"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	environment := ""
	if key, _ := failwell.Caller(r.Context()); key != nil {
		environment = key.Environment
		for _, p := range in.Permissions { // nobody can give what they do not have
			if !slices.Contains(key.Permissions, p) {
				return failwell.FromCondition(failwell.PermissionDenied, nil).With("permission", p)
			}
		}
	}
	request := admission.NewKey{Account: c.ID, Name: in.Name, Environment: environment, Permissions: in.Permissions}
	if in.ExpiresAt != nil {
		if !in.ExpiresAt.After(h.now()) {
			return h.invalid("expiresAt", "must be in the future")
		}
		request.Expires = *in.ExpiresAt
	}
	secret, key, err := h.Keys.Create(r.Context(), request)
	if errors.Is(err, admission.ErrInvalid) {
		return h.invalid("name", "must be up to 100 printable characters")
	}
	if err != nil {
		return h.stored(err)
	}
	return stand.WriteJSON(w, http.StatusCreated, map[string]any{
		"keyId": key.ID, "apiKey": secret, "name": in.Name, "permissions": in.Permissions, "createdAt": h.now(), "expiresAt": in.ExpiresAt,
	})
}

func (h *api) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("keyId")
	if len(id) > stand.MaxID {
		return failwell.New(h.noKey, nil)
	}
	key, err := h.Keys.Get(r.Context(), id)
	if errors.Is(err, admission.ErrNoKey) || err == nil && key.State == admission.KeyRevoked {
		return failwell.New(h.noKey, nil)
	}
	if err != nil {
		return h.stored(err)
	}
	if _, err := h.owned(r, key.Account); err != nil {
		return err
	}
	if _, err := h.Keys.Revoke(r.Context(), id); err != nil {
		return h.stored(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *api) balance(w http.ResponseWriter, r *http.Request) error {
	all, err := h.Admission.Usage(r.Context(), h.Account(r))
	if err != nil {
		return stand.StoreError(err)
	}
	var cents int64
	for i := range all {
		if all[i].Name == funds {
			cents = all[i].Remaining
		}
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"clientId": h.Account(r), "balanceUsd": float64(cents) / 100, "minimumUsd": float64(minimum) / 100,
	})
}

// topUp pays in; a call that is repeated under its request id pays in once.
func (h *api) topUp(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		AmountUSD float64 `json:"amountUsd"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	cents := math.Round(in.AmountUSD * 100)
	if err := h.Admission.Credit(r.Context(), h.Account(r), funds, int64(cents), failwell.RequestID(r.Context())); err != nil {
		return stand.StoreError(err)
	}
	return h.balance(w, r)
}

// Uploads.

// uploadScheme begins the addresses of files that were put here.
const uploadScheme = "s3://redner-sandbox/"

// upload is a file that was announced, and how long it is once it is there.
type upload struct {
	Client string `json:"client"`
	Size   int64  `json:"size"`
	There  bool   `json:"there"`
}

func (h *api) uploads() stand.Collection[upload] {
	return stand.Collection[upload]{Store: h.Store, Prefix: h.Prefix() + "uploads/"}
}

func (h *api) initUpload(w http.ResponseWriter, r *http.Request) error {
	id := stand.NewID("up_")
	if err := h.uploads().Put(r.Context(), id, 0, upload{Client: h.Account(r)}); err != nil {
		return h.stored(err)
	}
	until := h.now().Add(linkLife)
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"uploadId": id, "uploadUrl": h.URL() + stand.OutsidePath + "uploads/" + id + "?" + h.sign(id, until), "fileUrl": uploadScheme + id, "expiresAt": until,
	})
}

// takeUpload counts the bytes and drops them: no job here looks into media.
func (h *api) takeUpload(w http.ResponseWriter, r *http.Request, id string) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil {
		http.Error(w, "EntityTooLarge", http.StatusRequestEntityTooLarge)
		return
	}
	if _, err := h.uploads().Change(r.Context(), id, func(u *upload) error {
		u.Size, u.There = n, true
		return nil
	}); err != nil {
		http.Error(w, "NoSuchUpload", http.StatusNotFound)
	}
}

// maxUpload is the document's 3500 MB.
const maxUpload = 3500 << 20

func (h *api) confirmUpload(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		UploadID string `json:"uploadId"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	if len(in.UploadID) > stand.MaxID {
		return stand.Missing("upload", in.UploadID[:stand.MaxID])
	}
	u, _, err := h.uploads().Get(r.Context(), in.UploadID)
	if errors.Is(err, store.ErrAbsent) || err == nil && u.Client != h.Account(r) {
		return stand.Missing("upload", in.UploadID)
	}
	if err != nil {
		return h.stored(err)
	}
	if !u.There {
		return stand.Missing("file", in.UploadID) // nothing was put at its address yet
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"uploadId": in.UploadID, "fileUrl": uploadScheme + in.UploadID, "sizeBytes": u.Size})
}

// checkUpload accepts the address of a file that the caller has put here.
func (h *api) checkUpload(r *http.Request, field, id string) error {
	if id == "" || len(id) > stand.MaxID {
		return h.invalid(field, "is no address of an upload")
	}
	u, _, err := h.uploads().Get(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrAbsent), err == nil && (u.Client != h.Account(r) || !u.There):
		return h.invalid(field, "there is no such upload")
	case err != nil:
		return h.stored(err)
	}
	return nil
}
