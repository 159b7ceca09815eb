package failwell

import (
	"hash/maphash"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/contract"
)

// maxLanes bounds what is kept: a lane is some 300 bytes. Callers with more
// credentials than that go unpaced for a while.
const maxLanes = 1024

// pacer holds the lanes of a transport, by host, credential and, for operations
// with a rate of their own, operation.
type pacer struct {
	// latest is the lane that was asked for last; most calls have the same.
	latest atomic.Pointer[lane]
	mu     sync.Mutex
	lanes  map[uint64]*lane
}

// lane is where a request has to queue; nil where nothing is known of its limit.
func (t *Transport) lane(rules *clientRules, req *http.Request, now time.Time) *lane {
	if rules.pace == nil || rules.noPacing || req.URL == nil {
		return nil
	}
	return t.pacer.find(rules.laneKey(req), now)
}

// laneKey never holds a credential, only its hash under a random seed.
func (r *clientRules) laneKey(req *http.Request) uint64 {
	p := r.pace
	key := maphash.String(p.seed, req.URL.Host)
	for _, name := range p.headers {
		key = p.mix(key, first(req.Header, name))
	}
	for _, name := range p.queries {
		key = p.mix(key, queryOf(req.URL.RawQuery, name))
	}
	if p.own {
		if o := r.operation(req); o != nil && len(o.Rates) > 0 {
			key = p.mix(key, o.ID)
		}
	}
	return key
}

func (p *paceRules) mix(key uint64, part string) uint64 {
	return key*0x9e3779b97f4a7c15 ^ maphash.String(p.seed, part)
}

// queryOf is a parameter as it is written, found without parsing the others.
func queryOf(query, name string) string {
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, name); ok && strings.HasPrefix(value, "=") {
			return value
		}
	}
	return ""
}

func (p *pacer) find(key uint64, now time.Time) *lane {
	if l := p.latest.Load(); l != nil && l.key == key {
		return l
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lanes == nil {
		p.lanes = map[uint64]*lane{}
	}
	l := p.lanes[key]
	if l == nil && (len(p.lanes) < maxLanes || p.evict()) {
		l = &lane{key: key, used: now}
		p.lanes[key] = l
	}
	p.latest.Store(l)
	return l
}

// evict forgets the least recently used of a few lanes that nobody is in.
func (p *pacer) evict() bool {
	var oldest uint64
	var at time.Time
	looked := 0
	for key, l := range p.lanes { // in random order
		l.mu.Lock()
		idle, used := l.under == 0 && l.parked == 0, l.used
		l.mu.Unlock()
		if idle && (at.IsZero() || used.Before(at)) {
			oldest, at = key, used
		}
		if looked++; looked == 16 {
			break
		}
	}
	if at.IsZero() {
		return false
	}
	delete(p.lanes, oldest) // not the latest one, which the caller replaces
	return true
}

// pass waits until the lane has room, and returns when that is: now, mostly. It
// fails at once when it is later than the call may wait, and when the context
// ends. c is nil before the first attempt.
func (t *Transport) pass(l *lane, rules *clientRules, req *http.Request, c *call, now time.Time) (time.Time, *Error) {
	for {
		most, stop := rules.patience(req, now)
		mine, wait, ok := l.enter(now, most)
		if ok && wait <= 0 {
			return now, nil
		}
		if c == nil {
			c = &call{transport: t, rules: rules, req: req, secrets: t.secretsOf(req)}
		}
		if !ok {
			return now, c.noRoom(wait, stop)
		}
		enters := false
		for wait > 0 {
			t.waiting(req, Wait{For: wait, Paced: true, Attempts: len(c.attempts)})
			if err := t.sleep(req.Context(), wait); err != nil {
				l.forgo(mine)
				return now, c.cancelled(err)
			}
			now = t.now()
			most, _ = rules.patience(req, now)
			wait, enters = l.leave(now, mine, most)
		}
		if !enters {
			return now, nil
		}
	}
}

// patience is the longest that a call may wait, and which bound that is.
func (r *clientRules) patience(req *http.Request, now time.Time) (time.Duration, Stop) {
	most, stop := time.Duration(math.MaxInt64), StopMaxWait
	if r.maxWait > 0 {
		most = r.maxWait
	}
	if deadline, ok := r.until(req); ok {
		// At its deadline a call cannot be made any more.
		if left := deadline.Sub(now) - 1; left < most {
			most, stop = left, StopDeadline
		}
	}
	return max(most, 0), stop
}

// until is the nearer of the context's deadline and the call's own.
func (r *clientRules) until(req *http.Request) (time.Time, bool) {
	deadline, ok := req.Context().Deadline()
	if !r.deadline.IsZero() && (!ok || r.deadline.Before(deadline)) {
		return r.deadline, true
	}
	return deadline, ok
}

// noRoom ends a call that would have to wait for too long. What an attempt
// before met stays known.
func (c *call) noRoom(wait time.Duration, why Stop) *Error {
	if len(c.attempts) == 0 {
		c.failure = &contract.Failure{Condition: RateLimited, Retry: RetryAfterWait, RetryAfter: wait, HasRetryAfter: true, Certain: true}
		c.failure.Code, _ = c.transport.Contract.For(RateLimited)
		c.cause = &noRoom{wait}
	}
	c.stop(why)
	return c.gaveUp()
}

// noRoom is why a call was not sent.
type noRoom struct{ wait time.Duration }

func (e *noRoom) Error() string {
	return "not sent: the limit has no room for it within " + e.wait.String()
}

// answered takes in what became of an attempt.
func (t *Transport) answered(l *lane, rules *clientRules, resp *http.Response, before refusal) {
	if l == nil {
		return
	}
	if resp == nil {
		l.lost()
		return
	}
	if !rules.pace.tells(resp.Header) {
		l.lost()
		return
	}
	now := t.now()
	s, ok := rules.pace.read(resp.Header, now)
	l.saw(now, s, ok, resp.StatusCode != http.StatusTooManyRequests, before)
}
