package record

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	crand "crypto/rand"

	"github.com/failwell/failwell/store"
)

// Log keeps records in a store. Add puts a record into a block in memory; blocks
// are written by one goroutine of the log's, so that no request waits for the
// store. What was added is found at once here, and by others that share the
// store within about a second.
//
// Set the fields, then use it; it must not be changed or copied afterwards. All
// methods are safe for concurrent use. Close writes what is left.
type Log struct {
	// Store is Required. Records are under keys that begin with [Prefix].
	Store store.Store
	// Node is this recorder's name in its records. Optional.
	Node string
	// Keep is how long a record is kept. 0 means 7 days.
	Keep time.Duration
	// MaxBytes bounds what all records in the store take, those of other recorders
	// too; the oldest go first. 0 means 1 GiB, a negative value no bound. Between
	// two looks at it (a minute) it may be exceeded.
	MaxBytes int64
	// Sample is the share of requests that went well of which a record is kept,
	// from 0 to 1; 0 means all, a negative value none. Those that failed are always
	// kept. Series count all.
	Sample float64
	// MaxRate is how many requests that went well are kept per second; 0 means
	// 2,000, a negative value no bound. It is counted as sampled out, not as dropped.
	MaxRate int
	// MaxFailures is how many requests that failed are kept per second, so that a
	// caller who storms a limit neither buries the others' records nor costs more
	// than being refused does. 0 means 5,000, a negative value no bound. What is
	// beyond is counted as dropped.
	MaxFailures int
	// Logger is Optional: nil means slog.Default.
	Logger *slog.Logger
	// Clock is Optional: nil means time.Now.
	Clock func() time.Time
	// Alone says that no other recorder uses the store while this one does. Then a
	// look-up need not ask the store for what others have written last.
	Alone bool
	// MaxFollowers bounds the calls of Follow at a time. 0 means 128.
	MaxFollowers int

	once sync.Once
	node string
	// dirty wakes the writer for something new, full for a block that is.
	dirty, full, closing chan struct{}
	closed               sync.Once
	done                 chan struct{}
	dropped, sampled     atomic.Uint64
	written              atomic.Uint64

	mu      sync.Mutex
	ended   bool
	last    int64
	number  uint64
	open    *block
	sealed  []*block // full, and not yet written
	bucket  *tally
	past    []*tally // whole steps that are not yet written
	second  int64
	kept    [2]int // in that second: what went well, what failed
	waiting bool   // the writer has been told

	group  group // changed by the writer alone, under mu
	left   []*head
	asked  bool // left was read
	follow hub
}

var _ Reader = (*Log)(nil)

const (
	defaultKeep     = 7 * 24 * time.Hour
	defaultMaxBytes = 1 << 30
	// A record costs about 4 µs of CPU time until it can be looked up; at these
	// rates all of them take 3 % of a core.
	defaultMaxRate     = 2_000
	defaultMaxFailures = 5_000

	// A block is full at so many records, or bytes; maxSpan is how long it may be
	// open, which bounds how far blocks of several recorders overlap.
	blockRecords = 1024
	blockBytes   = 256 << 10
	maxSpan      = 10 * time.Second
	// maxSealed is how many full blocks wait for the store; then records are dropped.
	maxSealed = 32
	// flushEvery is how long a record waits for the store.
	flushEvery = time.Second
)

// block is a run of records. Log.mu guards it while it is open.
type block struct {
	name        string
	first, last int64
	n           int
	w           *writer
	// versions of what has been written of it; the writer's alone.
	body, head store.Version
	// flushed is how many of its records have been written.
	flushed int
}

// view is the block as it is now. Bodies are only ever appended to.
func (b *block) view() *head {
	return &head{name: b.name, first: b.first, last: b.last, n: b.n, size: len(b.w.b), here: slices.Clip(b.w.b)}
}

func (l *Log) now() time.Time {
	if l.Clock != nil {
		return l.Clock()
	}
	return time.Now()
}

