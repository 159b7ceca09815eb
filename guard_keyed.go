package failwell

import (
	"context"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// smallBody is up to which announced length a body is read before the handler
// runs, so that its fingerprint is known from the start.
const smallBody = 64 << 10

// reserve makes sure that the work of a call with an idempotency key is done
// once. It answers repetitions itself. The request that it returns does not end
// when its caller goes away.
func (g *Guard) reserve(x *exchange, r *http.Request, body *readBody) (*http.Request, bool) {
	x.repeated = true // until it is known to be the one that works
	p, stream, ok := g.payload(x, r, body)
	if !ok {
		return nil, false
	}
	held, err := g.Admission.Reserve(r.Context(), &x.call, &x.verdict, p)
	v := &x.verdict
	switch {
	case err != nil:
		g.fail(x, r, err)
	case v.Condition != "":
		g.refuse(x, r)
	case v.Answer != nil:
		g.replay(x, v.Answer)
	case held == nil: // the store is away, and the contract says open
		x.repeated, x.became = false, record.Unprotected
		return r, true
	default:
		return g.hold(x, r, held, p, stream)
	}
	return nil, false
}

// hold prepares the exchange for work that is done once.
func (g *Guard) hold(x *exchange, r *http.Request, held *admission.Reservation, p *admission.Payload, stream io.ReadCloser) (*http.Request, bool) {
	k := &keyed{reservation: held, capturing: true, limit: g.Contract.Idempotency.MaxResponse}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	k.cancel = cancel
	k.apart[0] = afterEnd(r.Context(), cancel)
	if g.Lifetime != nil {
		k.apart[1] = afterEnd(g.Lifetime, cancel) // that is the server's life
	}
	x.mu.Lock()
	x.keyed, x.repeated = k, false
	k.outer = x.w.Header().Clone()
	x.own = k.outer.Clone() // the handler's are taken over when it has begun to answer
	x.mu.Unlock()
	r = r.WithContext(ctx)
	if first, ask := held.Reconcile(); ask && !g.reconcile(x, r, first) {
		return nil, false
	}
	if stream != nil {
		k.body = &printedBody{from: stream, hash: p.Hash(&x.call), length: r.ContentLength}
		if want, ok := held.Expected(); ok {
			k.body.want = &want
		}
		r.Body = k.body
	}
	return r, true
}

// afterEnd passes an end of a context on, unless it is that its caller went away.
func afterEnd(ctx context.Context, end context.CancelCauseFunc) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			end(cause)
		}
	})
}

// payload reads what tells calls with one key apart. stream is a body that is
// too long, or not known to be short.
func (g *Guard) payload(x *exchange, r *http.Request, body *readBody) (p *admission.Payload, stream io.ReadCloser, ok bool) {
	p = &admission.Payload{Query: g.state.withoutKey(r.URL.RawQuery), ContentType: strings.Join(r.Header["Content-Type"], ", ")}
	switch {
	case body != nil:
		p.Body = body.data
	case r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0:
	case r.ContentLength > 0 && r.ContentLength <= smallBody:
		data, err := io.ReadAll(r.Body)
		if err != nil {
			g.fail(x, r, err)
			return nil, nil, false
		}
		p.Body, r.Body = data, newReadBody(data)
	default:
		p.Stream, stream = r.Body, r.Body
	}
	return p, stream, true
}

// withoutKey leaves credentials out of a query: a repetition may carry a new one.
func (s *guardState) withoutKey(query string) string {
	for i := range s.schemes {
		name := s.schemes[i].query
		if name == "" || !strings.Contains(query, name) {
			continue
		}
		pairs := strings.Split(query, "&")
		query = strings.Join(slices.DeleteFunc(pairs, func(pair string) bool {
			key, _, _ := strings.Cut(pair, "=")
			key, err := url.QueryUnescape(key)
			return err == nil && key == name
		}), "&")
	}
	return query
}

// replay gives the answer of the first call once more. It carries that call's
// request id, which its body may hold as well; the limits are today's.
func (g *Guard) replay(x *exchange, a *admission.Answer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	h := x.w.Header()
	for i := range a.Header {
		h[a.Header[i].Name] = append(h[a.Header[i].Name], a.Header[i].Value)
	}
	x.started, x.status, x.replayOf, x.became = true, a.Status, a.RequestID, record.Replayed
	x.decorate(h, a.Status)
	h[g.state.requestIDKey] = []string{a.RequestID}
	if replayed := &g.Contract.Idempotency.Replayed; replayed.Name != "" {
		h[http.CanonicalHeaderKey(replayed.Name)] = []string{replayed.Value}
	}
	x.send(a.Status, a.Body)
}

// Doubt is an earlier call of which nobody knows what became.
type Doubt struct {
	// Key is its idempotency key, RequestID the id under which it was made.
	Key, RequestID string
	// Operation that it called; nil where the contract lists none.
	Operation *contract.Operation
}

// Answer is what became of an earlier call.
type Answer struct {
	// Status is 200 when 0.
	Status int
	Header http.Header
	Body   []byte
}

// reconcileTime bounds the question where neither the operation nor the guard
// has a timeout.
const reconcileTime = 30 * time.Second

