package admission

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// Ledger is a meter.Meter over any store: all that is known of one owner's
// limits is one record, read and written behind compare-and-swap. Callers of one
// owner who come together are decided together and share one write; nobody is
// answered before it is durable. Any number of Ledgers, in any number of
// processes, may share a store; its name for the record is LedgerPrefix and the
// owner in braces, so that a Redis cluster keeps it with the owner's others.
//
// Decisions go by the store's clock. Where processes share the store it is read
// every 5 s and carried on by this process's own: two processes are apart by at
// most half the time that reading it took, plus what their clocks drift in 5 s,
// and the record keeps the last instant of a decision, before which none is made.
// A clock that went back by more than 10 s is believed.
//
// A caller who gives up waiting is given back what it was still charged; so is
// everybody in a batch whose write failed although it happened, as soon as the
// record can be read and nobody else has written it since.
//
// It must not be copied after its first use.
type Ledger struct {
	// Store is Required.
	Store store.Store
	// Rates is Optional: who decides over rates and slots instead, in this process.
	// They are still taken all or nothing with the counters.
	Rates *meter.Local
	// Timeout is Optional: how long one read or write of the store may take; 0
	// means 1 s. Callers leave when their context ends.
	Timeout time.Duration
	// MaxRecord is Optional: how long a record may be, in bytes; 0 means 256 KiB,
	// enough for some 3,000 holds. In one that is longer, holds end as if their
	// time were over, the oldest first: charges become final, and their names are
	// forgotten. If that does not help, callers get store.ErrTooLarge.
	MaxRecord int
	// Books is Optional: for how many owners the record is kept in memory between
	// decisions; 0 means 16,384.
	Books int

	once   sync.Once
	seed   maphash.Seed
	shards [ledgerShards]ledgerShard
	clock  ledgerClock
	ids    atomic.Uint64
}

var _ meter.Meter = (*Ledger)(nil)

// LedgerPrefix begins the key of each record of a Ledger.
const LedgerPrefix = "meter/"

const (
	ledgerShards       = 64
	defaultLedgerWait  = time.Second
	defaultMaxRecord   = 256 << 10
	defaultLedgerBooks = 1 << 14
	// maxOrders bounds who can wait for one book while the store hangs.
	maxOrders = 1 << 13
)

type ledgerShard struct {
	mu    sync.Mutex
	books map[string]*book
}

// order is what one caller wants of a book.
type order struct {
	taking     *meter.Taking
	settlement *meter.Settlement
	done       chan struct{}
	// stage is moved on by the caller who gives up and by who works on the book.
	stage atomic.Int32
	err   error
	// near is what was taken of Rates.
	near *meter.Taking
}

// The stages of an order. One whose caller left before it was begun never is.
const (
	queued int32 = iota
	begun
	answered
	gone
)

var errUnbegun = errors.New("nobody had come to it")

// begin reports whether somebody waits for the order.
func (o *order) begin() bool { return o.stage.CompareAndSwap(queued, begun) || o.stage.Load() == begun }

func (l *Ledger) prepare() {
	l.seed = maphash.MakeSeed()
	l.clock.shared = store.Shared(l.Store)
	l.ids.Store(rand.Uint64()) //nolint:gosec // only has to differ from other processes' numbers
}

func (l *Ledger) timeout() time.Duration {
	if l.Timeout <= 0 {
		return defaultLedgerWait
	}
	return l.Timeout
}

func (l *Ledger) maxRecord() int {
	if l.MaxRecord <= 0 {
		return defaultMaxRecord
	}
	return min(l.MaxRecord, store.MaxValue)
}

// near reports whether Rates decides over a kind of limit.
func (l *Ledger) near(k meter.Kind) bool {
	return l.Rates != nil && (!k.Counts() || k == meter.Slots)
}

// Take implements meter.Meter. Beyond its contract, the error is the store's, or
// that of the context.
func (l *Ledger) Take(ctx context.Context, t *meter.Taking) error {
	if err := t.Check(); err != nil {
		return err
	}
	far := 0
	for i := range t.Demands {
		if !l.near(t.Demands[i].Rule.Kind) {
			far++
		}
	}
	if far == 0 && l.Rates != nil {
		return l.Rates.Take(ctx, t)
	}
	// A caller who leaves takes its slices along.
	own := *t
	own.Demands = append(make([]meter.Demand, 0, len(t.Demands)), t.Demands...)
	own.Outcomes = make([]meter.Outcome, len(t.Outcomes))
	o := &order{taking: &own}
	if err := l.wait(ctx, t.Owner, o); err != nil {
		return err
	}
	copy(t.Outcomes, own.Outcomes)
	t.Admitted = own.Admitted
	return nil
}

// Settle implements meter.Meter.
func (l *Ledger) Settle(ctx context.Context, s *meter.Settlement) error {
	if err := s.Check(); err != nil {
		return err
	}
	var near, far []meter.Change
	for i := range s.Changes {
		if l.near(s.Changes[i].Rule.Kind) {
			near = append(near, s.Changes[i])
		} else {
			far = append(far, s.Changes[i])
		}
	}
	if len(near) > 0 {
		part := *s
		part.Changes = near
		if err := l.Rates.Settle(ctx, &part); err != nil {
			return err
		}
	}
	if len(far) == 0 {
		return nil
	}
	own := *s
	own.Changes = far
	return l.wait(ctx, s.Owner, &order{settlement: &own})
}

// wait has an order decided.
func (l *Ledger) wait(ctx context.Context, owner string, o *order) error {
	if ctx.Err() != nil {
		return fmt.Errorf("admission: ledger: %w: %w", errUnbegun, context.Cause(ctx))
	}
	l.once.Do(l.prepare)
	o.done = make(chan struct{})
	l.submit(owner, o) // a batch is many callers', and goes on when one leaves
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		switch {
		case o.stage.CompareAndSwap(queued, gone):
			return fmt.Errorf("admission: ledger: %w: %w", errUnbegun, context.Cause(ctx))
		case o.stage.CompareAndSwap(begun, gone):
			return fmt.Errorf("admission: ledger: %w", context.Cause(ctx))
		}
		<-o.done // it was decided just now
		return o.err
	}
}

// submit puts an order into the owner's book, and somebody to work on it.
func (l *Ledger) submit(owner string, o *order) {
	s := &l.shards[maphash.String(l.seed, owner)%ledgerShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books[owner]
	if b == nil {
		b = l.open(s, owner)
	}
	if len(b.queue) >= maxOrders {
		o.err = fmt.Errorf("admission: ledger: %w", errBusyStore)
		close(o.done)
		return
	}
	b.queue = append(b.queue, o)
	if !b.busy {
		b.busy = true
		go l.work(s, b)
	}
}

func (l *Ledger) open(s *ledgerShard, owner string) *book {
	if s.books == nil {
		s.books = make(map[string]*book)
	}
	bound := l.Books
	if bound <= 0 {
		bound = defaultLedgerBooks
	}
	if len(s.books) >= max(bound/ledgerShards, 1) {
		for name, b := range s.books {
			if !b.busy && len(b.doubts) == 0 && len(b.owed) == 0 {
				delete(s.books, name)
				break
			}
		}
	}
	b := &book{owner: owner, key: LedgerPrefix + accountSlot(owner)}
	s.books[owner] = b
	return b
}

// work serves a book until nobody is left in its queue.
func (l *Ledger) work(s *ledgerShard, b *book) {
	for {
		s.mu.Lock()
		orders := b.queue
		b.queue = nil
		if len(orders) == 0 {
			b.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		l.serve(b, orders)
	}
}
