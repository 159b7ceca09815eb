package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// sentBody is a caller's body on its way to an upstream. It remembers whether
// any of it may have been sent and whose fault it was when reading failed.
type sentBody struct {
	from io.Reader
	read atomic.Bool
	bad  atomic.Pointer[error]
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	n, err := b.from.Read(p)
	if err != nil && err != io.EOF {
		b.bad.CompareAndSwap(nil, &err)
	}
	return n, err //nolint:wrapcheck // a reader hands through what it got
}

// Close does nothing: the server owns the body, and a next upstream may need it.
func (*sentBody) Close() error { return nil }

// inMemory is a body that is all there.
type inMemory interface {
	io.Seeker
	Len() int
}

// gathered is a short body that was read before the upstream is asked. It keeps a
// slow caller from occupying a connection to the upstream, and direct can send it.
type gathered struct {
	*bytes.Reader
	io.Closer
}

// gather reads a body that is announced to be short, unless its caller waits to be
// asked for it.
func gather(r *http.Request) error {
	if r.ContentLength <= 0 || r.ContentLength > maxInHand || r.Header["Expect"] != nil {
		return nil
	}
	if _, ok := r.Body.(inMemory); ok {
		return nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return err //nolint:wrapcheck // bodyError tells it
	}
	r.Body = gathered{bytes.NewReader(data), r.Body}
	return nil
}

// inHand reports whether the whole body is in memory, as one is that the guard has
// read, and how long it is.
func (b *sentBody) inHand() (int64, bool) {
	m, ok := b.from.(inMemory)
	if !ok {
		return 0, b.from == emptyBody{}
	}
	return int64(m.Len()), true
}

// rewind takes back that a body in hand was read, after nothing of it was sent.
func (b *sentBody) rewind() bool {
	if b == nil {
		return true
	}
	if s, ok := b.from.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err != nil {
			return false
		}
	}
	b.read.Store(false)
	return true
}

func (b *sentBody) touched() bool { return b != nil && b.read.Load() }

func (b *sentBody) failure() error {
	if b == nil {
		return nil
	}
	if bad := b.bad.Load(); bad != nil {
		return *bad
	}
	return nil
}

// emptyBody is a body of no bytes that net/http does not recognise as none.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// bufferPool lends the buffers through which bodies are copied.
type bufferPool struct{ pool sync.Pool }

const copyBuffer = 32 << 10

func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[copyBuffer]byte); ok {
		return buf[:]
	}
	return make([]byte, copyBuffer)
}

func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[copyBuffer]byte)(buf)) }

// bodyError tells what was wrong with the caller's body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if _, told := errors.AsType[*failwell.Error](err); told || errors.As(err, &tooLarge) || isTimeout(err) {
		return err // the guard knows these
	}
	return failwell.FromCondition(condition.RequestMalformed, err)
}
