package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// life is a stand-in from one reset to the next: everything that remembers.
type life struct {
	world   *stand.World
	keys    map[string]string
	handler http.Handler
	outside http.Handler
	more    map[string]stand.Description // what the contract does not say, by operation
	end     func()
}

// begin makes a life of what the store holds, and what is there at first when
// it holds nothing.
func (s *Sandbox) begin(ctx context.Context) (*life, error) {
	w := &stand.World{
		Contract: s.contract, Store: s.store, Clock: s.clock, Backend: s.backend, Logger: s.logger,
		URL: func() string {
			if url := s.url.Load(); url != nil {
				return *url
			}
			return ""
		},
	}
	// The store is in the same process: where it is slow the machine is, and a
	// stand-in that then refuses calls would test nothing.
	w.Admission = &admission.Controller{Contract: s.contract, Store: s.store, Clock: s.clock.Now, Logger: s.logger, StoreTimeout: 10 * time.Second}
	w.Keys = w.Admission.Keys()
	w.Guard = &failwell.Guard{Contract: s.contract, Admission: w.Admission, Clock: s.clock.Now, Logger: s.logger, OnDone: s.journal.done}
	if s.options.Open {
		w.Guard.Admission = nil
	}
	w.Due = &stand.Due{Store: s.store, Clock: s.clock, Prefix: w.Prefix() + "due/", Logger: s.logger}
	api, err := apis()[s.options.API](w)
	if err != nil {
		return nil, err
	}
	l := &life{world: w, more: api.Describe()}
	if l.keys, err = w.SeedKeys(ctx, func(ctx context.Context, keys map[string]string) error {
		if own, ok := api.(stand.KeySeeder); ok {
			more, err := own.SeedKeys(ctx)
			if err != nil {
				return err
			}
			maps.Copy(keys, more)
		}
		if err := api.Seed(ctx); err != nil {
			return err
		}
		return s.photograph(ctx)
	}); err != nil {
		return nil, err
	}
	if l.handler, err = s.routes(w, api.Handlers()); err != nil {
		return nil, err
	}
	l.outside = http.NotFoundHandler()
	if o, ok := api.(stand.Outsider); ok {
		l.outside = o.Outside()
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := w.Due.Start(running, api.Tasks())
	l.end = func() {
		cancel()
		<-over
	}
	return l, nil
}

// routes ties each operation of the contract to its handler. Both sides must
// match, so that the stand-in cannot lag behind the contract.
func (s *Sandbox) routes(w *stand.World, handlers map[string]stand.Handler) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, o := range s.contract.Operations {
		h, ok := handlers[o.ID]
		if !ok {
			return nil, fmt.Errorf("sandbox: %s has no handler for the operation %q", s.contract.API, o.ID)
		}
		delete(handlers, o.ID)
		mux.Handle(o.Method+" "+o.Path, w.Guard.HandleFunc(s.faults.Inside(func(rw http.ResponseWriter, r *http.Request) error {
			if s.maintenance.Load() {
				return failwell.FromCondition(failwell.Unavailable, nil).WithRetryAfter(maintenanceWait)
			}
			return h(rw, r)
		})))
	}
	for id := range handlers {
		return nil, fmt.Errorf("sandbox: the contract %s has no operation %q", s.contract.API, id)
	}
	guarded := w.Guard.Wrap(mux)
	return s.journal.wrap(s, s.faults.Outside(w.Guard, guarded)), nil
}

// kept is a record as it was when the stand-in was made.
type kept struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

func (s *Sandbox) pictures() stand.Collection[[]kept] {
	return stand.Collection[[]kept]{Store: s.store, Prefix: "sandbox/" + s.contract.API + "/picture/"}
}

// realm is what a reset makes anew: all of a store of one's own.
func (s *Sandbox) realm() string {
	if s.options.Store != nil {
		return "sandbox/" + s.contract.API + "/"
	}
	return ""
}

// photograph keeps what there is, so that a reset can bring it back.
func (s *Sandbox) photograph(ctx context.Context) error {
	var all []kept
	for record, err := range store.All(ctx, s.store, s.realm(), 0) {
		if err != nil {
			return err
		}
		all = append(all, kept{record.Key, record.Value})
	}
	return s.pictures().Put(ctx, "first", 0, all)
}

// Reset makes everything as it was at the first start: resources, keys,
// accounts and limits, and the clock's lead over the real time. Keys stay the
// same. Faults start over.
func (s *Sandbox) Reset(ctx context.Context) error {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	old := s.live.Load()
	old.end()
	next, err := s.restore(ctx, old)
	if err != nil {
		return fmt.Errorf("sandbox: reset: %w", err)
	}
	s.live.Store(next)
	s.faults.Reset()
	s.maintenance.Store(false)
	s.journal.clear()
	return nil
}

func (s *Sandbox) restore(ctx context.Context, old *life) (*life, error) {
	picture, _, err := s.pictures().Get(ctx, "first")
	if err != nil {
		return nil, err
	}
	for record, err := range store.All(ctx, s.store, s.realm(), 0) {
		if err != nil {
			return nil, err
		}
		if err := s.store.Delete(ctx, record.Key, record.Version); err != nil && !errors.Is(err, store.ErrAbsent) {
			return nil, err
		}
	}
	for _, k := range picture {
		if _, err := s.store.Swap(ctx, k.Key, 0, k.Value, 0); err != nil {
			return nil, err
		}
	}
	// The list of keys is written last at a first start, and is what tells that
	// there was one.
	keys := stand.Collection[map[string]string]{Store: s.store, Prefix: old.world.Prefix()}
	if err := errors.Join(s.pictures().Put(ctx, "first", 0, picture), keys.Put(ctx, "keys", 0, old.keys), s.keepClock(ctx)); err != nil {
		return nil, err
	}
	return s.begin(ctx)
}

// maintenanceWait is what a caller is told to wait during maintenance.
const maintenanceWait = 30 * time.Second
