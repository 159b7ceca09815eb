package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
)

// keyRequest is a key to be made, as POST /v1/keys takes it.
type keyRequest struct {
	Account     string `json:"account"`
	Name        string `json:"name,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Permissions: absent means all that the contract has, [] means none.
	Permissions []string  `json:"permissions,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
}

func (k keyRequest) newKey() admission.NewKey {
	return admission.NewKey{Account: k.Account, Name: k.Name, Environment: k.Environment, Permissions: k.Permissions, Expires: k.Expires}
}

func requestOf(n admission.NewKey) keyRequest {
	return keyRequest{Account: n.Account, Name: n.Name, Environment: n.Environment, Permissions: n.Permissions, Expires: n.Expires}
}

// importRequest is what POST /v1/keys/import takes.
type importRequest struct {
	Keys []importedKey `json:"keys"`
}

type importedKey struct {
	keyRequest

	Plain  string `json:"plain,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	Start  string `json:"start,omitempty"`
}

// importAnswer has a result for each key, in the order of the request.
type importAnswer struct {
	Results []importResult `json:"results"`
	// Made, Existing and Refused count them.
	Made     int `json:"made"`
	Existing int `json:"existing"`
	Refused  int `json:"refused"`
}

// importResult has one of its members.
type importResult struct {
	Key *admission.Key `json:"key,omitempty"`
	// Existing says that the key was known before.
	Existing bool `json:"existing,omitempty"`
	// Refused says why the key was not taken.
	Refused string `json:"refused,omitempty"`
}

type createdKey struct {
	Secret string        `json:"secret"`
	Key    admission.Key `json:"key"`
}

type keyList struct {
	Keys []admission.Key `json:"keys"`
}

// rotateRequest is what POST /v1/keys/{id}/rotate takes.
type rotateRequest struct {
	// Overlap is how long the old key goes on, as Go writes spans: "24h", "0s".
	Overlap string `json:"overlap,omitempty"`
}

type rotatedKey struct {
	Secret string        `json:"secret"`
	Key    admission.Key `json:"key"`
	// Old is the key that was replaced, with its new end.
	Old admission.Key `json:"old"`
}

// defaultOverlap is a day: time for a deployment to pick up the new key.
const defaultOverlap = 24 * time.Hour

func (a *admin) keyRoutes() []route {
	ends := func(pattern, summary, more, changes string, f func(*admission.Keyring, context.Context, string) (admission.Key, error)) route {
		return route{pattern: pattern, summary: summary, more: more, role: RoleOperate, changes: changes, out: admission.Key{}, handle: one(f, a)}
	}
	return []route{
		{
			pattern: "GET /v1/keys", summary: "Keys, in the order in which they were made", more: "Only an empty page is the end.", role: RoleRead,
			query: append([]parameter{{name: "account", kind: "string", doc: "Only keys of this account."}}, pageParameters...), out: keyList{}, handle: a.listKeys,
		},
		{
			pattern: "POST /v1/keys", summary: "Make a key", more: "Its secret is told this once and kept nowhere. Permissions that are absent mean all of the contract; [] means none.",
			role: RoleOperate, changes: "key.create", in: keyRequest{}, out: createdKey{}, status: http.StatusCreated, handle: a.createKey,
		},
		{
			pattern: "POST /v1/keys/import", summary: "Make keys known that were issued elsewhere", more: "Each by its text or its SHA-256. Keys that are refused do not stop the others; the import can be repeated.",
			role: RoleOperate, changes: "key.import", in: importRequest{}, out: importAnswer{}, handle: a.importKeys,
		},
		{pattern: "GET /v1/keys/{id}", summary: "A key", role: RoleRead, out: admission.Key{}, handle: one((*admission.Keyring).Get, a)},
		ends("DELETE /v1/keys/{id}", "End a key for ever", "The same as revoke.", "key.revoke", (*admission.Keyring).Revoke),
		ends("POST /v1/keys/{id}/revoke", "End a key for ever", "It counts everywhere within a second.", "key.revoke", (*admission.Keyring).Revoke),
		ends("POST /v1/keys/{id}/deactivate", "Switch a key off", "", "key.deactivate", (*admission.Keyring).Deactivate),
		ends("POST /v1/keys/{id}/reactivate", "Switch a key on again", "", "key.reactivate", (*admission.Keyring).Reactivate),
		{
			pattern: "POST /v1/keys/{id}/rotate", summary: "Replace a key by a new one", more: "Both work until the overlap is over: 24 h unless the body says otherwise. The new secret is told this once.",
			role: RoleOperate, changes: "key.rotate", in: rotateRequest{}, spared: true, out: rotatedKey{}, status: http.StatusCreated, handle: a.rotateKey,
		},
	}
}

func (a *admin) rotateKey(w http.ResponseWriter, r *http.Request) error {
	var request rotateRequest
	if r.ContentLength != 0 {
		if err := read(r, &request); err != nil {
			return err
		}
	}
	overlap := defaultOverlap
	if request.Overlap != "" {
		var err error
		if overlap, err = time.ParseDuration(request.Overlap); err != nil || overlap < 0 {
			return invalid("overlap is a span such as 24h, 30m or 0s")
		}
	}
	entryOf(r.Context()).about("", "overlap", overlap.String())
	done, err := a.keys().Rotate(r.Context(), r.PathValue("id"), overlap)
	if err != nil {
		return keyError(err)
	}
	entryOf(r.Context()).about("", "new", done.Next.ID)
	return answer(w, http.StatusCreated, rotatedKey{done.Secret, done.Next, done.Old})
}

func (a *admin) keys() *admission.Keyring { return a.gateway.live.Load().admission.Keys() }

func (a *admin) createKey(w http.ResponseWriter, r *http.Request) error {
	var k keyRequest
	if err := read(r, &k); err != nil {
		return err
	}
	entryOf(r.Context()).about("", "account", k.Account, "name", k.Name, "environment", k.Environment)
	secret, key, err := a.keys().Create(r.Context(), k.newKey())
	if err != nil {
		return keyError(err)
	}
	entryOf(r.Context()).about(key.ID)
	return answer(w, http.StatusCreated, createdKey{secret, key})
}

func (a *admin) listKeys(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	keys, err := a.keys().List(r.Context(), admission.KeyQuery{Account: r.URL.Query().Get("account"), After: after, Limit: limit})
	if err != nil {
		return keyError(err)
	}
	return answer(w, http.StatusOK, keyList{append([]admission.Key{}, keys...)})
}

// importKeys goes on past keys that are refused. Only when the store fails is
// there no result; the import can then be repeated.
func (a *admin) importKeys(w http.ResponseWriter, r *http.Request) error {
	var list importRequest
	if err := read(r, &list); err != nil {
		return err
	}
	keys := make([]admission.Imported, len(list.Keys))
	for i, k := range list.Keys {
		keys[i] = admission.Imported{NewKey: k.newKey(), Plain: k.Plain, SHA256: k.SHA256, Start: k.Start}
	}
	done := importAnswer{Results: make([]importResult, len(keys))}
	for i, result := range a.keys().ImportAll(r.Context(), keys) {
		switch to := &done.Results[i]; {
		case result.Err == nil:
			to.Key = &result.Key
			done.Made++
		case errors.Is(result.Err, admission.ErrKeyExists):
			to.Existing = true
			done.Existing++
		case errors.Is(result.Err, admission.ErrInvalid):
			to.Refused = result.Err.Error()
			done.Refused++
		default:
			return keyError(result.Err)
		}
	}
	entryOf(r.Context()).about("", "made", strconv.Itoa(done.Made), "existing", strconv.Itoa(done.Existing), "refused", strconv.Itoa(done.Refused))
	return answer(w, http.StatusOK, done)
}

// one handles a call on one key or account.
func one[T any](call func(*admission.Keyring, context.Context, string) (T, error), a *admin) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		found, err := call(a.keys(), r.Context(), r.PathValue("id"))
		if err != nil {
			return keyError(err)
		}
		return answer(w, http.StatusOK, found)
	}
}

// read takes one JSON value, without members that nobody knows.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("there is more than one value")
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, io.EOF):
		err = errors.New("the body is empty")
	}
	e := failwell.FromCondition(failwell.FormatInvalid, err)
	e.Message = "The body cannot be read: " + err.Error()
	return e
}

func page(r *http.Request) (after string, limit int, err error) {
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > 1000 {
			return "", 0, invalid("limit is a number from 1 to 1000")
		}
	}
	return q.Get("after"), limit, nil
}

func invalid(what string) error {
	e := failwell.FromCondition(failwell.ValidationFailed, nil)
	e.Message = what
	return e
}

// keyError tells operators what the keyring says. Its words hold no secrets;
// what a store says is for the log.
func keyError(err error) error {
	if r, ok := errors.AsType[*admission.Refusal](err); ok {
		return limitRefused(r)
	}
	for _, known := range keyErrors {
		if errors.Is(err, known.err) {
			e := failwell.FromCondition(known.condition, err)
			e.Message = err.Error()
			return e
		}
	}
	return failwell.FromCondition(failwell.StorageFailed, err)
}

// keyErrors pairs the keyring's errors with what the admin API makes of them,
// for both of its ends.
var keyErrors = []struct {
	err       error
	condition failwell.Condition
}{
	{admission.ErrNoKey, failwell.ResourceMissing},
	{admission.ErrNoAccount, failwell.ResourceMissing},
	{admission.ErrKeyExists, failwell.ResourceConflict},
	{admission.ErrRevoked, failwell.ResourceConflict},
	{admission.ErrInvalid, failwell.ValidationFailed},
	{admission.ErrOtherMove, failwell.IdempotencyMismatch},
}
