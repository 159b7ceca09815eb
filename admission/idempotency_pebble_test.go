package admission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store/pebblestore"
)

// TestRowsOnDisk goes through the states on the store that gateways have by
// default, and opens it again in between, as after a crash: what was done stays
// done, what was under way is unknown at once.
func TestRowsOnDisk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := t.TempDir()
	var running *pebblestore.Store
	open := func() *pebblestore.Store {
		s, err := pebblestore.Open(dir, pebblestore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	running = open()
	d.store = running
	c := d.process(1)
	c.StoreTimeout = time.Minute // no test may depend on how fast the disk is
	secret, _, err := c.Keys().Create(t.Context(), NewKey{Account: "acct", Environment: "live"})
	done(t, err)
	d.secret = secret
	of := func(key string) attempt { return attempt{key: key, body: "5", id: key} }
	answer := paid
	done(t, d.try(c, of("completed")).reserved(t).Complete(t.Context(), &answer))
	done(t, d.try(c, of("tombstone")).reserved(t).Tombstone(t.Context(), 200, 1, [32]byte{}))
	done(t, d.try(c, of("unknown")).reserved(t).Unknown(t.Context()))
	done(t, d.try(c, of("released")).reserved(t).Release(t.Context()))
	d.try(c, of("running")).reserved(t)
	d.try(c, of("running")).want(t, condition.IdempotencyInProgress)
	done(t, running.Close())

	running = open()
	defer running.Close()
	d.store = running
	c = d.process(2)
	c.StoreTimeout = time.Minute
	want := paid
	want.RequestID = "completed"
	if diff := cmp.Diff(&want, d.try(c, of("completed")).v.Answer); diff != "" {
		t.Errorf("replay (-want +got):\n%s", diff)
	}
	d.try(c, attempt{key: "completed", body: "6"}).want(t, condition.IdempotencyMismatch)
	d.try(c, of("tombstone")).want(t, condition.IdempotencyNotReplayable)
	d.try(c, of("unknown")).want(t, condition.IdempotencyOutcomeUnknown)
	d.try(c, of("running")).want(t, condition.IdempotencyOutcomeUnknown)
	done(t, d.try(c, of("released")).reserved(t).Release(t.Context()))
}
