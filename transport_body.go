package failwell

import (
	"io"
	"net/http"
	"slices"
)

// MaxBody is how many bytes of a failure's body are looked at and kept.
const MaxBody = 64 << 10

// replayed is a body whose beginning has been read.
type replayed struct {
	body   io.ReadCloser
	prefix []byte
	read   int
	err    error // that ended it
}

// peek reads the beginning of a body and puts it back, together with what is left.
func (r *replayed) peek(resp *http.Response) []byte {
	if resp.Body == nil || resp.Body == http.NoBody {
		return nil
	}
	size := int64(512)
	if n := resp.ContentLength; n >= 0 {
		size = min(n, MaxBody)
	}
	*r = replayed{body: resp.Body, prefix: make([]byte, 0, size+1)} // one more, to see the end
	for len(r.prefix) < MaxBody && r.err == nil {
		if len(r.prefix) == cap(r.prefix) {
			r.prefix = slices.Grow(r.prefix, len(r.prefix))
		}
		var n int
		n, r.err = r.body.Read(r.prefix[len(r.prefix):min(cap(r.prefix), MaxBody)])
		r.prefix = r.prefix[:len(r.prefix)+n]
	}
	resp.Body = r
	return r.prefix
}

func (r *replayed) Read(p []byte) (int, error) {
	if r.read < len(r.prefix) {
		n := copy(p, r.prefix[r.read:])
		r.read += n
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.body.Read(p) //nolint:wrapcheck // transparent
}

func (r *replayed) Close() error { return r.body.Close() } //nolint:wrapcheck // transparent

// discard frees the connection of a response whose body was peeked at: up to
// MaxBody bytes were read, so that short ones leave it reusable.
func discard(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close() // nothing of it is wanted
	}
}
