package stand_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

func began() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

func newDue(s store.Store, c *stand.Clock) *stand.Due {
	return &stand.Due{Store: s, Clock: c, Prefix: "due/", Logger: slog.New(slog.DiscardHandler)}
}

type tasks = map[string]func(context.Context, string) error

// What is due is done in the order of its instants, also what comes up meanwhile,
// and what is not due is left.
func TestDueOrder(t *testing.T) {
	t.Parallel()
	clock := &stand.Clock{Base: began}
	d := newDue(&store.Memory{Clock: clock.Now}, clock)
	var did []string
	ctx, cancel := context.WithCancel(t.Context())
	for _, x := range []struct {
		after time.Duration
		id    string
	}{{3 * time.Second, "c"}, {time.Second, "a/with/slashes"}, {time.Hour, "later"}, {time.Second, "b"}} {
		if err := d.At(ctx, began().Add(x.after), "work", x.id); err != nil {
			t.Fatal(err)
		}
	}
	if next, ok, err := d.Next(ctx); err != nil || !ok || !next.Equal(began().Add(time.Second)) {
		t.Errorf("next is %v, %v, %v", next, ok, err)
	}
	cancel() // Start only learns the tasks: Run is called by hand
	<-d.Start(ctx, tasks{"work": func(ctx context.Context, id string) error {
		did = append(did, id)
		if id == "b" {
			return d.At(ctx, clock.Now(), "work", "by b")
		}
		return nil
	}})
	ctx = t.Context()
	if wait, err := d.Run(ctx); err != nil || wait != time.Second || len(did) != 0 {
		t.Errorf("before: %v, %v, did %v", wait, err, did)
	}
	clock.Advance(5 * time.Second)
	wait, err := d.Run(ctx)
	if want := []string{"a/with/slashes", "b", "c", "by b"}; err != nil || wait != time.Minute || !slices.Equal(did, want) {
		t.Errorf("%v, %v, did %v, want %v", wait, err, did, want)
	}
	if n, err := d.Pending(ctx, "work"); err != nil || n != 1 {
		t.Errorf("%d left, %v", n, err)
	}
}

// A task that fails or panics stays and holds up nobody; one of a kind that
// nobody knows, or whose record cannot be read, is given up.
func TestDueFailures(t *testing.T) {
	t.Parallel()
	clock := &stand.Clock{Base: began}
	memory := &store.Memory{Clock: clock.Now}
	d := newDue(memory, clock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fails, did := true, []string{}
	damaged := stand.Collection[int]{Store: memory, Prefix: "numbers/"}
	if _, err := memory.Swap(t.Context(), "numbers/1", 0, []byte("\x00"), 0); err != nil {
		t.Fatal(err)
	}
	<-d.Start(ctx, tasks{
		"fail": func(context.Context, string) error {
			if fails {
				return errors.New("not today")
			}
			did = append(did, "fail")
			return nil
		},
		"panic": func(context.Context, string) error {
			if fails {
				panic("oh")
			}
			did = append(did, "panic")
			return nil
		},
		"read": func(ctx context.Context, id string) error {
			_, _, err := damaged.Get(ctx, id)
			return err
		},
		"work": func(context.Context, string) error { did = append(did, "work"); return nil },
	})
	ctx = t.Context()
	for i, kind := range []string{"fail", "panic", "unknown", "read", "work"} {
		if err := d.At(ctx, began().Add(time.Duration(i)), kind, "1"); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(time.Second)
	wait, err := d.Run(ctx)
	if wait != time.Second || err == nil || !strings.Contains(err.Error(), "fail 1: not today") || !strings.Contains(err.Error(), "panic 1: panic: oh") || !slices.Equal(did, []string{"work"}) {
		t.Errorf("%v, %v, did %v", wait, err, did)
	}
	fails = false
	if _, err := d.Run(ctx); err != nil || !slices.Equal(did, []string{"work", "fail", "panic"}) {
		t.Errorf("%v, did %v", err, did)
	}
	if n, err := d.Pending(ctx, "fail", "panic", "unknown", "read", "work"); n != 0 || err != nil {
		t.Errorf("%d left, %v", n, err)
	}
}

// What is set for later wakes the loop, and so does the clock; after a restart
// another loop goes on.
func TestDueLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &stand.Clock{}
		memory := &store.Memory{Clock: clock.Now}
		defer memory.Close()
		done := make(chan string, 10)
		work := tasks{"work": func(_ context.Context, id string) error { done <- id; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		d := newDue(memory, clock)
		over := d.Start(ctx, work)
		at := func(after time.Duration, id string) {
			t.Helper()
			if err := d.At(t.Context(), clock.Now().Add(after), "work", id); err != nil {
				t.Fatal(err)
			}
		}
		at(3*time.Second, "by time")
		before := time.Now()
		if got := <-done; got != "by time" || time.Since(before) != 3*time.Second {
			t.Errorf("%s after %v", got, time.Since(before))
		}
		at(24*time.Hour, "by the clock")
		synctest.Wait()
		before = time.Now()
		clock.Advance(24 * time.Hour)
		if got := <-done; got != "by the clock" || time.Since(before) != 0 {
			t.Errorf("%s after %v", got, time.Since(before))
		}
		at(time.Minute, "after a restart")
		cancel()
		<-over
		time.Sleep(time.Hour) // of the bubble: nothing may happen meanwhile
		ctx, cancel = context.WithCancel(t.Context())
		over = newDue(memory, clock).Start(ctx, work)
		if got := <-done; got != "after a restart" {
			t.Errorf("%s", got)
		}
		cancel()
		<-over
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	c := &stand.Clock{Base: began}
	moved := c.Moved()
	c.Advance(-time.Hour)
	if !c.Now().Equal(began()) {
		t.Errorf("it went back to %v", c.Now())
	}
	<-moved
	select {
	case <-c.Moved():
		t.Error("it has not been set since")
	default:
	}
	c.Advance(time.Minute)
	if c.Ahead() != time.Minute || !c.Now().Equal(began().Add(time.Minute)) {
		t.Errorf("%v ahead, now %v", c.Ahead(), c.Now())
	}
}
