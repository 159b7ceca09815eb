package failwell

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// MaxEvent is the longest event or line of a stream that is read, in bytes.
const MaxEvent = 16 << 20

// ErrEventTooLong is the cause when an event or a line is longer than [MaxEvent].
var ErrEventTooLong = errors.New("an event of the stream is too long")

// ErrNoStream is the cause when a response is no failure, and of another media type
// than the stream that was asked for.
var ErrNoStream = errors.New("the response is no such stream")

// Event is a server-sent event (WHATWG HTML section 9.2).
type Event struct {
	// Name is the event's type, "message" where the server gives none.
	Name string
	// Data are its data lines, joined by line ends.
	Data string
	// ID is the latest id that the stream gave: what Last-Event-ID should say when
	// the stream is asked for again.
	ID string
	// Retry is how long the server asks to wait before that; 0 when it does not say.
	Retry time.Duration
}

// Events reads server-sent events. A loop over it ends with the stream; when it
// did not end well, the last pair holds an [*Error] and no event: the event by
// which the contract says that the stream has failed (one called "error" where
// there is no contract, or it names none), read like the body of a failed
// response; a connection that broke; or a response that was a failure from the
// start. The body is closed when the loop is left.
//
//	for event, err := range failwell.Events(api, resp) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// c may be nil. Events that are not whole when the stream ends are dropped, as
// the specification says.
func Events(c *contract.Contract, resp *http.Response) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s, err := openStream(c, resp, contract.IsEvents, "text/event-stream")
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer s.close()
		terminal := "error"
		if c != nil && c.Streams.Event != "" {
			terminal = c.Streams.Event
		}
		for {
			event, err := s.event()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(Event{}, s.broken(err))
				return
			case event.Name == terminal:
				yield(Event{}, s.failure([]byte(event.Data)))
				return
			case !yield(event, nil):
				return
			}
		}
	}
}

// Lines reads a stream of JSON values, one on a line (NDJSON, JSON Lines), like
// [Events]. Where the contract promises an error as the last line of a stream that
// failed, that line is the loop's error and no value. A line is valid until the
// next one; empty lines are left out.
func Lines(c *contract.Contract, resp *http.Response) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s, err := openStream(c, resp, contract.IsLines, "application/x-ndjson")
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.close()
		var held []byte // a line that is the error if it is the last one
		for {
			line, _, err := s.lines.next(false)
			line = bytes.TrimSpace(line)
			if len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
				if held != nil && !yield(held, nil) {
					return
				}
				held = nil
				if s.mayBeLast(line) {
					held = bytes.Clone(line)
				} else if !yield(line, nil) {
					return
				}
			}
			if err == nil {
				continue
			}
			if held != nil {
				yield(nil, s.failure(held))
			} else if !errors.Is(err, io.EOF) {
				yield(nil, s.broken(err))
			}
			return
		}
	}
}

// stream is a response whose body is read piece by piece.
type stream struct {
	contract *contract.Contract
	resp     *http.Response
	lines    lineReader
	id       string
	begun    bool
}

// openStream takes a response whose Content-Type is that of the stream that was
// asked for, want for one, or that has none.
func openStream(c *contract.Contract, resp *http.Response, is func(contentType string) bool, want string) (*stream, error) {
	if err := CheckWith(c, resp, nil); err != nil {
		return nil, err
	}
	s := &stream{contract: c, resp: resp, lines: lineReader{from: resp.Body}}
	contentType := resp.Header.Get("Content-Type")
	if contentType == "" || is(contentType) {
		return s, nil
	}
	s.close()
	return nil, s.broken(fmt.Errorf("%w: it is %s, not %s", ErrNoStream, contentType, want))
}

func (s *stream) close() {
	if s.resp.Body != nil {
		_ = s.resp.Body.Close() // what is left is not wanted
	}
}

// request is that of the response, or an empty one.
func (s *stream) request() *http.Request {
	if s.resp.Request != nil {
		return s.resp.Request
	}
	return &http.Request{}
}

// failure reads what a stream says of its own end.
func (s *stream) failure(data []byte) *Error {
	secrets := secretsOf(s.request(), s.contract)
	body := secrets.bytes(data[:min(len(data), MaxBody)])
	header := secrets.headers(s.resp.Header)
	f, ok := s.contract.Decode(contract.Response{Header: header, Body: body}, contract.ServerTime(s.resp.Header, time.Now()))
	if !ok {
		f = contract.Failure{RequestID: f.RequestID, Message: string(body), Condition: Unknown}
	}
	settleAdvice(&f)
	secrets.failure(&f)
	e := s.error(secrets, f)
	e.Origin, e.Header, e.Body = FromServer, header, body
	return e
}

