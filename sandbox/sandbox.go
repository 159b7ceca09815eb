// Package sandbox runs stand-ins for the built-in APIs. They hold state and
// enforce their contracts for real: an error occurs because its cause does. On
// top of that every error can be forced, the wire can be made to fail, and the
// clock can be set forward.
//
// A sandbox is for tests and for looking around. It keeps the keys that it
// prints in its store in plain text, and its control endpoints below /_sandbox/
// ask for none.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/sandbox/aionvision"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/sandbox/hebbrix"
	"github.com/failwell/failwell/sandbox/heppu"
	"github.com/failwell/failwell/sandbox/hume"
	"github.com/failwell/failwell/sandbox/jobs"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// Options of a sandbox.
type Options struct {
	// API is required: one of [Names].
	API string
	// Store is optional: a store of the caller's, who closes it, and whose clock
	// is not set forward. A reset takes only the stand-in's own records out of it.
	Store store.Store
	// OpenStore is optional, where Store is not given: it opens where everything is kept, on the sandbox's
	// clock. Nil means memory, which is gone with the sandbox. What it opens is
	// closed by Close.
	OpenStore func(clock func() time.Time) (store.Store, error)
	// Clock is optional: what the sandbox's clock, which can be set forward,
	// starts from. Nil means time.Now.
	Clock func() time.Time
	// Logger is optional: nil means slog.Default.
	Logger *slog.Logger
	// Faults is optional: what goes wrong on purpose. Nil means nothing; see
	// [fault.Mild] and [fault.Hostile].
	Faults *fault.Script
	// BackendTimeout is optional: how long the API waits for what is behind it.
	// 0 means two seconds.
	BackendTimeout time.Duration
	// BodyTimeout is optional: how long a caller may pause while it sends a body.
	// 0 means ten seconds.
	BodyTimeout time.Duration
	// Open is optional and leaves keys and limits to whoever stands in front:
	// a gateway that has admitted a call names its account in the header
	// [AccountHeader].
	Open bool
}

// AccountHeader names the account of a call that was admitted elsewhere.
const AccountHeader = stand.AccountHeader

// apis are the stand-ins there are.
func apis() map[string]func(*stand.World) (stand.API, error) {
	return map[string]func(*stand.World) (stand.API, error){
		"aionvision": aionvision.New,
		"hebbrix":    hebbrix.New,
		"heppu":      heppu.New,
		"hume":       hume.New,
		"jobs":       jobs.New,
	}
}

// Names lists the APIs that have a stand-in.
func Names() []string {
	return slices.Sorted(maps.Keys(apis()))
}

// Sandbox is a running stand-in. It is safe for concurrent use.
type Sandbox struct {
	contract *contract.Contract
	options  Options
	logger   *slog.Logger
	clock    *stand.Clock
	store    store.Store
	backend  *stand.Backend
	faults   *fault.Injector
	journal  *journal
	base     string
	url      atomic.Pointer[string]

	maintenance atomic.Bool

	// resetting keeps resets one after the other; live is what one replaces.
	resetting sync.Mutex
	live      atomic.Pointer[life]
	control   http.Handler
}

