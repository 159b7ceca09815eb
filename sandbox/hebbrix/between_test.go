package hebbrix_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

// interrupted is a store in which something happens just before a write.
type interrupted struct {
	store.Memory

	mu     sync.Mutex
	kind   string
	before func() error
}

// once has it happen before the next write to a record of that kind.
func (i *interrupted) once(kind string, before func() error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kind, i.before = "/"+kind+"/", before
}

func (i *interrupted) happen(key string) error {
	i.mu.Lock()
	before := i.before
	if before == nil || !strings.Contains(key, i.kind) {
		i.mu.Unlock()
		return nil
	}
	i.before = nil
	i.mu.Unlock()
	return before()
}

func (i *interrupted) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if err := i.happen(key); err != nil {
		return 0, err
	}
	return i.Memory.Swap(ctx, key, old, value, ttl)
}

func (i *interrupted) Delete(ctx context.Context, key string, old store.Version) error {
	if err := i.happen(key); err != nil {
		return err
	}
	return i.Memory.Delete(ctx, key, old)
}

// What comes between the steps of a call neither is lost nor leaves anything
// behind.
func TestInBetween(t *testing.T) {
	t.Parallel()
	kept := &interrupted{}
	s := start(t, sandbox.Options{Store: kept})
	const as = "plan_pro"
	status := func(want int, method, path, body string) func() error {
		return func() error {
			if r := s.call(as, method, path, body); r.status != want {
				t.Errorf("in between: %s %s: %d %s", method, path, r.status, r.body)
			}
			return nil
		}
	}
	id := s.remember(as, `{"content":"a"}`)
	kept.once("memories", status(200, "PATCH", "/v1/memories/"+id, `{"importance":0.1}`))
	if r := s.call(as, "PATCH", "/v1/memories/"+id, `{"tags":["t"]}`); !strings.Contains(r.body, `"importance":0.1`) || !strings.Contains(r.body, `"tags":["t"]`) {
		t.Errorf("changed while it was changed: %d %s", r.status, r.body)
	}
	kept.once("memories", status(200, "PATCH", "/v1/memories/"+id, `{"importance":0.2}`))
	if r := s.call(as, "DELETE", "/v1/memories/"+id, ""); r.status != 204 {
		t.Errorf("changed while it was deleted: %d %s", r.status, r.body)
	}
	for kind, fill := range map[string]func(in string) reply{
		"memories": func(in string) reply {
			return s.call(as, "POST", "/v1/memories", `{"content":"b","collection_id":"`+in+`"}`)
		},
		"documents": func(in string) reply { return s.upload(as, part{"file", "a.txt", "a"}, part{"collection_id", "", in}) },
	} {
		in := s.collection(as, "short-lived")
		kept.once(kind, status(204, "DELETE", "/v1/collections/"+in, ""))
		if r := fill(in); r.status != 404 || r.failure.Code.Name != "collection_not_found" {
			t.Errorf("deleted while %s came in: %d %s", kind, r.status, r.body)
		}
		left, err := kept.Scan(t.Context(), "sandbox/hebbrix/"+kind+"/", "", 10)
		if err != nil || len(left) != 0 {
			t.Errorf("%s left behind: %v, %v", kind, left, err)
		}
	}
	in := s.collection(as, "kept")
	kept.once("collections", status(204, "DELETE", "/v1/collections/"+in, ""))
	if r := s.call(as, "PATCH", "/v1/collections/"+in, `{"name":"x"}`); r.status != 404 || r.failure.Code.Name != "collection_not_found" {
		t.Errorf("deleted while it was changed: %d %s", r.status, r.body)
	}
}

// A store that is away is nobody's fault but ours, and what was to be done then
// is done later: the memories of a document are made once.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	kept := &interrupted{}
	s := start(t, sandbox.Options{OpenStore: func(clock func() time.Time) (store.Store, error) {
		kept.Clock = clock
		return kept, nil
	}})
	away := func() error { return store.ErrUnavailable }
	kept.once("memories", away)
	if r := s.call("plan_pro", "POST", "/v1/memories", `{"content":"a"}`); r.status != 503 || r.failure.Code.Name != "internal_error" {
		t.Errorf("%d %s", r.status, r.body)
	}
	id := s.document("plan_pro", "a.txt", strings.Repeat("word ", 300))
	s.advance(500 * time.Millisecond)
	kept.once("documents", away) // after the memories were made
	if err := s.Advance(t.Context(), time.Second); err == nil {
		t.Fatal("nobody saw that the store was away")
	}
	s.advance(time.Second)
	r := s.call("plan_pro", "GET", "/v1/documents/"+id, "")
	if got := decode[list](t, s.call("plan_pro", "GET", "/v1/memories", "")); got.Total != 2 || !strings.Contains(r.body, `"chunk_count":2`) || !strings.Contains(r.body, `"completed"`) {
		t.Errorf("%+v, %s", got, r.body)
	}
}
