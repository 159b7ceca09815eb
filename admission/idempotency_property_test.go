package admission

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// history is what became of one key in a run: what was done, and what callers
// were told for good.
type history struct {
	mu       sync.Mutex
	executed int
	final    string
	faults   []string
}

func (h *history) execute() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.executed++
}

func (h *history) told(answer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.final == "" {
		h.final = answer
	}
	if h.final != answer {
		h.faults = append(h.faults, fmt.Sprintf("told %q, then %q", h.final, answer))
	}
}

func (h *history) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

// TestNeverTwice lets callers of one key come to several processes at random
// instants, with processes that are killed or stall and writes that fail
// silently. Whatever happens: the work is done once at most, whoever was given
// an answer has been given the only one, and in the end nobody is blocked.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			d := newDesk(t, "wait: 2s", "wait: 2s, in_flight: "+[]string{"wait", "reject"}[seed%2])
			h := &history{}
			processes := make([]*Controller, 3)
			gates := make([]*gate, len(processes))
			for i := range processes {
				processes[i] = d.process(byte(i + 1))
				gates[i] = &gate{Store: d.store}
				processes[i].Store = gates[i]
			}
			var all sync.WaitGroup
			for i := range 12 {
				at, plan := random.IntN(len(processes)), random.IntN(8)
				start, work := time.Duration(random.IntN(20_000))*time.Millisecond, time.Duration(random.IntN(9_000))*time.Millisecond
				all.Go(func() {
					time.Sleep(start)
					d.live(h, processes[at], gates[at], plan, work, fmt.Sprint(i))
				})
			}
			all.Wait()
			for _, g := range gates { // the dead stay dead
				g.fail(errors.New("killed"))
			}
			time.Sleep(7 * time.Second)
			end := d.try(d.process(9), attempt{key: "k", body: "5", id: "end"})
			switch {
			case end.Reservation != nil:
				if h.executed > 0 || h.final != "" {
					h.fault("the key is free although the work was done")
				}
				done(t, end.Release(t.Context()))
			case end.v.Answer != nil:
				h.told(string(end.v.Answer.Body))
			case end.v.Condition != condition.IdempotencyOutcomeUnknown:
				h.fault("in the end: %s, %v", end.v.Condition, end.v.Cause)
			case h.final != "":
				h.fault("an answer that was given has been forgotten")
			}
			if h.executed > 1 || len(h.faults) > 0 {
				t.Errorf("seed %d: executed %d times: %q", seed, h.executed, h.faults)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// live is one caller; plan is what happens when it is the one who works.
func (d *desk) live(h *history, c *Controller, g *gate, plan int, work time.Duration, id string) {
	r := d.try(c, attempt{key: "k", body: "5", id: id})
	if r.v.Answer != nil {
		h.told(string(r.v.Answer.Body))
	}
	if r.Reservation == nil {
		return
	}
	if plan == 0 { // it could not be sent
		_ = r.Release(d.t.Context())
		return
	}
	h.execute()
	switch plan {
	case 1: // killed at work
		g.fail(errors.New("killed"))
		time.Sleep(work)
		return
	case 2: // stalls for longer than a lease
		g.fail(errors.New("stalled"))
		time.Sleep(work)
		g.fail(nil)
	case 3: // a write that happens, but seems not to
		time.Sleep(work)
		g.mu.Lock()
		g.mute = 1
		g.mu.Unlock()
	default:
		time.Sleep(work)
	}
	if plan == 4 {
		_ = r.Unknown(d.t.Context())
		return
	}
	if r.Complete(d.t.Context(), &Answer{Status: 200, Body: []byte("by " + id)}) == nil {
		h.told("by " + id)
	}
}

var _ store.Store = (*gate)(nil)
