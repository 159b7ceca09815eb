package admission

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

var slotUnescapes = strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}")

// LedgerCounters walks the counters in the records that Ledgers have in a store,
// as meter.Carrier has it.
func LedgerCounters(ctx context.Context, s store.Store) iter.Seq2[meter.Counted, error] {
	return func(yield func(meter.Counted, error) bool) {
		for r, err := range store.All(ctx, s, LedgerPrefix, 0) {
			var p *page
			if err == nil {
				p, err = parsePage(r.Value)
			}
			if err != nil {
				yield(meter.Counted{}, err)
				return
			}
			slot := strings.TrimPrefix(r.Key, LedgerPrefix)
			owner := slotUnescapes.Replace(strings.TrimSuffix(strings.TrimPrefix(slot, "{"), "}"))
			for i := range p.lines {
				c, ok := p.lines[i].state.Counted()
				if !ok {
					continue
				}
				if c.Limit, c.Subject, c.Operation, ok = splitLineName(p.lines[i].name); !ok {
					yield(meter.Counted{}, fmt.Errorf("%w: a name is cut off", errCorruptLedger))
					return
				}
				if c.Owner = owner; !yield(c, nil) {
					return
				}
			}
		}
	}
}

// SetLedgerCounter makes a counter what it is given as in the record of its
// owner. Nothing else should decide over the owner's limits meanwhile.
func SetLedgerCounter(ctx context.Context, s store.Store, c *meter.Counted) error {
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	key := LedgerPrefix + accountSlot(c.Owner)
	for range maxContention {
		p := &page{index: map[string]int{}}
		r, err := s.Get(ctx, key)
		if err == nil {
			p, err = parsePage(r.Value)
		} else if errors.Is(err, store.ErrAbsent) {
			err = nil
		}
		if err != nil {
			return err
		}
		p.lines[p.at(&meter.Demand{Limit: c.Limit, Subject: c.Subject, Operation: c.Operation})].state = c.State()
		p.batch++
		data, life := p.encode(meter.At(now))
		if life < 0 {
			life = time.Millisecond // all of it has ended
		}
		if _, err = s.Swap(ctx, key, r.Version, data, life); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return errors.New("admission: others kept changing the account's limits")
}

// splitLineName undoes lineName.
func splitLineName(name string) (limit, subject, operation string, ok bool) {
	cut := func() string {
		size, n := binary.Uvarint([]byte(name))
		if n <= 0 || size > uint64(len(name)-n) {
			ok = false
			return ""
		}
		part := name[n : n+int(size)]
		name = name[n+int(size):]
		return part
	}
	ok = true
	limit = cut()
	subject = cut()
	return limit, subject, name, ok
}
