package failwell

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// storedBody counts a body whose length was not announced, since that is what the
// account's storage is charged, and ends it where there is no more room.
type storedBody struct {
	io.ReadCloser

	n    atomic.Int64 // what was read; the handler may answer while somebody still reads
	full error
}

// measure looks after a body that is to be stored and that may be of any length.
func (x *exchange) measure(r *http.Request) {
	if x.operation == nil || !x.operation.Stores || x.call.Size >= 0 || r.Body == nil || !x.verdict.Admitted {
		return
	}
	x.stored = &storedBody{ReadCloser: r.Body}
	if full := x.verdict.Full; full != nil {
		e := FromCondition(full.Condition, nil)
		e.Params = full.Facts
		x.stored.ReadCloser, x.stored.full = http.MaxBytesReader(x.w, r.Body, x.verdict.Room), e
	}
	r.Body = x.stored
}

// Read implements io.Reader.
func (b *storedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if _, over := errors.AsType[*http.MaxBytesError](err); over && b.full != nil {
		err = b.full
	}
	return n, err
}
