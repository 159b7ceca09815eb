package record

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

const (
	// glance is how often what happens here is passed on, look how often what
	// other recorders have written is.
	glance = 200 * time.Millisecond
	look   = time.Second
	// eventsAtOnce bounds what is passed on at one glance, eventsHeld what waits
	// for a follower; the rest is missed, and counted.
	eventsAtOnce = 2000
	eventsHeld   = 512
	// resumed bounds what is told of the time before.
	resumed = 1000
)

const defaultFollowers = 128

// hub passes records on while somebody follows.
type hub struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
	running   bool
	shut      bool
	// since is the instant from which records are passed on.
	since  int64
	blocks map[string]*progress
	left   int // of eventsAtOnce
}

// progress is how far a block has been passed on.
type progress struct {
	read *reader
	done int // bytes
	n    int
	last int64
}

type follower struct {
	q      *Query
	events chan Event
	// missed counts what there was no room for; the hub's mu guards it.
	missed int
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.followers)
}

// join adds a follower; first says that somebody has to begin passing on.
func (h *hub) join(f *follower, most int, now int64) (first bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut || len(h.followers) >= most {
		return false, ErrBusy
	}
	if h.followers == nil {
		h.followers = map[*follower]struct{}{}
	}
	h.followers[f] = struct{}{}
	if h.running {
		return false, nil
	}
	h.running, h.since, h.blocks = true, now, map[string]*progress{}
	return true, nil
}

func (h *hub) leave(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
}

// idle ends the passing on when nobody is there.
func (h *hub) idle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.followers) > 0 && !h.shut {
		return false
	}
	h.running, h.blocks = false, nil
	return true
}

// close tells all followers to go.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut = true
	for f := range h.followers {
		close(f.events)
	}
	h.followers = nil
}

// gone is told of a block before it leaves this process.
func (h *hub) gone(x *head) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running {
		h.left = max(h.left, 1)
		h.pass(x, x.here)
	}
}

// news reports whether a block holds records that were not passed on.
func (h *hub) news(x *head) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.blocks[x.name]
	return x.last > h.since && (p == nil || p.n < x.n)
}

// pass passes on what is new in a block. The caller holds h.mu.
func (h *hub) pass(x *head, body []byte) {
	if x.last <= h.since {
		return
	}
	p := h.blocks[x.name]
	if p == nil {
		p = &progress{read: newReader(body)}
		p.done = len(body) - len(p.read.b)
		h.blocks[x.name] = p
	}
	if p.done > len(body) {
		return // an older state of it
	}
	p.read.b, p.read.s = body[p.done:], string(body)
	for {
		r, ok := p.read.next()
		if !ok {
			break
		}
		p.n++
		p.done = len(body) - len(p.read.b)
		p.last = r.Ended.UnixNano()
		if p.last > h.since {
			h.tell(&r)
		}
	}
}

func (h *hub) tell(r *Record) {
	if h.left--; h.left < 0 {
		for f := range h.followers {
			f.missed++
		}
		return
	}
	at := positionOf(r).String()
	for f := range h.followers {
		if !f.q.Matches(r) {
			continue
		}
		select {
		case f.events <- Event{Record: *r, Cursor: at, Missed: f.missed}:
			f.missed = 0
		default:
			f.missed++
		}
	}
}

// forget drops blocks that cannot grow any more.
func (h *hub) forget(before int64) {
	for name, p := range h.blocks {
		if p.last < before {
			delete(h.blocks, name)
		}
	}
	h.since = max(h.since, before)
}

// watch passes on what happens until nobody follows.
func (l *Log) watch() {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	looked := time.Time{}
	for !l.follow.idle() {
		<-ticker.C
		here := l.here()
		l.follow.mu.Lock()
		l.follow.left = eventsAtOnce
		if l.follow.running {
			l.follow.forget(l.now().Add(-time.Minute).UnixNano())
			for _, x := range here {
				if x.here != nil { // else it was passed on when it went
					l.follow.pass(x, x.here)
				}
			}
		}
		l.follow.mu.Unlock()
		if now := time.Now(); !l.Alone && now.Sub(looked) >= look {
			looked = now
			l.lookAbroad()
		}
	}
}

// lookAbroad passes on what other recorders have written.
func (l *Log) lookAbroad() {
	ctx, cancel := context.WithTimeout(context.Background(), look)
	defer cancel()
	heads, err := l.tail(ctx)
	if err != nil {
		return // the writer complains
	}
	s := search{log: l, q: &Query{}, after: headPrefix}
	if s.scan(ctx) == nil { // some may have left the tail since
		heads = append(heads, s.store...)
	}
	for _, x := range heads {
		if nodeOf(x.name) == l.node || !l.follow.news(x) {
			continue
		}
		body, err := l.body(ctx, x)
		if err != nil {
			continue
		}
		l.follow.mu.Lock()
		if l.follow.running {
			l.follow.pass(x, body)
		}
		l.follow.mu.Unlock()
	}
}

// Follow implements Reader. What other recorders write is seen a second or two
// later; of that, what ended within a second before a reconnection may be missed.
func (l *Log) Follow(ctx context.Context, q Query, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		l.start() // the writer outlives who wakes it
		from, err := parsePosition(after)
		if err != nil && after != "" {
			yield(Event{}, err)
			return
		}
		most := l.MaxFollowers
		if most == 0 {
			most = defaultFollowers
		}
		f := &follower{q: &q, events: make(chan Event, eventsHeld)}
		l.mu.Lock()
		now := l.last
		l.mu.Unlock()
		first, err := l.follow.join(f, most, now)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer l.follow.leave(f)
		if first {
			go l.watch() // it serves all followers
		}
		told := map[position]bool{}
		if after != "" {
			missed, err := l.since(ctx, q, from)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for i := range missed {
				told[positionOf(&missed[i].Record)] = true
				if !yield(missed[i], nil) {
					return
				}
			}
		}
		for e := range f.heard(ctx) {
			if !told[positionOf(&e.Record)] && !yield(e, nil) {
				return
			}
		}
	}
}

// heard yields events until ctx ends or the log does.
func (f *follower) heard(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case e, open := <-f.events:
				if !open || !yield(e) {
					return
				}
			}
		}
	}
}

// since returns what has come after a position, the oldest first; of too much
// the newest.
func (l *Log) since(ctx context.Context, q Query, from position) ([]Event, error) {
	q.Cursor, q.Limit = "", resumed
	q.Since = from.time()
	var out []Event
	for {
		page, err := l.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			r := &page.Records[i]
			if p := positionOf(r); from.before(p) {
				out = append(out, Event{Record: *r, Cursor: p.String()})
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(out) >= resumed {
			slices.Reverse(out)
			return out[max(len(out)-resumed, 0):], nil
		}
	}
}
