package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell/record"
)

const (
	// busyWait is what a page is told that cannot be fed.
	busyWait = 15 * time.Second
	// beat is how often a stream shows that it lives, and that its token does.
	beat = 15 * time.Second
	// tick is how long rows are gathered; eyes are no faster.
	tick = 250 * time.Millisecond
	// mostRows is how many rows one tick shows, the latest ones.
	mostRows = 25
)

// fed is what one tick brings.
type fed struct {
	events []record.Event
	missed int // that are not shown
	last   string
}

// feed writes rows as server-sent events until the page goes away. Many at once
// become few: a page that is flooded shows the latest, and says how many it did
// not.
func (c *Console) feed(v *view, q record.Query, after string) error {
	ctx, stop := context.WithCancel(v.r.Context())
	defer stop()
	events, ended := c.follow(ctx, q, after)
	// Whether there is room is known at once, and told with a status.
	select {
	case err := <-ended:
		return c.cannotFeed(v.w, err)
	case <-time.After(grace):
	}
	out := http.NewResponseController(v.w)
	// The listener's deadlines are for pages, not for streams.
	_, _ = out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Time{})
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // nginx would gather it
	v.w.WriteHeader(http.StatusOK)
	if _, err := fmt.Fprint(v.w, "retry: 2000\n\n"); err != nil {
		return nil // the page has gone
	}
	c.pass(ctx, v, out, events)
	return nil
}

// follow hands records over as they end; the error is why there are no more.
func (c *Console) follow(ctx context.Context, q record.Query, after string) (<-chan record.Event, <-chan error) {
	events := make(chan record.Event, 1)
	ended := make(chan error, 1)
	go func() {
		defer close(events)
		for e, err := range c.Records.Follow(ctx, q, after) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, ended
}

// pass writes events until they end, the page goes away or its session does.
func (c *Console) pass(ctx context.Context, v *view, out *http.ResponseController, events <-chan record.Event) {
	pulse, gather := time.NewTicker(beat), time.NewTicker(tick)
	defer pulse.Stop()
	defer gather.Stop()
	var batch fed
	for {
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case e, open := <-events:
			if !open {
				return
			}
			batch.add(e)
			continue
		case <-gather.C:
			if batch.last == "" {
				continue
			}
			if err := c.write(v.w, &batch); err != nil {
				return
			}
			batch = fed{}
		case <-pulse.C:
			if _, err := c.who(v.r, v.token); err != nil {
				return // the page asks again, and is told
			}
			if _, err := fmt.Fprint(v.w, ": still here\n\n"); err != nil {
				return
			}
		}
	}
}

// grace is how long a follower may take to be refused.
const grace = 20 * time.Millisecond

func (c *Console) cannotFeed(w http.ResponseWriter, err error) error {
	switch {
	case errors.Is(err, record.ErrBusy):
		c.fail(w, http.StatusServiceUnavailable, "overloaded", busyWait)
	case errors.Is(err, record.ErrCursor):
		c.fail(w, http.StatusBadRequest, "parameter_invalid", 0)
	default:
		return err
	}
	return nil
}

func (b *fed) add(e record.Event) {
	b.missed += e.Missed
	b.last = e.Cursor
	if len(b.events) == mostRows {
		b.events = append(b.events[:0], b.events[1:]...)
		b.missed++
	}
	b.events = append(b.events, e)
}

// write sends the rows of a batch, the latest first, as one event.
func (c *Console) write(w http.ResponseWriter, b *fed) error {
	var html bytes.Buffer
	for i := len(b.events) - 1; i >= 0; i-- {
		if err := c.pages["requests"].ExecuteTemplate(&html, "row", &b.events[i].Record); err != nil {
			return fmt.Errorf("row: %w", err)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "id: %s\n", b.last)
	if b.missed > 0 {
		fmt.Fprintf(&out, "event: missed\ndata: %d\n\nid: %s\n", b.missed, b.last)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(html.String()), "\n") {
		fmt.Fprintf(&out, "data: %s\n", line)
	}
	out.WriteString("\n")
	_, err := w.Write([]byte(out.String()))
	return err //nolint:wrapcheck // feed only wants to know that there is one
}
