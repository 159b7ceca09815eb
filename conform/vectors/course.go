package vectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// course is a case under way. Its clock moves only when nothing is left to happen
// at an instant, and one thing happens at a time: a call begins, goes on after a
// wait, or gets its response. So calls that overlap do so in the same way each time.
type course struct {
	c      *Case
	stage  *stage
	caller Caller

	now      time.Time
	due      []happening // by their time; those of one instant as they came
	moves    chan move
	waits    Waits
	outcomes []Outcome
}

// happening lets one thing happen.
type happening struct {
	at time.Time
	do func()
}

// move is what then comes of it: a call waits, or it has ended, or its response
// takes some time.
type move struct {
	call  int
	wait  *time.Duration
	takes time.Duration
	// resume ends the wait, or releases the response.
	resume  chan<- struct{}
	outcome Outcome
	err     error
}

func (p *course) run(ctx context.Context) error {
	if err := p.set(p.now); err != nil {
		return err
	}
	for n := range p.c.Calls {
		switch at := p.c.Calls[n].At; {
		case at != nil:
			p.schedule(p.c.Start.Add(time.Duration(*at)), p.begin(ctx, n))
		case n == 0:
			p.schedule(p.now, p.begin(ctx, n))
		}
	}
	for len(p.due) > 0 {
		next := p.due[0]
		p.due = p.due[1:]
		if next.at.After(p.now) {
			if err := p.set(next.at); err != nil {
				return err
			}
		}
		next.do()
		select {
		case m := <-p.moves:
			if err := p.take(ctx, m); err != nil {
				return err
			}
		case <-time.After(2 * tooLong):
			return errors.New("the client does nothing more")
		}
	}
	return nil
}

func (p *course) set(now time.Time) error {
	p.now = now
	p.stage.clock(now)
	return p.caller.Clock(now)
}

func (p *course) schedule(at time.Time, do func()) {
	i := slices.IndexFunc(p.due, func(h happening) bool { return h.at.After(at) })
	if i < 0 {
		i = len(p.due)
	}
	p.due = slices.Insert(p.due, i, happening{at, do})
}

func (p *course) begin(ctx context.Context, n int) func() {
	return func() {
		go func() {
			outcome, err := p.caller.Call(ctx, n)
			p.tell(ctx, move{call: n, outcome: outcome, err: err})
		}()
	}
}

func (p *course) take(ctx context.Context, m move) error {
	resume := func() { close(m.resume) }
	switch {
	case m.takes > 0:
		p.schedule(p.now.Add(m.takes), resume)
		return nil
	case m.wait == nil:
		if m.err != nil {
			return m.err
		}
		p.outcomes[m.call] = m.outcome
		if next := m.call + 1; next < len(p.c.Calls) && p.c.Calls[next].At == nil {
			p.schedule(p.now, p.begin(ctx, next))
		}
		return p.stage.next()
	}
	p.waits = append(p.waits, Millis(m.wait.Round(time.Millisecond)))
	if len(p.waits) > 1000 {
		return errors.New("a thousand waits are too many")
	}
	until := p.now.Add(*m.wait)
	if p.c.Calls[m.call].Cancel { // by then nobody waits any more
		until = p.now
	}
	p.schedule(until, resume)
	return p.stage.next()
}

// tell reports a move, unless the course has ended.
func (p *course) tell(ctx context.Context, m move) {
	select {
	case p.moves <- m:
	case <-ctx.Done():
	}
}

func (p *course) wait(ctx context.Context) func(int, time.Duration) error {
	return func(n int, d time.Duration) error {
		resume := make(chan struct{})
		p.tell(ctx, move{call: n, wait: &d, resume: resume})
		select {
		case <-resume:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("waiting: %w", ctx.Err())
		}
	}
}

func (p *course) hold(ctx context.Context) func(time.Duration, chan<- struct{}) {
	return func(takes time.Duration, release chan<- struct{}) {
		p.tell(ctx, move{takes: takes, resume: release})
	}
}
