package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// A connection on which nothing comes is asked after probeEvery and given up
	// silenceMax later: so long may a busy disk or a fork stop a server.
	probeEvery = time.Second
	silenceMax = 3 * time.Second
	dialMax    = 2 * time.Second
	// wary is for how long calls are watched after one has failed: until all that
	// was given up has left the queues of the connections.
	wary = probeEvery + silenceMax + dialMax
	// queueScale is the exponent of how many calls a connection's queue takes. When
	// half as many are under way they are watched.
	queueScale = 12
	// watchedMax is how many calls may wait for a server that does not answer.
	watchedMax = 8192
)

// link is the way to the server. It adds to the client that a call ends when
// its context does, always: the client's queue can be full and its dialling
// somebody else's, and in neither does it look at the context. Calls that come
// while something is wrong, or while there are very many, are therefore watched:
// made by a goroutine that can be left behind.
type link struct {
	client  rueidis.Client
	hosts   string // for messages
	timeout time.Duration
	start   time.Time
	crowd   int64 // how many calls may be under way unwatched

	underway atomic.Int64
	watched  atomic.Int64
	warned   atomic.Int64 // until when calls are watched, in time since start; 0 is never
	closing  atomic.Bool
}

// errCrowded is the answer while the server has not answered so many others.
var errCrowded = errors.New("it does not answer, and as many calls as may wait for it do")

func (l *link) close() {
	l.closing.Store(true)
	l.client.Close()
}

// read sends a command that changes nothing. Where the connection has ended, as
// after a restart of the server, it is sent again: it may have been on its way.
func (l *link) read(ctx context.Context, build func(rueidis.Builder) rueidis.Completed) rueidis.RedisResult {
	r := l.do(ctx, build(l.client.B()))
	if err := r.NonRedisError(); err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errCrowded) {
		r = l.do(ctx, build(l.client.B()))
	}
	return r
}

func (l *link) do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	return guarded(ctx, l, func(ctx context.Context) (rueidis.RedisResult, error) {
		r := l.client.Do(ctx, cmd)
		return r, r.NonRedisError()
	}, rueidis.NewErrorResult)
}

// readAll sends commands that change nothing together.
func (l *link) readAll(ctx context.Context, build func(rueidis.Builder) []rueidis.Completed) []rueidis.RedisResult {
	send := func() []rueidis.RedisResult {
		commands := build(l.client.B())
		return l.all(ctx, len(commands), func(ctx context.Context) []rueidis.RedisResult { return l.client.DoMulti(ctx, commands...) })
	}
	r := send()
	if firstFailure(r) != nil && ctx.Err() == nil {
		r = send()
	}
	return r
}

// evalAll runs a script many times. The server is told its text every time.
func (l *link) evalAll(ctx context.Context, script *rueidis.Lua, calls []rueidis.LuaExec) []rueidis.RedisResult {
	if len(calls) == 0 {
		return nil
	}
	return l.all(ctx, len(calls), func(ctx context.Context) []rueidis.RedisResult { return script.ExecMulti(ctx, l.client, calls...) })
}

func (l *link) all(ctx context.Context, n int, call func(context.Context) []rueidis.RedisResult) []rueidis.RedisResult {
	return guarded(ctx, l, func(ctx context.Context) ([]rueidis.RedisResult, error) {
		r := call(ctx)
		return r, firstFailure(r)
	}, func(err error) []rueidis.RedisResult {
		results := make([]rueidis.RedisResult, n)
		for i := range results {
			results[i] = rueidis.NewErrorResult(err)
		}
		return results
	})
}

func firstFailure(results []rueidis.RedisResult) error {
	for _, r := range results {
		if err := r.NonRedisError(); err != nil {
			return err
		}
	}
	return nil
}

// eval runs a script by its digest, and by its text where the server does not
// know it: after a restart, a failover or a flush of its scripts.
func (l *link) eval(ctx context.Context, script *rueidis.Lua, keys, args []string) rueidis.RedisResult {
	if l.underway.Load() < l.crowd && !l.wary() { // as guarded does, without what closures cost
		l.underway.Add(1)
		r := script.Exec(ctx, l.client, keys, args)
		l.note(r.NonRedisError())
		l.underway.Add(-1)
		return r
	}
	return guarded(ctx, l, func(ctx context.Context) (rueidis.RedisResult, error) {
		r := script.Exec(ctx, l.client, keys, args)
		return r, r.NonRedisError()
	}, rueidis.NewErrorResult)
}

// guarded makes a call. Its error is about the way, not what the server said.
// Where all is well there is no need to bound the call: it ends with its
// connection at the latest, which does not stay silent.
func guarded[T any](ctx context.Context, l *link, call func(context.Context) (T, error), failed func(error) T) T {
	defer l.underway.Add(-1)
	if l.underway.Add(1) > l.crowd || l.wary() {
		return watched(ctx, l, call, failed)
	}
	r, err := call(ctx)
	l.note(err)
	return r
}

func watched[T any](ctx context.Context, l *link, call func(context.Context) (T, error), failed func(error) T) T {
	if l.watched.Add(1) > watchedMax {
		l.watched.Add(-1)
		return failed(errCrowded)
	}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, l.timeout)
		defer cancel()
		ctx = bounded
	}
	done := make(chan T, 1)
	go func() {
		defer l.watched.Add(-1)
		r, err := call(ctx)
		l.note(err)
		done <- r
	}()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		l.note(ctx.Err())
		return failed(ctx.Err())
	}
}

// note remembers that something is wrong.
func (l *link) note(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		l.warned.Store(int64(time.Since(l.start) + wary))
	}
}

func (l *link) wary() bool {
	until := l.warned.Load()
	if until == 0 {
		return false
	}
	if int64(time.Since(l.start)) < until {
		return true
	}
	l.warned.CompareAndSwap(until, 0)
	return false
}
