// Package sandbox runs stand-ins for the built-in APIs. They hold state and
// enforce their contracts for real: an error occurs because its cause does.
//
// A sandbox is for tests and for looking around. It keeps the keys that it
// prints in its store in plain text, and its control endpoints below /_sandbox/
// ask for none.
package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/store"
)

// Options of a sandbox.
type Options struct {
	// API is required: one of [Names].
	API string
	// Store is optional: where everything is kept. Nil means memory, which is
	// gone with the process.
	Store store.Store
	// Clock is optional: nil means time.Now.
	Clock func() time.Time
	// Logger is optional: nil means slog.Default.
	Logger *slog.Logger
	// BackendTimeout is optional: how long the API waits for what is behind it.
	// 0 means two seconds.
	BackendTimeout time.Duration
	// Open is optional and leaves keys and limits to whoever stands in front:
	// a gateway that has admitted a call names its account in the header
	// [AccountHeader].
	Open bool
}

// AccountHeader names the account of a call that was admitted elsewhere.
const AccountHeader = "X-Failwell-Account"

// Sandbox is a running stand-in. It is safe for concurrent use.
type Sandbox struct {
	contract *contract.Contract
	guard    *failwell.Guard
	keyring  *admission.Keyring
	store    store.Store
	owned    bool
	handler  http.Handler
	base     string
	keys     map[string]string
	state    *switches
	backend  *backend
	clock    func() time.Time
}

// api is what a stand-in brings: handlers by the id of the operation.
type api func(*Sandbox) map[string]func(http.ResponseWriter, *http.Request) error

func apis() map[string]api {
	return map[string]api{"heppu": heppu}
}

// Names lists the APIs that have a stand-in.
func Names() []string {
	return slices.Sorted(maps.Keys(apis()))
}

// New starts a stand-in; Close ends it.
func New(ctx context.Context, o Options) (*Sandbox, error) {
	build, ok := apis()[o.API]
	if !ok {
		return nil, fmt.Errorf("sandbox: there is no stand-in for %q, known are %s", o.API, strings.Join(Names(), ", "))
	}
	c, err := builtin.Get(o.API)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{contract: c, store: o.Store, clock: o.Clock, state: &switches{}}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.store == nil {
		s.store, s.owned = &store.Memory{Clock: s.clock}, true
	}
	// The store is in the same process: where it is slow the machine is, and a
	// stand-in that then refuses calls would test nothing.
	controller := &admission.Controller{Contract: c, Store: s.store, Clock: s.clock, Logger: o.Logger, StoreTimeout: 10 * time.Second}
	s.keyring = controller.Keys()
	s.guard = &failwell.Guard{Contract: c, Admission: controller, Clock: s.clock, Logger: o.Logger}
	if o.Open {
		s.guard.Admission = nil
	}
	if s.keys, err = s.seed(ctx); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if s.backend, err = newBackend(o.BackendTimeout); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("sandbox: base_url: %w", err)
	}
	s.base = strings.TrimSuffix(base.Path, "/")
	if s.handler, err = s.routes(build(s)); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the stand-in. A store that was passed in stays open.
func (s *Sandbox) Close() error {
	s.backend.close()
	if s.owned {
		return s.store.Close()
	}
	return nil
}

// Contract returns what the stand-in obeys.
func (s *Sandbox) Contract() *contract.Contract { return s.contract }

// BasePath is the path of the API's base URL, "" when it has none. Requests
// that leave it out are understood too.
func (s *Sandbox) BasePath() string { return s.base }

// Keys returns a key for every state that a key and an account can be in, by
// name: valid, test, read_only, expired, revoked, deactivated, suspended,
// unpaid, other (of another account), unknown, malformed, and one per plan.
func (s *Sandbox) Keys() map[string]string {
	return maps.Clone(s.keys)
}

// Handler serves the API.
func (s *Sandbox) Handler() http.Handler { return s.handler }

// routes ties each operation of the contract to its handler. Both sides must
// match, so that the stand-in cannot lag behind the contract.
func (s *Sandbox) routes(handlers map[string]func(http.ResponseWriter, *http.Request) error) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, o := range s.contract.Operations {
		h, ok := handlers[o.ID]
		if !ok {
			return nil, fmt.Errorf("sandbox: %s has no handler for the operation %q", s.contract.API, o.ID)
		}
		delete(handlers, o.ID)
		mux.Handle(o.Method+" "+o.Path, s.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
			if err := s.state.check(); err != nil {
				return err
			}
			return h(w, r)
		}))
	}
	for id := range handlers {
		return nil, fmt.Errorf("sandbox: the contract %s has no operation %q", s.contract.API, id)
	}
	guarded := s.guard.Wrap(mux)
	control := s.control()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/_sandbox/"):
			control.ServeHTTP(w, r)
			return
		case s.base != "" && r.URL.Path != s.base && !strings.HasPrefix(r.URL.Path, s.base+"/"):
			r.URL.Path = s.base + r.URL.Path
			if r.URL.RawPath != "" {
				r.URL.RawPath = s.base + r.URL.RawPath
			}
		}
		guarded.ServeHTTP(w, r)
	}), nil
}

// account is who makes the call.
func (s *Sandbox) account(r *http.Request) string {
	if _, account := failwell.Caller(r.Context()); account != nil {
		return account.ID
	}
	if id := r.Header.Get(AccountHeader); id != "" {
		return id
	}
	return mainAccount
}
