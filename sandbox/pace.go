package sandbox

import (
	"io"
	"net/http"
	"time"
)

// bodyTimeout is how long a body may pause by default. It is shorter than
// clients wait, so that who stalls learns why.
const bodyTimeout = 10 * time.Second

// pacedBody ends the patience with a caller who stops sending: reading fails
// with os.ErrDeadlineExceeded, which the guard has a condition for.
type pacedBody struct {
	io.ReadCloser

	control *http.ResponseController
	pause   time.Duration
}

// pace returns the request with its body paced, in a copy: the server looks at
// its own body again when it answers, and has to know it.
func pace(w http.ResponseWriter, r *http.Request, pause time.Duration) *http.Request {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return r
	}
	paced := *r
	paced.Body = &pacedBody{r.Body, http.NewResponseController(w), pause}
	return &paced
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.pause)) // a recorder in a test has none
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		// From here on net/http watches the connection for the caller's leaving.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err //nolint:wrapcheck // a reader hands through what it gets
}