// reconcile finds out what became of an earlier call. It reports true when that
// never happened, and answers otherwise.
func (g *Guard) reconcile(x *exchange, r *http.Request, first string) (work bool) {
	k := x.keyed
	if g.Reconcile == nil {
		x.unsettled(g, r, FromCondition(condition.IdempotencyOutcomeUnknown, errNobodyToAsk))
		return false
	}
	timeout := g.timeout(x)
	if timeout <= 0 {
		timeout = reconcileTime
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	hitReconciling()
	answer, err := g.Reconcile(r.WithContext(ctx), Doubt{Key: k.reservation.IdempotencyKey(), RequestID: first, Operation: x.operation})
	hitReconciled()
	switch {
	case err != nil:
		if _, told := errors.AsType[*Error](err); !told {
			err = FromCondition(condition.IdempotencyOutcomeUnknown, err)
		}
		x.unsettled(g, r, err)
		return false
	case answer == nil:
		k.reservation.Begin(x.id)
		return true
	}
	kept := &admission.Answer{Status: answer.Status, Header: g.state.kept(answer.Header, nil), Body: answer.Body}
	if kept.Status == 0 {
		kept.Status = http.StatusOK
	}
	if err := k.reservation.Complete(r.Context(), kept); err != nil {
		k.capturing, k.ended, k.ending = false, true, admission.Unknown
		g.fail(x, r, unrecorded(err))
		return false
	}
	k.capturing, k.ended, k.ending = false, true, endingOf(kept.Status)
	g.replay(x, kept)
	return false
}

var errNobodyToAsk = errors.New("the operation is to be reconciled, but Guard.Reconcile is not set")

// unsettled leaves the outcome as unknown as it was.
func (x *exchange) unsettled(g *Guard, r *http.Request, err error) {
	k := x.keyed
	k.capturing, k.ended, k.ending = false, true, admission.Unknown
	x.noted(doubted)
	if unknown := k.reservation.Unknown(r.Context()); unknown != nil {
		g.state.logger.Warn("an outcome could not be recorded as unknown", "request_id", x.id, "err", unknown)
	}
	g.fail(x, r, err)
}

// printedBody hashes a body while it is read. Where it is known what the hash
// must be, the last byte is held back until it is right, so that nobody is
// sent the whole of something else.
type printedBody struct {
	from io.ReadCloser
	// length as announced, -1 for none.
	length int64
	want   *admission.Fingerprint

	mu     sync.Mutex // the handler may answer while somebody still reads
	hash   hash.Hash
	n      int64
	whole  bool
	broken bool
	// wrong: it is not the wanted body. last is held back while held is set.
	wrong, held bool
	last        byte
}

// Close implements io.Closer.
func (b *printedBody) Close() error { return b.from.Close() } //nolint:wrapcheck // a body hands through what it got

// Read implements io.Reader.
func (b *printedBody) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if b.ended() {
			return b.rest(p)
		}
		n, err := b.from.Read(p)
		b.note(p[:n], err)
		if b.want == nil {
			return n, err //nolint:wrapcheck // a body hands through what it got
		}
		if n = b.shift(p[:n]); n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err //nolint:wrapcheck // a body hands through what it got
		}
	}
	return 0, nil
}

// ended reports whether there is nothing more to read of a wanted body.
func (b *printedBody) ended() bool { return b.want != nil && (b.whole || b.wrong) }

func (b *printedBody) rest(p []byte) (int, error) {
	switch {
	case b.wrong:
		return 0, FromCondition(condition.IdempotencyMismatch, nil)
	case b.held:
		b.held, p[0] = false, b.last
		return 1, nil
	}
	return 0, io.EOF
}

// shift puts the byte that was held back before p and holds p's last one.
func (b *printedBody) shift(p []byte) int {
	n := len(p)
	if n == 0 {
		return 0
	}
	last := p[n-1]
	if b.held {
		copy(p[1:], p[:n-1])
		p[0] = b.last
	} else {
		n--
	}
	b.held, b.last = true, last
	return n
}

func (b *printedBody) note(p []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := b.want; w != nil && !w.Whole && b.n <= w.Bytes && b.n+int64(len(p)) >= w.Bytes {
		b.hash.Write(p[:w.Bytes-b.n])
		b.wrong = b.wrong || [32]byte(b.hash.Sum(nil)) != w.Sum
		b.hash.Write(p[w.Bytes-b.n:])
	} else {
		b.hash.Write(p)
	}
	b.n += int64(len(p))
	switch {
	case errors.Is(err, io.EOF):
		b.whole = true
		if w := b.want; w != nil && (w.Whole && (w.Bytes != b.n || [32]byte(b.hash.Sum(nil)) != w.Sum) || b.n < w.Bytes) {
			b.wrong = true
		}
	case err != nil:
		b.broken = true
	}
}

// state returns the fingerprint of what was read, and whether reading failed.
func (b *printedBody) state() (f admission.Fingerprint, broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f = admission.Fingerprint{Bytes: b.n, Whole: b.whole || b.n == b.length}
	b.hash.Sum(f.Sum[:0])
	return f, b.broken || b.wrong
}
