package admission

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// Controller decides on calls. Its methods may be used from any goroutine; it
// must not be copied, nor its fields changed, after the first use. Whoever ends
// the process calls Close.
type Controller struct {
	// Contract is Required.
	Contract *contract.Contract
	// Store holds keys and accounts. Required unless every operation is public.
	Store store.Store
	// Clock is Optional: nil means time.Now. It is called concurrently.
	Clock func() time.Time
	// Random is Optional: where keys come from; nil means crypto/rand.Reader.
	Random io.Reader
	// StoreTimeout is Optional: how long a decision waits for the store, all
	// its reads together; 0 means 20 ms, and 250 ms for the durable write that
	// reserves an idempotency key. Then the call gets unavailable.
	StoreTimeout time.Duration
	// MaxStale is Optional: how long a change of a key or an account that was
	// made in another process may stay unseen; 0 means 750 ms. Changes made
	// through this Controller count at once.
	MaxStale time.Duration
	// StaleKeys is Optional: how long keys and accounts that were read before go
	// on being served while the store cannot be reached, counted from when they
	// were read; 0 means 30 s, which outlasts the restart or failover of most
	// stores, a negative value not at all. What was never read, or what the store
	// says is gone, is not served. Meanwhile a revocation made where the store can
	// be reached does not count here.
	StaleKeys time.Duration
	// Cached is Optional: how many keys, and how many accounts, are kept in
	// memory; 0 means 65,536, at some 500 bytes each.
	Cached int
	// Environment is Optional: keys of other environments are unknown; "" means
	// that all of the contract's environments are served.
	Environment string
	// Meter is Optional: who decides over limits. Nil chooses by the store: one
	// that is a meter.Meter itself decides; any other that processes share keeps
	// a Ledger of each account; and one of this process alone keeps a Ledger of
	// what was paid for, quotas, balances and storage, while rates and slots are
	// counted in memory.
	Meter meter.Meter
	// Leased is Optional: units of rates are taken ahead, a twentieth of the limit
	// at a time, so that few decisions ask a store that processes share. Then at
	// most a limit and a lease for each process are admitted in a window; see
	// meter.Leased. It changes nothing for a store of this process alone.
	Leased bool
	// Overload is Optional: what this process takes on at a time; nil means
	// whatever comes.
	Overload *Overload
	// Failures is Optional: how often each source may fail to authenticate; nil
	// means 60 a minute, a Limit of 0 means without end. The algorithm is GCRA
	// whatever it says. Calls that carry no credential guess nothing and do not
	// count.
	Failures *contract.Rate
	// Logger is Optional: nil discards. It gets what no verdict tells.
	Logger *slog.Logger

	once     sync.Once
	plans    map[string]*planLimits
	rates    map[*contract.Operation][]limit
	balances []limit
	state    *state
	// failing is Failures, or its default; throttle is what is said of it.
	failing  contract.Rate
	throttle limit
	// lastWarning spaces out what is logged, in nanoseconds of the timeline.
	lastWarning atomic.Int64
}

const (
	defaultStoreTimeout = 20 * time.Millisecond
	defaultMaxStale     = 750 * time.Millisecond
	defaultStaleKeys    = 30 * time.Second
	defaultCached       = 1 << 16
)

// state outlives the contract.
type state struct {
	time     *timeline
	front    front
	leased   *meter.Leased // nil unless Controller.Leased
	room     *room
	renewals renewals
	// holds names what calls hold: nobody else has the prefix.
	prefix   string
	holds    atomic.Uint64
	claims   atomic.Uint64
	debts    debts
	keys     *records[digest, Key]
	accounts *records[string, Account]
	imports  *records[struct{}, imports]
	outage   outage
	failures failures
	// scratches holds *scratch.
	scratches sync.Pool
	running   running
}

// WithContract returns a Controller for another version of the contract, for
// example after a reload. It shares everything else with c, also the counts of
// limits whose plan, name, window and algorithm are the same. Both may be used.
func (c *Controller) WithContract(next *contract.Contract) *Controller {
	c.once.Do(c.prepare)
	return &Controller{
		Contract: next, Store: c.Store, Clock: c.Clock, Random: c.Random, StoreTimeout: c.StoreTimeout,
		MaxStale: c.MaxStale, StaleKeys: c.StaleKeys, Cached: c.Cached, Environment: c.Environment, Meter: c.Meter, Leased: c.Leased, Overload: c.Overload,
		Failures: c.Failures, Logger: c.Logger, state: c.state,
	}
}

func (c *Controller) prepare() {
	c.plans = make(map[string]*planLimits, len(c.Contract.Plans))
	c.balances = balancesOf(c.Contract)
	for _, p := range c.Contract.Plans {
		c.plans[p.Name] = planLimitsOf(c.Contract, p)
	}
	c.rates = make(map[*contract.Operation][]limit, len(c.Contract.Operations))
	for _, o := range c.Contract.Operations {
		c.rates[o] = limitsOf("operation/"+o.ID, o.Rates)
	}
	c.failing = contract.Rate{Limit: 60, Per: time.Minute}
	if c.Failures != nil {
		c.failing = *c.Failures
	}
	c.failing.Algorithm = contract.GCRA
	c.throttle = limitsOf("failures", []contract.Rate{c.failing})[0]
	if c.state == nil {
		c.state = c.newState()
	}
}

func (c *Controller) newState() *state {
	s := &state{time: newTimeline(c.now()), failures: failures{seed: maphash.MakeSeed()}}
	c.chooseMeter(s)
	cached := c.Cached
	if cached <= 0 {
		cached = defaultCached
	}
	c.readRecords(s, cached)
	return s
}

func (c *Controller) now() time.Time {
	if c.Clock == nil {
		return time.Now()
	}
	return c.Clock()
}

func (c *Controller) random() io.Reader {
	if c.Random == nil {
		return rand.Reader
	}
	return c.Random
}

func (c *Controller) storeTimeout() time.Duration {
	if c.StoreTimeout <= 0 {
		return defaultStoreTimeout
	}
	return c.StoreTimeout
}

// warn logs at most one line a second: what causes it may come with each call.
func (c *Controller) warn(ctx context.Context, now int64, message string, args ...any) {
	last := c.lastWarning.Load()
	if c.Logger == nil || last != 0 && now-last < int64(time.Second) && now >= last || !c.lastWarning.CompareAndSwap(last, now) {
		return
	}
	c.Logger.WarnContext(ctx, message, args...)
}
