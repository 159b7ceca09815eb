package sandbox

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell"
)

// Entry is one request that the sandbox received.
type Entry struct {
	// Number counts from 1, in the order of arrival.
	Number int64 `json:"number"`
	// At is the instant of its arrival on the sandbox's clock.
	At        time.Time `json:"at"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Operation string    `json:"operation,omitempty"`
	// Key is the name of the key that came along, "" for none or a stranger's.
	Key       string `json:"key,omitempty"`
	RequestID string `json:"request_id"`
	// Status is 0 when the connection ended without an answer.
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	// Call groups the attempts of one call: by idempotency key, or trace id; ""
	// when the client sent neither. Attempt counts within it, from 1.
	Call    string `json:"call,omitempty"`
	Attempt int    `json:"attempt,omitempty"`
	// Repeats is the number of the latest entry with the same method, path, key
	// and body; 0 when there is none.
	Repeats int64 `json:"repeats,omitempty"`
	// IdempotencyKey as sent, and whether the answer was that of an earlier request.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	Replayed       bool   `json:"replayed,omitempty"`
	// Body is the beginning of the SHA-256 of what was read of the body.
	Body      string `json:"body_sha256,omitempty"`
	BodyBytes int64  `json:"body_bytes"`
	// Fault is what was done to the call on purpose.
	Fault string `json:"fault,omitempty"`
	// Took in milliseconds of real time.
	Took float64 `json:"took_ms"`
}

// journal keeps the latest entries.
type journal struct {
	mu      sync.Mutex
	entries []Entry // a ring
	next    int64   // number of the next entry
	heard   map[chan Entry]bool
	closed  bool
}

// journalSize is how many entries are kept, at some 400 bytes each.
const journalSize = 10_000

func newJournal() *journal { return &journal{next: 1, heard: map[chan Entry]bool{}} }

func (j *journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.entries) - 1; i >= 0; i-- {
		other := &j.entries[i]
		if e.Call != "" && other.Call == e.Call && other.Key == e.Key && e.Attempt == 0 {
			e.Attempt = other.Attempt + 1
		}
		if e.Repeats == 0 && other.Method == e.Method && other.Path == e.Path && other.Key == e.Key && other.Body == e.Body {
			e.Repeats = other.Number
		}
		if e.Repeats != 0 && (e.Call == "" || e.Attempt != 0) || len(j.entries)-i > lookBack {
			break
		}
	}
	if e.Call != "" && e.Attempt == 0 {
		e.Attempt = 1
	}
	e.Number = j.next
	j.next++
	if len(j.entries) >= journalSize {
		j.entries = slices.Delete(j.entries, 0, journalSize/10)
	}
	j.entries = append(j.entries, e)
	for listener := range j.heard {
		select {
		case listener <- e:
		default: // too slow: it reads the journal again
		}
	}
}

// lookBack is among how many entries earlier attempts are looked for.
const lookBack = 1000

// list returns entries after a number, oldest first.
func (j *journal) list(after int64) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	at, _ := slices.BinarySearchFunc(j.entries, after+1, func(e Entry, n int64) int { return int(e.Number - n) })
	return append([]Entry{}, j.entries[at:]...) // never null in JSON
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

// listen returns a channel of new entries, closed with the journal.
func (j *journal) listen() (entries <-chan Entry, leave func()) {
	c := make(chan Entry, 64)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		close(c)
		return c, func() {}
	}
	j.heard[c] = true
	return c, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.heard, c)
	}
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for c := range j.heard {
		close(c)
	}
	clear(j.heard)
}

type entryKey struct{}

// done learns from the guard what became of a request.
func (*journal) done(r *http.Request, o failwell.Outcome) {
	e, ok := r.Context().Value(entryKey{}).(*Entry)
	if !ok {
		return
	}
	e.Status = o.Status
	if o.Operation != nil {
		e.Operation = o.Operation.ID
	}
	if o.Code != nil {
		e.Code = o.Code.Name
	}
}

// wrap writes down what passes.
func (j *journal) wrap(s *Sandbox, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		e := &Entry{At: s.clock.Now().UTC(), Method: r.Method, Path: r.URL.Path, Key: s.keyName(r)}
		if name := s.contract.Idempotency.Header; name != "" {
			e.IdempotencyKey = r.Header.Get(name)
		}
		e.Call = callOf(r, e.IdempotencyKey)
		body := &heardBody{from: r.Body, sum: sha256.New()}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = body
		}
		r, decision := s.faults.Decide(r, e.Key)
		e.Fault = decision.Told()
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e)) // Decide passes the request on with its context
		seen := &seenWriter{ResponseWriter: w}
		write := func(broken bool) {
			e.Took = float64(time.Since(began).Microseconds()) / 1000
			e.BodyBytes = body.n
			if body.n > 0 {
				e.Body = hex.EncodeToString(body.sum.Sum(nil)[:8])
			}
			if seen.status != 0 || broken {
				e.Status = seen.status
			}
			e.RequestID = w.Header().Get(s.contract.Headers.RequestID.Name)
			if replayed := s.contract.Idempotency.Replayed.Name; replayed != "" {
				e.Replayed = w.Header().Get(replayed) != ""
			}
			j.add(*e)
		}
		seen.torn = func() { write(true) }
		defer func() {
			thrown := recover()
			if seen.torn != nil {
				write(thrown != nil)
			}
			if thrown != nil {
				panic(thrown)
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

// callOf is what the attempts of one call have in common.
func callOf(r *http.Request, idempotencyKey string) string {
	if idempotencyKey != "" {
		return "key " + idempotencyKey
	}
	// W3C Trace Context: version, trace id, parent id, flags.
	if parts := strings.Split(r.Header.Get("Traceparent"), "-"); len(parts) == 4 && len(parts[1]) == 32 {
		return "trace " + parts[1]
	}
	return ""
}

// keyName is the name of the key that a request carries, where it is one of
// the sandbox's.
func (s *Sandbox) keyName(r *http.Request) string {
	live := s.live.Load()
	for _, scheme := range s.contract.Auth.Schemes {
		value := r.URL.Query().Get(scheme.Name)
		if scheme.In == "header" {
			value = r.Header.Get(scheme.Name)
			if n := len(scheme.Prefix); n > 0 && len(value) > n && strings.EqualFold(value[:n], scheme.Prefix) {
				value = strings.TrimSpace(value[n:])
			}
		}
		for name, key := range live.keys {
			if value != "" && key == value {
				return name
			}
		}
	}
	return ""
}

// heardBody hashes what is read of a body.
type heardBody struct {
	from io.ReadCloser
	sum  hash.Hash
	n    int64
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.sum.Write(p[:n])
	b.n += int64(n)
	return n, err //nolint:wrapcheck // a reader hands through what it gets
}

func (b *heardBody) Close() error { return b.from.Close() } //nolint:wrapcheck // as above

// seenWriter remembers the status that went out.
type seenWriter struct {
	http.ResponseWriter

	status int
	// torn is called once, when the connection is taken away to be broken off:
	// before the caller can notice and ask what the journal says of it.
	torn func()
}

// Hijack implements http.Hijacker.
func (w *seenWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.torn != nil {
		w.torn()
		w.torn = nil
	}
	return conn, buffered, err //nolint:wrapcheck // a writer hands through what it gets
}

func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p) //nolint:wrapcheck // as above
}
