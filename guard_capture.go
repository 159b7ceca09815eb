package failwell

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/failpoint"
)

// keyed is what an exchange has more when its call has an idempotency key and
// is the one that is worked on. The exchange's mu guards it.
type keyed struct {
	reservation *admission.Reservation
	// body is the request's where it is hashed while it is read.
	body *printedBody
	// cancel ends the handler's context; apart stop others from doing that.
	cancel context.CancelCauseFunc
	apart  [2]func() bool
	// running ends a handler that is not waited for any more.
	running <-chan any

	// capturing: what the handler says is kept, and the end of it held back until
	// the record is durable.
	capturing bool
	limit     int64
	// header is that of the response when it has begun, as the handler set it; own
	// are names that the guard's own errors carry.
	header http.Header
	own    []string
	answer []byte
	// outer are headers that were set around the guard.
	outer http.Header
	// sent is how much of the answer has gone out; begun that its head has.
	sent  int
	begun bool
	grace *time.Timer
	// flowing: what the handler flushes is passed on, all but its last byte.
	flowing bool

	// ended: the record has its last state, and ending says how to settle.
	ended  bool
	ending admission.Ending
	// passing: the answer is not kept, and says nothing final.
	passing bool
	// cut: the response cannot be finished and must visibly break; told: it has
	// been answered in place of what the handler says.
	cut, told bool
}

const (
	// heldWhole is up to which length an answer is held back whole. Of a longer
	// one the last piece is.
	heldWhole = 32 << 10
	// flushGrace is how long a Flush is held back: proxies flush whatever has no
	// length, and mostly the end follows at once.
	flushGrace = 200 * time.Millisecond
)

// keptHeaders describe an answer and its body. What speaks of the connection,
// the moment or the caller (cookies above all) is not kept.
var keptHeaders = map[string]bool{
	"Accept-Patch": true, "Accept-Post": true, "Accept-Ranges": true, "Allow": true, "Cache-Control": true, "Content-Disposition": true,
	"Content-Encoding": true, "Content-Language": true, "Content-Location": true, "Content-Range": true, "Content-Type": true, "Deprecation": true,
	"Etag": true, "Last-Modified": true, "Link": true, "Location": true, "Preference-Applied": true, "Sunset": true, "Vary": true,
	"X-Content-Type-Options": true,
}

