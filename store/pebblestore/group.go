package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

const (
	// maxGroup is how much one commit takes together; a single write may be larger.
	// It is far below a memory table, which a batch should fit into.
	maxGroup = 2 << 20
	// maxQueued is how much may wait for a disk that does not keep up.
	maxQueued = 64 << 20
)

// committer writes what comes while the disk is busy as one: one batch, one
// record of the log, one sync. The engine would share the sync too, but each
// writer would pass through its pipeline by itself, on a goroutine that cannot
// stop waiting.
type committer struct {
	mu sync.Mutex
	// groups wait to be written, the last one takes what comes.
	groups []*group
	queued int      // bytes
	done   []*group // of which the next ones are made
	wake   chan struct{}
	// applied groups are in the engine and wait for the disk.
	applied chan *group
	ended   chan struct{}
	// spare are *pending that somebody has waited for to the end.
	spare sync.Pool
}

// group is what is written together.
type group struct {
	batch *pebble.Batch
	err   error
	bytes int
	// due is the earliest deadline in it, 0 for none.
	due    int64
	dues   []dues
	writes []*pending
}

// pending is a write on its way. It holds its key's stripe until it is durable.
type pending struct {
	stripe *stripe
	// known is what is true of the key from then on; a version of 0 is absence.
	known *lastHeader
	done  chan error
}

var errBehind = fmt.Errorf("%w: the disk does not keep up, %d MiB wait for it", store.ErrUnavailable, maxQueued>>20)

// submit queues a change of a key, whose stripe the caller has locked. The stripe
// is free when the change is durable.
func (s *Store) submit(key string, before, after header, value []byte) (*pending, error) {
	size := 2*len(key) + len(value)
	c := &s.committer
	w, _ := c.spare.Get().(*pending)
	if w == nil {
		w = &pending{done: make(chan error, 1)}
	}
	w.stripe, w.known = s.stripe(key), &lastHeader{strings.Clone(key), after}
	c.mu.Lock()
	if c.queued > 0 && c.queued+size > maxQueued {
		c.mu.Unlock()
		return nil, errBehind
	}
	c.queued += size
	c.open(s.db, size).put(w, key, before, after, value, size)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
	return w, nil
}

// open is the group that takes what comes.
func (c *committer) open(db *pebble.DB, size int) *group {
	if n := len(c.groups); n > 0 && c.groups[n-1].bytes+size <= maxGroup {
		return c.groups[n-1]
	}
	g := &group{}
	if n := len(c.done); n > 0 {
		g, c.done = c.done[n-1], c.done[:n-1]
	}
	g.batch = db.NewBatch()
	c.groups = append(c.groups, g)
	return g
}

func (g *group) put(w *pending, key string, before, after header, value []byte, size int) {
	g.writes, g.bytes = append(g.writes, w), g.bytes+size
	if after.version == 0 {
		g.err = errors.Join(g.err, g.batch.Delete(recordKey(key), nil), moveDeadline(g.batch, key, before.deadline, 0))
		return
	}
	op := g.batch.SetDeferred(1+len(key), headerSize+len(value))
	op.Key[0] = spaceRecord
	copy(op.Key[1:], key)
	putHeader(op.Value, after)
	copy(op.Value[headerSize:], value)
	g.err = errors.Join(g.err, op.Finish(), g.index(key, before, after))
}

// index has the index of deadlines follow a record.
func (g *group) index(key string, before, after header) error {
	at := due(after.deadline)
	if at != 0 && (g.due == 0 || at < g.due) {
		g.due = at
	}
	if at == 0 || before.deadline != 0 {
		return moveDeadline(g.batch, key, before.deadline, after.deadline)
	}
	n := len(g.dues)
	if n == 0 || g.dues[n-1].at != at || g.dues[n-1].records == cleanMax {
		g.dues = append(g.dues, dues{at: at, id: after.version})
		n++
	}
	g.dues[n-1].add(key)
	return nil
}

// wait returns when a write is durable, or ctx ends.
func (c *committer) wait(ctx context.Context, w *pending) error {
	select {
	case err := <-w.done:
		w.stripe, w.known = nil, nil
		c.spare.Put(w)
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: the disk is slow, the write may still happen: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}

// maxApplied groups may be on their way to the disk while the next one is made up.
// With more the groups get smaller and cost more; with one, writers wait longer.
const maxApplied = 4

// commitGroups puts groups into the engine until the store is closed, ahead of the
// disk, so that its next sync takes all that has come during the last. Readers see
// none of it: its stripes are locked until it is durable.
func (s *Store) commitGroups() {
	c := &s.committer
	defer close(c.applied)
	for range c.wake {
		for g := c.gathered(); g != nil; g = c.gathered() {
			s.writing.Add(1)
			bytes := g.bytes // it is somebody else's when it is applied
			g.err = s.applyGroup(g)
			c.applied <- g
			if s.write.Sync {
				s.spare.wrote(bytes)
			}
		}
	}
}

// syncGroups waits for the disk, and lets the writers go.
func (s *Store) syncGroups() {
	c := &s.committer
	defer close(c.ended)
	for g := range c.applied {
		if g.err == nil {
			g.err = s.syncGroup(g)
		}
		s.writing.Add(-1)
		s.finishGroup(g)
	}
}

// maxGather bounds how often others are let go first.
const maxGather = 8

// gathered is the next group, when those who are about to write have done so. They
// are running already, since their processor is not needed for anything else: on a
// machine with nothing else to do it waits for nobody. 64 writers become 22 to a
// group instead of 16, and the disk is asked for a quarter fewer syncs.
func (c *committer) gathered() *group {
	for before, i := -1, 0; i < maxGather; i++ {
		c.mu.Lock()
		n := c.queued
		c.mu.Unlock()
		if n == before {
			break
		}
		before = n
		runtime.Gosched()
	}
	return c.next()
}

func (c *committer) next() *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.groups) == 0 {
		return nil
	}
	g := c.groups[0]
	c.groups[0] = nil
	if c.groups = c.groups[1:]; len(c.groups) == 0 {
		c.groups = nil
	}
	return g
}

// applyGroup returns when a group is in the engine and its log, which the disk has
// not confirmed.
func (s *Store) applyGroup(g *group) (err error) {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	defer s.caught(&err)
	for i := range g.dues {
		g.err = errors.Join(g.err, g.dues[i].put(g.batch))
	}
	if g.err != nil {
		return s.fail(g.err)
	}
	s.present.enter()
	defer s.present.leave()
	s.addAll(g)
	if s.write.Sync {
		err = s.db.ApplyNoSyncWait(g.batch, s.write)
	} else {
		err = s.db.Apply(g.batch, s.write)
	}
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// syncGroup returns when the disk has confirmed a group.
func (s *Store) syncGroup(g *group) (err error) {
	defer s.caught(&err)
	if s.write.Sync {
		err = g.batch.SyncWait()
	}
	if err == nil {
		err = g.batch.Close()
	}
	if err != nil {
		return s.fail(err)
	}
	return nil
}

// finishGroup tells the writers, and lets their keys go.
func (s *Store) finishGroup(g *group) {
	if g.err == nil && g.due != 0 {
		s.lowerDue(g.due)
	}
	for _, w := range g.writes {
		if w.stripe.forget(); g.err == nil {
			w.stripe.last.Store(w.known)
		}
		w.stripe.Unlock()
		w.done <- g.err
	}
	bytes := g.bytes
	clear(g.writes)
	clear(g.dues)
	*g = group{writes: g.writes[:0], dues: g.dues[:0]}
	c := &s.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued -= bytes; len(c.done) < maxApplied {
		c.done = append(c.done, g)
	}
}
