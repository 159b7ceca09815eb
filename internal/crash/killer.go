//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/failwell/failwell/internal/failpoint"
)

// calmBefore is how long nothing is killed at first: what is wrong then is
// wrong without a crash.
const calmBefore = time.Second

// killer decides what dies next, and has it die.
type killer struct {
	*campaign

	r *rand.Rand
	// points still to come before they come again.
	points []failpoint.Point
	done   int
}

// reachable is how long an armed point is waited for before its process is
// killed where it happens to be.
const reachable = 4 * time.Second

func (c *campaign) kill(ctx context.Context) error {
	k := &killer{campaign: c, r: rand.New(rand.NewPCG(c.seed, 1<<62))} //nolint:gosec // repeatable on purpose
	if err := rest(ctx, calmBefore); err != nil {
		return err
	}
	for k.done < c.kills {
		if err := k.round(ctx); err != nil {
			return err
		}
		if c.log != nil && k.done%100 == 0 {
			fmt.Fprintf(c.log, "%s: %d of %d kills\n", c.store, k.done, c.kills)
		}
	}
	return nil
}

// round kills once, and has all of it running again when it returns. Where a
// point is armed, the gateway that runs is killed first, wherever it is.
func (k *killer) round(ctx context.Context) error {
	k.done++
	chance := k.r.IntN(100)
	if k.sweep && len(k.reached) < len(failpoint.Points()) {
		chance = 99
	}
	gateway := k.gateways[k.r.IntN(len(k.gateways))]
	instant := time.Duration(k.r.IntN(300)) * time.Millisecond
	switch {
	case k.store == "memory", chance < 12:
		return k.killProcess(ctx, "upstream", k.upstream, instant)
	case k.keeper.remote() && chance < 26:
		return k.killServer(ctx, instant)
	case chance < 46:
		return k.killProcess(ctx, "gateway", gateway, instant)
	case chance < 50:
		return k.killStarting(ctx, gateway)
	case chance < 58:
		return k.stall(ctx, gateway)
	}
	return k.killAtPoint(ctx, gateway)
}

// down does work during which outcomes may be lost, and notes when that was.
func (k *killer) down(work func() error) error {
	from := time.Now()
	err := work()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.history.trouble = append(k.history.trouble, span{from, time.Now()})
	return err
}

// restart kills a program and starts it again.
func (k *killer) restart(ctx context.Context, p *process, env ...string) error {
	return k.down(func() error {
		if err := p.kill(); err != nil {
			return err
		}
		return p.start(ctx, env...)
	})
}

func (k *killer) killProcess(ctx context.Context, name string, p *process, after time.Duration) error {
	if err := rest(ctx, after); err != nil {
		return err
	}
	k.tally[name]++
	return k.restart(ctx, p)
}

// killServer kills the store; the gateways have to live through it.
func (k *killer) killServer(ctx context.Context, after time.Duration) error {
	if err := rest(ctx, after); err != nil {
		return err
	}
	k.tally["store"]++
	away := time.Duration(k.r.IntN(200)) * time.Millisecond
	return k.down(func() error {
		if err := k.keeper.kill(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if err := rest(ctx, away); err != nil {
			return err
		}
		if err := k.keeper.start(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return nil
	})
}

// killStarting kills a gateway on its way up, when it opens its store.
func (k *killer) killStarting(ctx context.Context, p *process) error {
	k.tally["gateway starting"]++
	early := time.Duration(5+k.r.IntN(60)) * time.Millisecond
	return k.down(func() error {
		if err := p.kill(); err != nil {
			return err
		}
		timer := time.AfterFunc(early, func() { _ = p.signal(syscall.SIGKILL) })
		err := p.start(ctx)
		if timer.Stop() && err == nil {
			return nil // it was quicker
		}
		if err := p.kill(); err != nil {
			return err
		}
		return p.start(ctx)
	})
}

func (k *killer) point() failpoint.Point {
	if len(k.points) == 0 {
		k.points = failpoint.Points()
		k.r.Shuffle(len(k.points), func(i, j int) { k.points[i], k.points[j] = k.points[j], k.points[i] })
	}
	p := k.points[0]
	k.points = k.points[1:]
	return p
}

// killAtPoint starts a gateway that kills itself at a point.
func (k *killer) killAtPoint(ctx context.Context, p *process) error {
	point := k.point()
	if err := k.restart(ctx, p, fmt.Sprintf("%s=%s:%d", failpoint.Variable, point, 1+k.r.IntN(3))); err != nil {
		return err
	}
	select {
	case <-p.gone():
		k.tally["gateway at a point"]++
		k.reached[point]++
	case <-time.After(reachable):
		k.tally["gateway"]++
		k.missed[point]++
		k.points = append(k.points, point) // once more, and soon
	case <-ctx.Done():
	}
	return k.restart(ctx, p)
}

// stalls are points at which a gateway that stands still will be taken for dead.
var stalls = []failpoint.Point{
	failpoint.Reserved, failpoint.Answered, failpoint.Completing, failpoint.Renewing, failpoint.Doubting, failpoint.Retaken,
}

// stall stops a gateway at a point until others must take it for dead, lets it
// go on, and kills it in the end.
func (k *killer) stall(ctx context.Context, p *process) error {
	point := pick(k.r, stalls...)
	hit, stands := 1+k.r.IntN(3), lease/2+time.Duration(k.r.Int64N(int64(lease*3/2)))
	lives := time.Duration(k.r.IntN(300)) * time.Millisecond
	return k.down(func() error {
		if err := k.restart(ctx, p, fmt.Sprintf("%s=%s:%d:stall", failpoint.Variable, point, hit)); err != nil {
			return err
		}
		select {
		case <-p.log.points:
			k.tally["gateway after a stall"]++
		case <-time.After(reachable):
			k.tally["gateway"]++
		case <-ctx.Done():
		}
		if err := rest(ctx, stands); err != nil {
			return err
		}
		if err := p.signal(syscall.SIGCONT); err != nil {
			return err
		}
		if err := rest(ctx, lives); err != nil {
			return err
		}
		return k.restart(ctx, p)
	})
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("crash: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}