// kept picks the headers that are replayed: those above, those that the contract
// names, and those of the guard's own error.
func (s *guardState) kept(h http.Header, own []string) []contract.HeaderValue {
	out := make([]contract.HeaderValue, 0, len(h))
	for name, values := range h {
		if !keptHeaders[name] && !s.keptKeys[name] && !slices.Contains(own, name) {
			continue
		}
		for _, value := range values {
			out = append(out, contract.HeaderValue{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(out, func(a, b contract.HeaderValue) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// capture takes a piece of the answer. It passes on what need not be held back.
// A caller who is gone is no failure: the work goes on.
func (x *exchange) capture(p []byte) (int, error) {
	k := x.keyed
	switch {
	case !bodyAllowed(x.status):
		return 0, http.ErrBodyNotAllowed
	case x.call.Method == http.MethodHead:
		return len(p), nil
	case int64(len(k.answer))+int64(len(p)) > k.limit:
		if !x.bury() {
			return 0, errOver
		}
		return x.put(p)
	}
	k.answer = append(k.answer, p...)
	x.bytes += int64(len(p))
	x.remember(p)
	switch {
	case k.flowing:
		x.sendBody(len(k.answer) - 1)
	case len(k.answer) > heldWhole:
		x.sendHeadAhead()
		x.sendBody(len(k.answer) - len(p))
	}
	return len(p), nil
}

// put writes a piece of a body.
func (x *exchange) put(p []byte) (int, error) {
	if x.recording != nil && x.status >= 400 {
		x.recording.keep(p)
	}
	if x.keyed != nil && x.keyed.capturing {
		return x.capture(p)
	}
	n, err := x.w.Write(p) //nolint:gosec,nolintlint // it is the handler's answer, whatever it is; not every run sees it
	x.bytes += int64(n)
	x.remember(p[:n])
	return n, err //nolint:wrapcheck // a ResponseWriter hands through what the connection says
}

// sendHead sends the head of a captured answer.
func (x *exchange) sendHead() {
	k := x.keyed
	if k.begun {
		return
	}
	k.begun = true
	k.sniff()
	x.decorate(x.w.Header(), x.status)
	x.w.WriteHeader(x.status)
}

// sendHeadAhead sends the head of an answer of which the record is still to be
// made: without what the guard adds, since a replay has its own.
func (x *exchange) sendHeadAhead() {
	if k := x.keyed; !k.begun {
		k.sniff()
		k.header = k.header.Clone()
		x.sendHead()
	}
}

// sniff names the type of a body that has none, as net/http would.
func (k *keyed) sniff() {
	if _, said := k.header["Content-Type"]; !said && len(k.answer) > 0 && k.header.Get("Content-Encoding") == "" {
		k.header["Content-Type"] = []string{http.DetectContentType(k.answer)}
	}
}

// sendBody sends a captured body up to an offset.
func (x *exchange) sendBody(to int) {
	k := x.keyed
	if to > k.sent {
		_, _ = x.w.Write(k.answer[k.sent:to]) //nolint:gosec,nolintlint // as above; a caller who is gone misses it
		k.sent = to
	}
}

// send writes a whole answer whose headers are set.
func (x *exchange) send(status int, body []byte) {
	if bodyAllowed(status) {
		x.w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	if len(body) > 0 && bodyAllowed(status) {
		n, _ := x.w.Write(body) // a caller who is gone misses it
		x.bytes += int64(n)
	}
}

// bodyAllowed follows RFC 9110, sections 15.2, 15.3.5 and 15.4.5.
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// bury gives up keeping the answer: a tombstone says that the work was done, and
// from here on everything is passed on as it comes. An answer that does not say
// so is passed on as well; what is recorded of it is decided at its end.
func (x *exchange) bury() bool {
	k := x.keyed
	if x.said() != finished {
		k.passing = true
		x.reveal()
		return true
	}
	err := k.reservation.Tombstone(x.ctx, x.status, int64(len(k.answer)), sha256.Sum256(k.answer))
	if err != nil {
		x.disown(err)
		return false
	}
	k.ended, k.ending = true, endingOf(x.status)
	x.noted(finished)
	x.reveal()
	return true
}

// reveal sends all that was held back.
func (x *exchange) reveal() {
	k := x.keyed
	if x.status != http.StatusSwitchingProtocols {
		x.sendHead()
		x.sendBody(len(k.answer))
	}
	k.capturing, k.answer = false, nil
}

// unrecorded is what the caller gets whose answer could not be recorded: neither
// the answer, since a repetition may be told something else, nor that nobody
// will ever know, since the record may be written yet. A repetition finds out.
func unrecorded(cause error) *Error {
	return FromCondition(condition.Unavailable, cause).WithRetryAfter(time.Second)
}

// disown answers for a call whose outcome could not be recorded.
func (x *exchange) disown(cause error) {
	k := x.keyed
	x.noted(doubted)
	k.capturing, k.ended, k.ending, k.answer = false, true, admission.Unknown, nil
	x.guard.state.logger.Warn("the outcome of a call with an idempotency key could not be recorded", "request_id", x.id, "err", cause)
	if x.cause == nil {
		x.cause = cause
	}
	if !k.begun {
		k.told = true
		h := x.w.Header()
		clear(h)
		maps.Copy(h, k.outer)
		f, _ := x.guard.failureOf(unrecorded(cause))
		x.guard.render(x, &f)
		_ = http.NewResponseController(x.w).Flush() // the handler may still abort the connection
	} else {
		k.cut = true
	}
	x.over = true
}

// streams are media types of which a Flush means what it says.
func streams(contentType string) bool {
	if contract.IsEvents(contentType) || contract.IsLines(contentType) {
		return true
	}
	mediaType, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(mediaType)) {
	case "application/json-seq", "multipart/x-mixed-replace", "application/grpc":
		return true
	}
	return false
}

// flush passes on what the handler has said so far. A stream is not kept then. Of
// any other answer the last byte is held back until it is recorded.
func (x *exchange) flush() error {
	k := x.keyed
	switch {
	case streams(k.header.Get("Content-Type")):
		if !x.bury() {
			return errOver
		}
		return http.NewResponseController(x.w).Flush() //nolint:wrapcheck // what the connection says
	case k.flowing:
		return http.NewResponseController(x.w).Flush() //nolint:wrapcheck // as above
	case k.grace == nil:
		k.grace = time.AfterFunc(flushGrace, func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			if k.capturing && x.flow() {
				_ = http.NewResponseController(x.w).Flush() // the next write tells
			}
		})
	}
	return nil
}

// flow begins to pass an answer on as it comes.
func (x *exchange) flow() bool {
	k := x.keyed
	if x.said() != finished {
		return x.bury()
	}
	k.flowing = true
	x.sendHeadAhead()
	x.sendBody(len(k.answer) - 1)
	return true
}

// conclude records how a keyed call ended and sends what was held back. It
// reports whether the response must break.
func (g *Guard) conclude(x *exchange, aborted bool) (abort bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.keyed
	defer k.free()
	if k.ended {
		return (aborted || k.cut) && !k.told
	}
	if !aborted && !x.started {
		x.begin(http.StatusOK) // as net/http does
	}
	broken := false
	if k.body != nil {
		var f admission.Fingerprint
		if f, broken = k.body.state(); k.body.want == nil {
			k.reservation.Fingerprint(f)
		}
	}
	what := x.outcome(aborted || broken)
	if what == finished && x.trailers() {
		x.bury()
		x.adopt()
		return k.cut
	}
	x.noted(what)
	switch what {
	case finished:
		x.complete()
		return k.cut
	case released:
		k.ended, k.ending = true, admission.Failed
		switch {
		case k.reservation.Doubtful():
			k.ending = admission.Unknown
		case x.notDone.Load():
			k.ending = admission.Unsent
		}
		g.settle(x) // before the key is free: whoever takes it then is charged
		x.note(k.reservation.Release(x.ctx))
	case doubted:
		k.ended, k.ending = true, admission.Unknown
		if k.running != nil {
			go x.afterwards(k.running)
			break
		}
		x.note(k.reservation.Unknown(x.ctx))
	}
	if !aborted {
		x.reveal()
	}
	return aborted
}

// afterwards waits for a handler that does not obey its timeout: while it works,
// its call is under way.
func (x *exchange) afterwards(running <-chan any) {
	<-running
	x.note(x.keyed.reservation.Unknown(x.ctx))
}

func (x *exchange) note(err error) {
	if err != nil && !errors.Is(err, admission.ErrLost) {
		x.guard.state.logger.Warn("the outcome of a call with an idempotency key could not be recorded yet", "request_id", x.id, "err", err)
	}
}

// complete keeps the answer and sends the rest of it.
func (x *exchange) complete() {
	k := x.keyed
	k.sniff()
	h := k.header
	err := k.reservation.Complete(x.ctx, &admission.Answer{Status: x.status, Header: x.guard.state.kept(h, k.own), Body: k.answer})
	if err != nil {
		x.disown(err)
		return
	}
	k.ended, k.ending = true, endingOf(x.status)
	if !k.begun && bodyAllowed(x.status) && x.call.Method != http.MethodHead {
		h["Content-Length"] = []string{strconv.Itoa(len(k.answer))}
	}
	x.reveal()
}

// trailers reports whether the handler says more after the body, which no
// replay could.
func (x *exchange) trailers() bool {
	if len(x.keyed.header["Trailer"]) > 0 {
		return true
	}
	for name := range x.own {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

func (k *keyed) free() {
	if k.grace != nil {
		k.grace.Stop()
	}
	for _, stop := range k.apart {
		if stop != nil {
			stop()
		}
	}
	k.cancel(nil)
}

// begin takes over the headers of an answer that has begun: the handler sets others
// by now, see exchange.adopt. That it is a replay is for nobody else to say.
func (k *keyed) begin(x *exchange) {
	failpoint.Hit(failpoint.Answered)
	k.header = x.w.Header()
	if name := x.guard.Contract.Idempotency.Replayed.Name; name != "" {
		k.header.Del(name)
	}
}

// retract takes back an answer of which nothing was sent, so that an error can
// be told in its place.
func (x *exchange) retract() bool {
	k := x.keyed
	if k == nil || !k.capturing || k.begun {
		return false
	}
	x.started, x.swallow, x.status, x.bytes = false, false, 0, 0
	if x.recording != nil {
		x.recording.body, x.recording.more = x.recording.body[:0], false
	}
	k.header, k.own, k.answer = nil, nil, k.answer[:0]
	h := x.w.Header()
	clear(h)
	maps.Copy(h, k.outer)
	return true
}
