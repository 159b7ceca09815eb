package admission

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// batch is orders on their way through one attempt.
type batch struct {
	*Ledger

	book   *book
	orders []*order
	// fresh says that the page was read for this batch.
	fresh bool
	at    meter.Instant
	// changed: there is something to write.
	changed bool
	states  []meter.State
}

// serve decides orders and answers them.
func (l *Ledger) serve(b *book, orders []*order) {
	x := &batch{Ledger: l, book: b, orders: orders}
	for attempt := 0; x.waited(); attempt++ {
		if attempt > 0 {
			time.Sleep(backoff(attempt))
		}
		err := x.try()
		if err == nil {
			return
		}
		b.page = nil
		x.returnNear()
		if !errors.Is(err, store.ErrConflict) {
			x.answer(err)
			return
		}
	}
}

// backoff spreads out those who write to one record, from 0.2 ms on.
func backoff(attempt int) time.Duration {
	most := min(200*time.Microsecond<<min(attempt, 5), 5*time.Millisecond)
	return rand.N(most) //nolint:gosec // spreads load, keeps no secret
}

// waited drops orders whose callers have left, and reports whether any stay.
func (x *batch) waited() bool {
	kept := x.orders[:0]
	for _, o := range x.orders {
		if o.begin() {
			kept = append(kept, o)
		}
	}
	x.orders = kept
	return len(kept) > 0
}

// try decides all orders on what the record says, and makes that durable. After
// ErrConflict it may be tried again; after any other error no order has
// happened, as far as anybody knows.
func (x *batch) try() error {
	if err := x.read(); err != nil {
		return err
	}
	err := x.call(func(ctx context.Context) error {
		now, err := x.clock.now(ctx, x.Store)
		x.at = x.book.page.instant(now)
		return err
	})
	if err != nil {
		return err
	}
	x.changed = false
	for _, o := range x.book.owed {
		x.decide(o)
	}
	for _, o := range x.orders {
		x.decide(o)
	}
	switch {
	case x.changed, len(x.book.doubts) > 0: // a write that is still on its way must not come after this look
		return x.write()
	case !x.fresh:
		// Nothing to write, so nothing tells whether the page is still the record.
		return store.ErrConflict
	}
	x.book.owed = nil
	x.answer(nil)
	return nil
}

// call lets the store do something, in bounded time and without its panics.
func (x *batch) call(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), x.timeout())
	defer cancel()
	return guarded(ctx, do)
}

// read makes sure that there is a page.
func (x *batch) read() error {
	b := x.book
	x.fresh = b.page == nil
	if !x.fresh {
		return nil
	}
	p := &page{index: map[string]int{}}
	err := x.call(func(ctx context.Context) error {
		record, err := x.Store.Get(ctx, b.key)
		switch {
		case errors.Is(err, store.ErrAbsent):
			return nil
		case err != nil:
			return fmt.Errorf("admission: ledger: %w", err)
		}
		if p, err = parsePage(record.Value); err != nil {
			return err
		}
		p.version = record.Version
		return nil
	})
	if err != nil {
		return err
	}
	b.page = p
	for i := range b.doubts {
		if b.doubts[i].batch == p.batch {
			b.owed = append(b.owed, b.doubts[i].owed...)
		}
	}
	return nil
}

// write makes the page the record, and answers.
func (x *batch) write() error {
	b := x.book
	p := b.page
	p.batch = x.ids.Add(1)
	p.last = max(p.last, x.at.Now)
	p.prune(x.at)
	data, life, err := p.shorten(x.at, x.maxRecord())
	if err != nil {
		return err
	}
	asked := false
	err = x.call(func(ctx context.Context) (err error) {
		asked = true
		p.version, err = x.Store.Swap(ctx, b.key, p.version, data, life)
		return err
	})
	switch {
	case err == nil:
		b.doubts, b.owed = nil, nil
		x.answer(nil)
		return nil
	case errors.Is(err, store.ErrConflict):
		return store.ErrConflict
	case asked && !unchanged(err):
		d := doubt{batch: p.batch}
		for _, o := range x.orders {
			d.owed = append(d.owed, o.undo(x.Ledger)...)
		}
		b.doubts = append(b.doubts, d)
	}
	return fmt.Errorf("admission: ledger: %w", err)
}

// unchanged reports whether an error of a write says that nothing was written.
func unchanged(err error) bool {
	return errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrInvalid)
}

// answer tells all callers. One who has left meanwhile is given back what it
// was charged.
func (x *batch) answer(err error) {
	for _, o := range x.orders {
		if o.stage.CompareAndSwap(begun, answered) {
			if o.err == nil {
				o.err = err
			}
			close(o.done)
			continue
		}
		if err == nil {
			x.returnTo(o)
			x.book.owed = append(x.book.owed, o.undo(x.Ledger)...)
		}
	}
}