// broken is for a stream that ends without a word.
func (s *stream) broken(err error) *Error {
	secrets := secretsOf(s.request(), s.contract)
	advice := condition.Backoff
	if s.contract != nil {
		advice = s.contract.Client.Network
	}
	f := networkFailure(err, advice)
	if errors.Is(err, ErrEventTooLong) || errors.Is(err, ErrNoStream) {
		f.Condition, f.Retry = Unknown, condition.Never
	}
	f.RequestID = s.resp.Header.Get(requestIDHeader(s.contract))
	e := s.error(secrets, f)
	e.Origin, e.cause = FromClient, secrets.cleanError(err)
	return e
}

func (s *stream) error(secrets *secrets, f contract.Failure) *Error {
	e := &Error{Failure: f, Contract: s.contract, URL: secrets.address(s.request().URL)}
	if s.resp.Request != nil {
		e.Method = methodOf(s.resp.Request)
	}
	return e
}

func requestIDHeader(c *contract.Contract) string {
	if c != nil && c.Headers.RequestID.Name != "" {
		return c.Headers.RequestID.Name
	}
	return "X-Request-Id"
}

// mayBeLast reports whether a line is an error of the contract.
func (s *stream) mayBeLast(line []byte) bool {
	if s.contract == nil || !s.contract.Streams.NDJSON || line[0] != '{' {
		return false
	}
	f, ok := s.contract.Decode(contract.Response{Body: line}, time.Now())
	return ok && f.Code != nil && f.Envelope != ""
}

// event reads up to the end of the next event.
func (s *stream) event() (Event, error) {
	e := Event{Name: "message"}
	var data []byte
	some := false
	for {
		line, whole, err := s.lines.next(true)
		if err != nil {
			return Event{}, err
		}
		if !s.begun {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			s.begun = true
		}
		if len(line) == 0 && whole {
			if some {
				e.Data, e.ID = string(data), s.id
				return e, nil
			}
			e.Name = "message" // an event without data is none
			continue
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.Name = cmp.Or(value, "message")
		case "data":
			if some {
				data = append(data, '\n')
			}
			if data, some = append(data, value...), true; len(data) > MaxEvent {
				return Event{}, ErrEventTooLong
			}
		case "id":
			if !strings.Contains(value, "\x00") {
				s.id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				e.Retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// lineReader reads lines that end with LF, and where asked for with CR or both.
// It never waits for a byte after the line's end.
type lineReader struct {
	from io.Reader
	// buf[at:end] is read and not given out, buf[at:seen] holds no line end.
	buf           []byte
	at, end, seen int
	skipLF        bool
	err           error
}

// next returns a line without its end; whole says that it had one. A last line
// without an end comes with the error that ended it.
func (l *lineReader) next(cr bool) (line []byte, whole bool, err error) {
	ends := "\n"
	if cr {
		ends = "\r\n"
	}
	for {
		if l.skipLF && l.at < l.end {
			l.skipLF = false
			if l.buf[l.at] == '\n' {
				l.at++
				l.seen = l.at
			}
		}
		if i := bytes.IndexAny(l.buf[l.seen:l.end], ends); i >= 0 {
			line = l.buf[l.at : l.seen+i]
			l.skipLF = l.buf[l.seen+i] == '\r'
			l.at = l.seen + i + 1
			l.seen = l.at
			if len(line) > MaxEvent {
				return nil, true, ErrEventTooLong
			}
			return line, true, nil
		}
		l.seen = l.end
		if l.end-l.at > MaxEvent {
			return nil, false, ErrEventTooLong
		}
		if l.err != nil {
			line = l.buf[l.at:l.end]
			l.at = l.end
			return line, false, l.err
		}
		l.fill()
	}
}

func (l *lineReader) fill() {
	if l.at > 0 {
		copy(l.buf, l.buf[l.at:l.end])
		l.end -= l.at
		l.at, l.seen = 0, l.seen-l.at
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, max(len(l.buf), 4<<10))...)
	}
	n, err := l.from.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}
