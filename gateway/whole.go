package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

const (
	// longestWhole is up to which length an answer is held back until it is whole.
	longestWhole = 32 << 10
	// surelySent is how much of a longer one is held back: net/http keeps 6 KiB
	// to itself, and an answer that breaks within them would vanish with its head.
	surelySent = 8 << 10
)

// hold reads the beginning of an answer before its head is passed on, so that
// one that breaks off is still an error of the contract. It waits for no more
// than net/http would hold back anyway, or the whole of a short answer whose
// length is known.
func (x *exchange) hold(resp *http.Response) error {
	if resp.Body == http.NoBody || x.r.Method == http.MethodHead {
		return nil
	}
	x.rest = restBody{from: resp.Body, exchange: x}
	from := resp.Body
	resp.Body = &x.rest
	length := resp.ContentLength
	if length <= 0 || eventStream(resp) {
		return nil // what has no length is passed on as it comes
	}
	room := int(min(length, longestWhole))
	if cap(x.held) < room {
		x.held = make([]byte, max(room, 4<<10))
	}
	least := room
	if length > longestWhole {
		least = surelySent
	}
	n, err := io.ReadAtLeast(from, x.held[:room], least)
	if err != nil {
		return failwell.FromCondition(condition.UpstreamUnreachable, err)
	}
	x.rest.head = x.held[:n]
	return nil
}

func eventStream(resp *http.Response) bool {
	contentType := resp.Header["Content-Type"]
	return len(contentType) > 0 && len(contentType[0]) >= len(mediaEvents) && strings.EqualFold(contentType[0][:len(mediaEvents)], mediaEvents)
}

const mediaEvents = "text/event-stream"

// restBody is an answer's body of which the head has been read. It remembers
// why it broke off.
type restBody struct {
	head     []byte
	from     io.ReadCloser
	exchange *exchange
}

// Read implements io.Reader.
func (b *restBody) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	n, err := b.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.exchange.cut = err
	}
	return n, err //nolint:wrapcheck // a body hands through what it got
}

// Close implements io.Closer.
func (b *restBody) Close() error { return b.from.Close() } //nolint:wrapcheck // as above

// tell logs an answer that was cut off because the upstream broke off.
func (x *exchange) tell() {
	if x.cut == nil || x.r.Context().Err() != nil {
		return
	}
	ctx := x.r.Context()
	x.proxy.logger.LogAttrs(ctx, slog.LevelWarn, "the upstream broke off its answer, and so the caller's is cut off",
		slog.String("request_id", failwell.RequestID(ctx)), slog.String("method", x.r.Method), slog.String("upstream", x.to.name), slog.Any("cause", x.cut))
}
