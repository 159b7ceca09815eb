package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// Quotas, balances and storage are counted in records (admission.Ledger), except
// by stores that count by themselves (meter.Carrier). Between two of the first
// sort they move as records do; else they are carried over one by one, and the
// records of ledgers, which the other side would not read, stay behind.

const (
	leftRates = "what rates have counted: they begin anew"
	// counterBatch is how many go to a store at once.
	counterBatch = 500
)

// apart reports whether a side counts by itself.
func (k *copier) apart() bool {
	_, from := k.from.(meter.Carrier)
	_, to := k.to.(meter.Carrier)
	return from || to
}

// passed reports whether a record is not copied.
func (k *copier) passed(key string) bool {
	return strings.HasPrefix(key, ownRecords) || k.apart() && strings.HasPrefix(key, admission.LedgerPrefix)
}

func countersOf(ctx context.Context, s store.Store) iter.Seq2[meter.Counted, error] {
	if c, ok := s.(meter.Carrier); ok {
		return c.Counters(ctx)
	}
	return admission.LedgerCounters(ctx, s)
}

func setCounters(ctx context.Context, s store.Store, list []meter.Counted) error {
	if c, ok := s.(meter.Carrier); ok {
		return c.SetCounters(ctx, list)
	}
	for i := range list {
		if err := admission.SetLedgerCounter(ctx, s, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// hasCounters reports whether a store that counts by itself has counted.
func hasCounters(ctx context.Context, s store.Store) (bool, error) {
	c, ok := s.(meter.Carrier)
	if !ok {
		return false, nil
	}
	for _, err := range c.Counters(ctx) {
		return err == nil, err
	}
	return false, nil
}

// carry moves the counters and compares both sides, a second time if they were
// counted on meanwhile.
func (k *copier) carry(ctx context.Context) error {
	if !k.apart() {
		return nil
	}
	k.progress.phase("limits", 0)
	now, err := k.from.Now(ctx)
	if err != nil {
		return fmt.Errorf("reading the source's clock: %w", err)
	}
	at := meter.Micros(now.UnixMicro())
	if err := k.remember(ctx); err != nil {
		return err
	}
	for range 2 {
		if err := k.carryOnce(ctx); err != nil {
			return err
		}
		from, err := k.counted(ctx, k.from, at)
		if err != nil {
			return fmt.Errorf("reading the source's limits: %w", err)
		}
		to, err := k.counted(ctx, k.to, at)
		if err != nil {
			return fmt.Errorf("reading the target's limits back: %w", err)
		}
		if k.counters = from.count; from.equal(&to) {
			return nil
		}
	}
	return hinted(errors.New("the source's limits are being counted on: quotas, balances or storage differ after a second round"), stopWriters)
}

// remember notes which counters a target that had records counts itself. They
// stay as they are; it is all that is kept in memory of them.
func (k *copier) remember(ctx context.Context) error {
	k.counts = map[counterName]struct{}{}
	if !k.mark.Merge {
		return nil
	}
	for c, err := range countersOf(ctx, k.to) {
		if err != nil {
			return fmt.Errorf("reading the target's limits: %w", err)
		}
		k.counts[nameOf(&c)] = struct{}{}
	}
	return nil
}

type counterName [16]byte

func nameOf(c *meter.Counted) counterName {
	hash := sha256.Sum256([]byte(nameText(c)))
	return counterName(hash[:16])
}

func nameText(c *meter.Counted) string {
	return strconv.Quote(c.Owner) + strconv.Quote(c.Limit) + strconv.Quote(c.Subject) + strconv.Quote(c.Operation) + strconv.Itoa(int(c.Kind))
}

func (k *copier) carryOnce(ctx context.Context) error {
	batch := make([]meter.Counted, 0, counterBatch)
	flush := func() error {
		if err := setCounters(ctx, k.to, batch); err != nil {
			return fmt.Errorf("writing limits to the target: %w", err)
		}
		k.progress.add(len(batch), 0)
		batch = batch[:0]
		return nil
	}
	for c, err := range countersOf(ctx, k.from) {
		if err != nil {
			return fmt.Errorf("reading the source's limits: %w", err)
		}
		if _, own := k.counts[nameOf(&c)]; own {
			continue
		}
		for i := range c.Holds {
			c.Holds[i].Until += meter.Micros(k.mark.shift().Microseconds())
		}
		if batch = append(batch, c); len(batch) == counterBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// counted sums a side's counters, all as they stand at one instant of the source.
func (k *copier) counted(ctx context.Context, s store.Store, at meter.Micros) (tally, error) {
	var sum tally
	shift := meter.Micros(0)
	if s == k.to {
		shift = meter.Micros(k.mark.shift().Microseconds())
	}
	for c, err := range countersOf(ctx, s) {
		if err != nil {
			return sum, err
		}
		if _, own := k.counts[nameOf(&c)]; own {
			continue
		}
		for i := range c.Holds {
			c.Holds[i].Until -= shift
		}
		if settled, ok := c.Settled(at); ok {
			state := settled.State()
			sum.add(&store.Record{Key: nameText(&settled), Value: state.Append(nil)})
		}
	}
	return sum, nil
}