func (l *Log) logger() *slog.Logger {
	if l.Logger != nil {
		return l.Logger
	}
	return slog.Default()
}

func (l *Log) keep() time.Duration {
	if l.Keep > 0 {
		return l.Keep
	}
	return defaultKeep
}

func (l *Log) start() {
	l.once.Do(func() {
		l.node = strings.ToLower(crand.Text()[:10])
		l.dirty, l.full, l.closing, l.done = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
		go l.run()
	})
}

// Close writes what has been added and ends the log; Add does nothing from then
// on, and followers are told to go. It returns when all is written or ctx ends.
func (l *Log) Close(ctx context.Context) error {
	l.start() // the writer outlives who wakes it
	l.closed.Do(func() {
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
		close(l.closing)
	})
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stats tell how a log is doing.
type Stats struct {
	// Written is how many records have reached the store, Waiting how many have
	// not yet, Sampled how many were left out on purpose, Dropped how many were
	// lost because the store did not keep up, or too many failed at once.
	Written uint64 `json:"written"`
	Waiting uint64 `json:"waiting"`
	Sampled uint64 `json:"sampled"`
	Dropped uint64 `json:"dropped"`
	// Followers that are listening.
	Followers int `json:"followers"`
	// Last is when the newest record ended; zero when there was none.
	Last time.Time `json:"last,omitzero"`
}

// Stats returns the counts of this log since it began.
func (l *Log) Stats() Stats {
	s := Stats{Written: l.written.Load(), Sampled: l.sampled.Load(), Dropped: l.dropped.Load(), Followers: l.follow.count()}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.sealed {
		s.Waiting += uint64(b.n - b.flushed)
	}
	if l.open != nil {
		s.Waiting += uint64(l.open.n - l.open.flushed)
	}
	if l.last > 0 {
		s.Last = time.Unix(0, l.last).UTC()
	}
	return s
}

// Add keeps a record, which stays the caller's. It takes about a microsecond
// and never waits for the store.
func (l *Log) Add(r *Record) {
	l.start()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	at := max(r.Ended.UnixNano(), l.last+1)
	l.last = at
	b := l.step(at)
	b.count(r)
	if !l.waiting {
		l.waiting = true
		signal(l.dirty)
	}
	switch failed := r.Failed(); {
	case failed && !l.within(at, 1, l.MaxFailures, defaultMaxFailures):
		l.dropped.Add(1)
		b.Dropped++
		return
	case !failed && !l.chosen(at):
		l.sampled.Add(1)
		return
	}
	if l.open != nil && (l.open.n >= blockRecords || len(l.open.w.b) >= blockBytes || at-l.open.first > int64(maxSpan)) {
		l.seal()
	}
	if l.open == nil {
		if len(l.sealed) >= maxSealed {
			l.dropped.Add(1)
			b.Dropped++
			return
		}
		l.number++
		l.open = &block{name: nameOf(at, l.node, l.number), first: at, last: at, w: newWriter(l.Node)}
	}
	prev := l.open.last
	if l.open.n == 0 {
		prev = 0
	}
	l.open.w.record(r, at, prev)
	l.open.last = at
	l.open.n++
}

// chosen tells whether a request that went well is kept.
func (l *Log) chosen(at int64) bool {
	if l.Sample < 0 || l.Sample > 0 && l.Sample < 1 && rand.Float64() >= l.Sample { //nolint:gosec // a share, no secret
		return false
	}
	return l.within(at, 0, l.MaxRate, defaultMaxRate)
}

// within counts a record of a kind, and tells whether it is within its rate.
func (l *Log) within(at int64, kind, most, standard int) bool {
	if most == 0 {
		most = standard
	}
	if second := at / int64(time.Second); second != l.second {
		l.second, l.kept = second, [2]int{}
	}
	l.kept[kind]++
	return most < 0 || l.kept[kind] <= most
}

// seal hands the open block to the writer.
func (l *Log) seal() {
	l.sealed = append(l.sealed, l.open)
	l.open = nil
	signal(l.full)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
