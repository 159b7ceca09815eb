package failwell

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store/meter"
)

// Recorder keeps what is needed to look a request up later; a [record.Log] is one.
type Recorder interface {
	// Add is called once for each request, on its goroutine, when its response has
	// ended: it must be quick. r and what it points to are used again afterwards.
	Add(r *record.Record)
}

// Tried notes one sending of a request to a service, for its record: for a
// handler that passes requests on. ctx is the request's. It does nothing where
// no records are kept.
func Tried(ctx context.Context, t record.Try) {
	x := exchangeOf(ctx)
	if x == nil || x.guard.Recorder == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.recording != nil {
		x.recording.Tries = append(x.recording.Tries, t)
	}
}

// Began is when the head of a context's request had come; zero without a [Guard].
func Began(ctx context.Context) time.Time {
	if x := exchangeOf(ctx); x != nil {
		return x.start
	}
	return time.Time{}
}

// keptBody is how much of an error's body is kept with a record, in bytes.
const keptBody = 1 << 10

// recording is a record that is being made. It is used again.
type recording struct {
	record.Record

	body []byte
	more bool
}

// keep keeps the beginning of an error's body.
func (r *recording) keep(p []byte) {
	room := keptBody - len(r.body)
	r.more = r.more || len(p) > room
	r.body = append(r.body, p[:min(len(p), room)]...)
}

// recording takes one where records are kept.
func (s *guardState) recording(g *Guard) *recording {
	if g.Recorder == nil {
		return nil
	}
	r, ok := s.recordings.Get().(*recording)
	if !ok {
		r = &recording{}
	}
	return r
}

// record hands the record of a request over. Nobody writes any more.
func (g *Guard) record(x *exchange, r *http.Request, ended time.Time) {
	x.mu.Lock()
	rec := x.recording
	x.recording = nil // a handler that goes on has nothing to add
	if rec == nil {
		x.mu.Unlock()
		return
	}
	g.fill(rec, x, r, ended)
	x.mu.Unlock()
	g.Recorder.Add(&rec.Record)
	rec.Record = record.Record{Limits: rec.Limits[:0], Tries: rec.Tries[:0]}
	rec.body, rec.more = rec.body[:0], false
	g.state.recordings.Put(rec)
}

// fill says in the record what the exchange knows. It is locked.
func (g *Guard) fill(rec *recording, x *exchange, r *http.Request, ended time.Time) {
	rec.ID, rec.Time, rec.Ended, rec.Took = x.id, x.start, ended, ended.Sub(x.start)
	rec.Method, rec.Path, rec.Status, rec.Stage = r.Method, g.printable(x, r.URL.Path), x.status, x.stage
	rec.Decided, rec.Sent, rec.Bytes = x.decided, r.ContentLength, x.bytes
	v := &x.verdict
	if v.Key != nil {
		rec.Key, rec.KeyStart, rec.Account = v.Key.ID, v.Key.Start, v.Key.Account
	}
	if v.Account != nil {
		rec.Account = v.Account.ID
	}
	if v.Plan != nil {
		rec.Plan = v.Plan.Name
	}
	if x.operation != nil {
		rec.Operation = x.operation.ID
	}
	if x.code != nil {
		rec.Code, rec.Condition, rec.RetryAfter = x.code.Name, x.failed, x.toldWait
		if rec.Condition == "" {
			rec.Condition = x.code.Condition(x.status)
		}
	}
	for i := range v.Limits {
		rec.Limits = append(rec.Limits, limitOf(&v.Limits[i], v.Admitted))
	}
	for i := range rec.Tries {
		rec.Upstream += rec.Tries[i].Took
	}
	rec.Trace, rec.Span, rec.Sampled = TraceParent(r.Header)
	rec.Attempt = attemptOf(r.Header)
	g.fillKey(rec, x)
	if rec.Failed() {
		g.explain(rec, x)
	}
}

// explain adds what is kept of failures only.
func (g *Guard) explain(rec *recording, x *exchange) {
	if len(rec.body) > 0 && x.w.Header().Get("Content-Encoding") == "" && printableText(rec.body, rec.more) {
		text := string(rec.body)
		if rec.more {
			text = strings.ToValidUTF8(text, "")
		}
		rec.Body, rec.Cut = g.scrub(x, text), rec.more
	}
	cause := x.cause
	if e, ok := errors.AsType[*Error](cause); ok {
		cause = errors.Unwrap(e)
	}
	if cause != nil {
		rec.Cause = g.scrub(x, cause.Error())
	}
}

// printableText tells text from what only programs read. The last character may
// have been cut.
func printableText(b []byte, cut bool) bool {
	for cut && len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	if cut && len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
		b = b[:len(b)-1]
	}
	return utf8.Valid(b)
}

