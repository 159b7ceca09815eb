// Package hebbrix stands in for Hebbrix, a memory for agents: collections of
// memories, documents that are cut into memories, search over both, and a
// knowledge graph. Text is found by BM25 over what is stored; there are no
// embeddings and no language model, so that every result can be worked out by
// hand.
package hebbrix

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// New makes the stand-in of Hebbrix.
func New(w *stand.World) (stand.API, error) {
	c := w.Contract
	return &api{
		World: w, noCollection: c.MustCode("collection_not_found"), detail: c.MustCode("validation_detail"),
		tooLarge: c.MustCode("document_too_large"), unsupported: c.MustCode("unsupported_format"),
	}, nil
}

type api struct {
	*stand.World

	noCollection, detail, tooLarge, unsupported *contract.Code
}

func (h *api) Handlers() map[string]stand.Handler {
	return map[string]stand.Handler{
		"collections.create":  h.createCollection,
		"collections.list":    h.listCollections,
		"collections.get":     h.getCollection,
		"collections.update":  h.updateCollection,
		"collections.delete":  h.deleteCollection,
		"memories.create":     h.createMemory,
		"memories.list":       h.listMemories,
		"memories.get":        h.getMemory,
		"memories.update":     h.updateMemory,
		"memories.delete":     h.deleteMemory,
		"memories.delete_all": h.deleteMemories,
		"documents.upload":    h.upload,
		"documents.get":       h.getDocument,
		"documents.delete":    h.deleteDocument,
		"documents.chunks":    h.listChunks,
		"search":              h.search,
		"entities.create":     h.createEntity,
		"usage.get":           h.usage,
	}
}

// Seed makes the collection that the samples of the API's document name.
func (h *api) Seed(ctx context.Context) error {
	return h.collections(stand.MainAccount).Put(ctx, sampleCollection, 0, collection{
		ID: sampleCollection, Name: "Sample", IsActive: true, Metadata: noMetadata, CreatedAt: h.now(), UpdatedAt: h.now(),
	})
}

const sampleCollection = "col_xyz"

// Tasks are named by the account and what they are about: "account/id".
func (h *api) Tasks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		"begin":  h.beginDocument,
		"finish": h.finishDocument,
		"sweep":  h.sweep,
	}
}

// room is where an account's records of a kind are. The slashes that an account's
// name may hold are escaped: whose name begins another's must not see into it.
func (h *api) room(kind, account string) string {
	return h.Prefix() + kind + "/" + url.PathEscape(account) + "/"
}

func (h *api) collections(account string) stand.Collection[collection] {
	return stand.Collection[collection]{Store: h.Store, Prefix: h.room("collections", account)}
}

func (h *api) memories(account string) stand.Collection[memory] {
	return stand.Collection[memory]{Store: h.Store, Prefix: h.room("memories", account)}
}

func (h *api) documents(account string) stand.Collection[document] {
	return stand.Collection[document]{Store: h.Store, Prefix: h.room("documents", account)}
}

func (h *api) entities(account string) stand.Collection[entity] {
	return stand.Collection[entity]{Store: h.Store, Prefix: h.room("entities", account)}
}

// now has the precision of the framework's timestamps.
func (h *api) now() time.Time { return h.Clock.Now().UTC().Truncate(time.Microsecond) }

// plain reports whether an id can be one of ours. Others are looked up nowhere:
// a separator in one would lead to somebody else's records.
func plain(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c == '_', c == '-':
		default:
			return false
		}
	}
	return id != "" && len(id) <= stand.MaxID
}

// find reads what the path names, or reports that it is missing.
func find[T any](ctx context.Context, from stand.Collection[T], kind, id string) (T, error) {
	var none T
	if !plain(id) {
		return none, stand.Missing(kind, id[:min(len(id), stand.MaxID)])
	}
	value, _, err := from.Get(ctx, id)
	return value, told(kind, id, err)
}

// told says what a failing store means to a caller.
func told(kind, id string, err error) error {
	switch {
	case errors.Is(err, store.ErrAbsent):
		return stand.Missing(kind, id)
	case errors.Is(err, store.ErrTooLarge):
		return failwell.FromCondition(condition.BodyTooLarge, err).With("max_bytes", store.MaxValue)
	}
	return stand.StoreError(err)
}

// remove deletes a record whatever its version; false when it was not there.
func remove[T any](ctx context.Context, from stand.Collection[T], id string) (bool, error) {
	for {
		record, err := from.Store.Get(ctx, from.Prefix+id)
		if err == nil {
			err = from.Delete(ctx, id, record.Version)
		}
		switch {
		case errors.Is(err, store.ErrAbsent):
			return false, nil
		case errors.Is(err, store.ErrConflict): // changed meanwhile
		default:
			return err == nil, stand.StoreError(err)
		}
	}
}

// refuse says that a value breaks a rule which no schema knows.
func refuse(field, message string) error {
	return failwell.FromCondition(condition.ParameterInvalid, nil).WithField(field, message, "value_error")
}

// lacking says that something is not there which no schema asks for.
func lacking(field, message string) error {
	return failwell.FromCondition(condition.ParameterMissing, nil).WithField(field, message, "value_error.missing")
}

// required is the framework's word for a field that is not there.
func (h *api) required(field string) error {
	return failwell.New(h.detail, nil).WithField(field, "field required", "value_error.missing")
}

// mustName asks for a collection where the caller wants to be held to naming one.
func (h *api) mustName(r *http.Request, collection string) error {
	if collection != "" || r.Header.Get(requireCollection) != "true" {
		return nil
	}
	return h.required("collection_id")
}

const requireCollection = "X-Hebbrix-Require-Collection"

// orNone spells out a list or an object that was not given.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
