package hebbrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// collection is what memories and documents are in. MemoryCount is counted when
// it is shown.
type collection struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	IsActive    bool            `json:"is_active"`
	MemoryCount int             `json:"memory_count"`
	Metadata    json.RawMessage `json:"metadata"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

// collectionInput is what a caller may set.
type collectionInput struct {
	Name        *string                `json:"name"`
	Description given[*string]         `json:"description"`
	Metadata    given[json.RawMessage] `json:"metadata"`
}

func (c *collection) apply(in *collectionInput) error {
	if in.Name != nil {
		if strings.TrimSpace(*in.Name) == "" {
			return refuse("name", "must not be blank")
		}
		c.Name = *in.Name
	}
	if in.Description.set {
		c.Description = in.Description.value
	}
	if in.Metadata.set {
		c.Metadata = metadata(in.Metadata.value)
	}
	return nil
}

func (h *api) createCollection(w http.ResponseWriter, r *http.Request) error {
	var in collectionInput
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	c := collection{ID: stand.NewID("col_"), IsActive: true, Metadata: noMetadata, CreatedAt: h.now(), UpdatedAt: h.now()}
	if err := c.apply(&in); err != nil {
		return err
	}
	if err := h.collections(h.Account(r)).Put(r.Context(), c.ID, 0, c); err != nil {
		return told("collection", c.ID, err)
	}
	w.Header().Set("Location", "/v1/collections/"+c.ID)
	return stand.WriteJSON(w, http.StatusCreated, c)
}

func (h *api) listCollections(w http.ResponseWriter, r *http.Request) error {
	account, query := h.Account(r), r.URL.Query()
	all, err := h.collections(account).All(r.Context())
	if err != nil {
		return err
	}
	counts, err := h.counts(r.Context(), account)
	if err != nil {
		return err
	}
	matching := all[:0]
	for _, c := range all {
		if name := query.Get("name"); name != "" && c.Name != name || !strings.HasPrefix(c.Name, query.Get("name_prefix")) {
			continue
		}
		c.MemoryCount = counts[c.ID]
		matching = append(matching, c)
	}
	out, err := cut(query, matching, func(c collection) place { return place{c.CreatedAt, c.ID} })
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, out)
}

// counts says how many memories each collection holds.
func (h *api) counts(ctx context.Context, account string) (map[string]int, error) {
	all, err := h.memories(account).All(ctx)
	counts := map[string]int{}
	for i := range all {
		counts[all[i].CollectionID]++
	}
	return counts, err
}

// findCollection reads a collection of the account's.
func (h *api) findCollection(ctx context.Context, account, id string) (collection, error) {
	c, err := find(ctx, h.collections(account), "collection", id)
	return c, h.ownCode(err)
}

// ownCode tells a missing collection by the code that there is for it.
func (h *api) ownCode(err error) error {
	if errors.Is(err, failwell.ResourceMissing) {
		return failwell.New(h.noCollection, nil).WithField("collection_id", "there is no such collection", "value_error")
	}
	return err
}

func (h *api) getCollection(w http.ResponseWriter, r *http.Request) error {
	return h.answerCollection(w, r, func(string) (collection, error) {
		return h.findCollection(r.Context(), h.Account(r), r.PathValue("id"))
	})
}

func (h *api) updateCollection(w http.ResponseWriter, r *http.Request) error {
	var in collectionInput
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	return h.answerCollection(w, r, func(account string) (collection, error) {
		if c, err := h.findCollection(r.Context(), account, r.PathValue("id")); err != nil {
			return c, err
		}
		c, err := h.collections(account).Change(r.Context(), r.PathValue("id"), func(c *collection) error {
			c.UpdatedAt = h.now()
			return c.apply(&in)
		})
		return c, h.ownCode(told("collection", r.PathValue("id"), err))
	})
}

func (h *api) answerCollection(w http.ResponseWriter, r *http.Request, get func(account string) (collection, error)) error {
	account := h.Account(r)
	c, err := get(account)
	if err != nil {
		return err
	}
	counts, err := h.counts(r.Context(), account)
	if err != nil {
		return err
	}
	c.MemoryCount = counts[c.ID]
	return stand.WriteJSON(w, http.StatusOK, c)
}

// deleteCollection deletes what is in it as well. That is set to be done before
// the collection is gone, so that a crash in between leaves nothing behind.
func (h *api) deleteCollection(w http.ResponseWriter, r *http.Request) error {
	account, id := h.Account(r), r.PathValue("id")
	if _, err := h.findCollection(r.Context(), account, id); err != nil {
		return err
	}
	key := account + "/" + id
	if err := h.Due.At(r.Context(), h.now().Add(sweepDelay), "sweep", key); err != nil {
		return stand.StoreError(err)
	}
	if _, err := remove(r.Context(), h.collections(account), id); err != nil {
		return err
	}
	if err := h.sweep(r.Context(), key); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sweepDelay is when what a deleted collection held is looked for once more.
const sweepDelay = time.Second

// sweep deletes what is in a collection that is gone.
func (h *api) sweep(ctx context.Context, key string) error {
	account, id := splitTask(key)
	if _, _, err := h.collections(account).Get(ctx, id); !errors.Is(err, store.ErrAbsent) {
		return stand.StoreError(err) // nil: it is there, so the deletion never happened
	}
	documents, err := h.documents(account).All(ctx)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", key, err)
	}
	for i := range documents {
		if documents[i].CollectionID == id {
			if _, err := remove(ctx, h.documents(account), documents[i].ID); err != nil {
				return err
			}
		}
	}
	memories, err := h.memories(account).All(ctx)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", key, err)
	}
	for i := range memories {
		if memories[i].CollectionID == id {
			if _, err := remove(ctx, h.memories(account), memories[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// splitTask parts the name of a task; an account may hold a slash, an id cannot.
func splitTask(key string) (account, id string) {
	at := strings.LastIndexByte(key, '/')
	return key[:max(at, 0)], key[at+1:]
}

// resolve finds the collection that a caller means; "" is the default one, which
// the first to need it makes.
func (h *api) resolve(ctx context.Context, account, id string) (string, error) {
	if id != "" {
		c, err := h.findCollection(ctx, account, id)
		return c.ID, err
	}
	c := collection{
		ID: defaultCollection, Name: "__default__", IsActive: true, Metadata: noMetadata, CreatedAt: h.now(), UpdatedAt: h.now(),
	}
	if err := h.collections(account).Put(ctx, c.ID, 0, c); err != nil && !errors.Is(err, store.ErrConflict) {
		return "", stand.StoreError(err)
	}
	return c.ID, nil
}

const defaultCollection = "col_default"

// held reports an error when a collection was deleted while something was put
// into it: whoever deletes it may have looked for its contents before.
func (h *api) held(ctx context.Context, account, id string) error {
	_, err := h.findCollection(ctx, account, id)
	return err
}