// fillKey says what the idempotency key did.
func (g *Guard) fillKey(rec *recording, x *exchange) {
	if len(x.call.IdempotencyKeys) == 0 {
		return
	}
	i := &rec.Idempotency
	i.State, i.Original = x.keyState(), x.replayOf
	key, problem := admission.PlainKey(x.call.IdempotencyKeys[0])
	if problem != "" || key == "" || i.State == "" && !x.verdict.Keyed {
		return
	}
	scope := x.call.Identity
	if x.verdict.Key != nil {
		scope = x.verdict.Key.Account + "\x00" + x.verdict.Key.Environment
	}
	h := sha256.New()
	for _, part := range [...]string{"failwell record", scope, x.call.Method, x.call.Path, key} {
		_, _ = io.WriteString(h, part+"\x00")
	}
	var sum [sha256.Size]byte
	i.Hash = hex.EncodeToString(h.Sum(sum[:0])[:12])
}

var limitKinds = [...]string{
	meter.Rate: "rate", meter.Window: "window", meter.Allowance: "quota", meter.Balance: "balance", meter.Capacity: "storage", meter.Slots: "concurrency",
}

func limitOf(s *admission.LimitState, taken bool) record.Limit {
	l := record.Limit{
		Name: s.Name, Cost: s.Cost, After: s.Remaining, Before: s.Remaining, Reset: s.Reset, Refused: s.Refused, Binding: s.Binding, Local: s.Local,
	}
	if rule := s.Rule; rule != nil {
		l.Kind, l.Max, l.Per = limitKinds[rule.Kind], rule.Limit, rule.Per
		if rule.Kind == meter.Allowance {
			l.Period = [...]string{meter.Month: "month", meter.Day: "day"}[rule.Period]
		}
	}
	if taken {
		l.Before += s.Cost
	}
	return l
}

// TraceParent reads the traceparent of a request (W3C Trace Context, section
// 3.2): the trace's id, the caller's span, and whether the trace is to be kept.
// Both ids are "" where there is none, or one that is malformed.
func TraceParent(h http.Header) (trace, parent string, sampled bool) {
	v := h["Traceparent"]
	if len(v) != 1 || len(v[0]) < 55 || v[0][2] != '-' || v[0][35] != '-' || v[0][52] != '-' {
		return "", "", false
	}
	trace, parent = v[0][3:35], v[0][36:52]
	for _, part := range [...]string{trace, parent, v[0][53:55]} {
		for i := range len(part) {
			if c := part[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return "", "", false
			}
		}
	}
	flags := v[0][54] // the lowest bit of the digit; letters begin at an odd value
	return trace, parent, flags&1 == 1 != (flags >= 'a')
}

// countHeaders tell how often a call has been tried before: of this library's
// Transport where it is asked to, and of clients that Stainless generates.
var countHeaders = [...]string{"X-Retry-Count", "Retry-Count", "X-Stainless-Retry-Count"}

func attemptOf(h http.Header) int {
	for _, name := range countHeaders {
		if v := h[name]; len(v) == 1 && len(v[0]) <= 3 {
			if n, err := strconv.Atoi(v[0]); err == nil && n >= 0 {
				return n + 1
			}
		}
	}
	return 0
}

// scrub takes credentials out of text: the request's own, as it was sent and as
// JSON has it, and whatever begins as the contract's keys do.
func (g *Guard) scrub(x *exchange, text string) string {
	if c := x.credential; len(c) >= shortestSecret {
		text = strings.ReplaceAll(text, c, redacted)
		if !plainKey(c) {
			if quoted, err := json.Marshal(c); err == nil {
				text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), redacted)
			}
		}
	}
	for i := range g.Contract.Auth.Key.Environments {
		text = scrubPrefix(text, g.Contract.Auth.Key.Environments[i].Prefix)
	}
	return text
}

func scrubPrefix(text, prefix string) string {
	if len(prefix) < 3 {
		return text
	}
	for from := 0; ; {
		at := strings.Index(text[from:], prefix)
		if at < 0 {
			return text
		}
		at += from
		end := at + len(prefix)
		for end < len(text) && keyByte(text[end]) {
			end++
		}
		if end-at < len(prefix)+shortestSecret {
			from = end // too short for a key: the prefix itself, in a sentence
			continue
		}
		text = text[:at] + redacted + text[end:]
		from = at + len(redacted)
	}
}

// plainKey reports whether JSON has a key as it is.
func plainKey(s string) bool {
	for i := range len(s) {
		if !keyByte(s[i]) {
			return false
		}
	}
	return true
}

func keyByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '~'
}

// keyState tells what became of an idempotency key.
func (x *exchange) keyState() record.IdempotencyState {
	if x.became == "" && strings.HasPrefix(string(x.failed), "idempotency_") {
		return record.Refused
	}
	return x.became
}

// noted says in the record what became of a call with an idempotency key. The
// exchange is locked.
func (x *exchange) noted(what outcome) {
	x.became = [...]record.IdempotencyState{finished: record.Worked, released: record.Freed, doubted: record.Doubted}[what]
}