// New starts a stand-in; Close ends it.
func New(ctx context.Context, o Options) (*Sandbox, error) {
	if _, ok := apis()[o.API]; !ok {
		return nil, fmt.Errorf("sandbox: there is no stand-in for %q, known are %s", o.API, strings.Join(Names(), ", "))
	}
	c, err := builtin.Get(o.API)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("sandbox: base_url: %w", err)
	}
	s := &Sandbox{
		contract: c, options: o, logger: o.Logger, clock: &stand.Clock{Base: o.Clock}, base: strings.TrimSuffix(base.Path, "/"),
		journal: newJournal(),
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.faults, err = fault.New(c, o.Faults); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if s.backend, err = stand.NewBackend(o.BackendTimeout); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := s.open(ctx); err != nil {
		s.backend.Close()
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.control = s.controls()
	return s, nil
}

func (s *Sandbox) open(ctx context.Context) (err error) {
	switch {
	case s.options.Store != nil:
		s.store = lent{s.options.Store}
	case s.options.OpenStore != nil:
		if s.store, err = s.options.OpenStore(s.clock.Now); err != nil {
			return err
		}
	default:
		s.store = &store.Memory{Clock: s.clock.Now}
	}
	if err = s.restoreClock(ctx); err == nil {
		var first *life
		if first, err = s.begin(ctx); err == nil {
			s.live.Store(first)
			return nil
		}
	}
	return errors.Join(err, s.store.Close())
}

// lent is a store that somebody else closes.
type lent struct{ store.Store }

// Close implements store.Store.
func (lent) Close() error { return nil }

// Shared passes on what the store is.
func (l lent) Shared() bool { return store.Shared(l.Store) }

// Close ends the stand-in and closes the store that it opened.
func (s *Sandbox) Close() error {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	s.live.Load().end()
	s.backend.Close()
	s.journal.close()
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("sandbox: %w", err)
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
func (s *Sandbox) Keys() map[string]string { return maps.Clone(s.live.Load().keys) }

// Now is the time in the sandbox.
func (s *Sandbox) Now() time.Time { return s.clock.Now() }

// Advance sets the sandbox's clock forward and returns when everything that
// falls due on the way is done, each at its instant.
func (s *Sandbox) Advance(ctx context.Context, d time.Duration) error {
	if store.Shared(s.store) {
		return errSharedClock
	}
	due := s.live.Load().world.Due
	var faults error
	for until := s.clock.Now().Add(d); ; {
		next, ok, err := due.Next(ctx)
		if err != nil {
			return err
		}
		now := s.clock.Now()
		if !ok || faults != nil || !next.Before(until) {
			s.clock.Advance(until.Sub(now))
			break
		}
		s.clock.Advance(next.Sub(now))
		_, faults = due.Run(ctx) // what fails stays, and would be met again and again
	}
	_, err := due.Run(ctx)
	return errors.Join(faults, err, s.keepClock(ctx))
}

var errSharedClock = errors.New("the store keeps its own time, which cannot be set forward: use memory: or pebble:DIR")

// Handler serves the API, and the control endpoints below /_sandbox/.
func (s *Sandbox) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = pace(w, r, cmp.Or(s.options.BodyTimeout, bodyTimeout))
		if s.url.Load() == nil {
			url := "http://" + r.Host
			s.url.CompareAndSwap(nil, &url)
		}
		switch {
		case r.URL.Path == "/_sandbox" || strings.HasPrefix(r.URL.Path, "/_sandbox/"):
			s.control.ServeHTTP(w, r)
			return
		case r.URL.Path == openAPIPath && r.Method == http.MethodGet:
			s.showOpenAPI(w, r)
			return
		case strings.HasPrefix(r.URL.Path, stand.OutsidePath):
			s.live.Load().outside.ServeHTTP(w, r)
			return
		case s.base != "" && r.URL.Path != s.base && !strings.HasPrefix(r.URL.Path, s.base+"/"):
			r.URL.Path = s.base + r.URL.Path
			if r.URL.RawPath != "" {
				r.URL.RawPath = s.base + r.URL.RawPath
			}
		}
		s.live.Load().handler.ServeHTTP(w, r)
	})
}

// clockRecord keeps the clock over a restart: time does not go back.
type clockRecord struct {
	Ahead time.Duration `json:"ahead_ns"`
}

func (s *Sandbox) clocks() stand.Collection[clockRecord] {
	return stand.Collection[clockRecord]{Store: s.store, Prefix: "sandbox/" + s.contract.API + "/clock/"}
}

func (s *Sandbox) restoreClock(ctx context.Context) error {
	kept, _, err := s.clocks().Get(ctx, "ahead")
	if errors.Is(err, store.ErrAbsent) {
		return nil
	}
	s.clock.Advance(kept.Ahead)
	return err
}

// keepClock writes how far ahead the clock is, until nobody came between.
func (s *Sandbox) keepClock(ctx context.Context) error {
	for {
		_, version, err := s.clocks().Get(ctx, "ahead")
		if err != nil && !errors.Is(err, store.ErrAbsent) {
			return err
		}
		err = s.clocks().Put(ctx, "ahead", version, clockRecord{s.clock.Ahead()})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}
