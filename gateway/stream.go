package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/failwell/failwell/contract"
)

// watch makes sure that a stream of events or lines which breaks can be ended
// with an error: it passes on whole events only. Other bodies that break are
// cut off, so that nobody takes them for complete.
func (x *exchange) watch(resp *http.Response) {
	if resp.ContentLength >= 0 || resp.Header["Content-Encoding"] != nil {
		return // nothing can be added to these
	}
	contentType := resp.Header["Content-Type"]
	if len(contentType) == 0 {
		return
	}
	var find scan
	switch {
	case contract.IsEvents(contentType[0]):
		find = wholeEvents
	case x.proxy.contract.Streams.NDJSON && contract.IsLines(contentType[0]):
		find = wholeLines
	default:
		return
	}
	resp.Body = &streamBody{from: resp.Body, scan: find, exchange: x}
}

// longestHeld is how much of an unfinished event is held back; a longer one
// passes in parts, and then a break cuts the response off.
const longestHeld = 64 << 10

// scan looks for boundaries in p. begun says whether an event has begun before
// p. whole is how many bytes of p end with a boundary, scanned how many need not
// be looked at again, and unfinished whether an event has begun in them.
type scan func(p []byte, begun bool) (whole, scanned int, unfinished bool)

// streamBody passes on a stream up to the last boundary between events. When
// the upstream breaks off, what is left of an event is dropped, since clients
// would take it for a whole one once something follows.
type streamBody struct {
	from     io.ReadCloser
	exchange *exchange
	scan     scan
	// buf[:ready] may be passed on, buf[:seen] has been scanned.
	buf         []byte
	ready, seen int
	begun       bool
	// split says that a part of an unfinished event has been passed on.
	split bool
	err   error
}

// Close implements io.Closer.
func (b *streamBody) Close() error { return b.from.Close() } //nolint:wrapcheck // a body hands through what it got

// Read implements io.Reader.
func (b *streamBody) Read(p []byte) (int, error) {
	for b.ready == 0 && b.err == nil {
		b.fill()
	}
	if b.ready == 0 {
		return 0, b.err
	}
	n := copy(p, b.buf[:b.ready])
	b.buf = append(b.buf[:0], b.buf[n:]...)
	b.ready -= n
	b.seen -= n
	return n, nil
}

func (b *streamBody) fill() {
	if len(b.buf) == cap(b.buf) {
		b.buf = append(make([]byte, 0, max(2*cap(b.buf), 4<<10)), b.buf...)
	}
	n, err := b.from.Read(b.buf[len(b.buf):cap(b.buf)])
	b.buf = b.buf[:len(b.buf)+n]
	whole, scanned, unfinished := b.scan(b.buf[b.seen:], b.begun)
	if whole > 0 {
		b.ready, b.split = b.seen+whole, false
	}
	b.seen, b.begun = b.seen+scanned, unfinished
	if len(b.buf)-b.ready > longestHeld {
		// The last byte stays, so that the rest of its line is not taken for an
		// empty one.
		b.ready, b.split, b.begun = max(b.seen, len(b.buf)-1), true, true
		b.seen = b.ready
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ready, b.err = len(b.buf), io.EOF
	case b.split || b.exchange.left():
		b.ready, b.err = 0, err
	default: // what is not ready is dropped
		b.exchange.broken, b.err = err, io.EOF
	}
}

// wholeEvents finds the end of the last whole event (WHATWG HTML section
// 9.2.6): an empty line, or a comment line where no event has begun. Lines end
// with LF, CR or both.
func wholeEvents(p []byte, begun bool) (whole, scanned int, unfinished bool) {
	for {
		end := bytes.IndexAny(p[scanned:], "\r\n")
		if end < 0 {
			return whole, scanned, begun
		}
		next := scanned + end + 1
		if p[next-1] == '\r' {
			switch {
			case next < len(p) && p[next] == '\n':
				next++
			case next == len(p) && end > 0:
				return whole, scanned, begun // its LF may be under way
			}
		}
		switch {
		case end == 0:
			begun = false
		case p[scanned] != ':':
			begun = true
		}
		if scanned = next; !begun {
			whole = scanned
		}
	}
}

// wholeLines finds the end of the last whole line.
func wholeLines(p []byte, _ bool) (whole, scanned int, unfinished bool) {
	n := bytes.LastIndexByte(p, '\n') + 1
	return n, n, false
}
