package pgstore

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// cleanBatch bounds what one statement removes, and so how long it holds locks:
	// about 2 ms. Each record takes a place in the server's table of locks, which
	// has 6,400 as the server comes.
	cleanBatch = 100
	// cleanPatience bounds one statement; a server that is so slow has other work.
	cleanPatience = 10 * time.Second
)

// cleanUntilClosed removes what has expired, batch by batch. All processes do,
// and none waits for another.
func (s *Store) cleanUntilClosed() {
	healthy := true
	for {
		// Processes that started together do not ask together for ever.
		pause := time.NewTimer(s.opts.CleanEvery/2 + rand.N(s.opts.CleanEvery)) //nolint:gosec // no secret
		select {
		case <-s.ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		err := s.clean(s.ctx)
		if err != nil && healthy && s.ctx.Err() == nil {
			s.opts.Logger.Warn("expired records are not removed", "error", err)
		}
		healthy = err == nil
	}
}

// clean removes all that has expired by now.
func (s *Store) clean(ctx context.Context) error {
	for {
		n, err := s.cleanSome(ctx)
		// A short batch is the end, or leaves only what somebody else is at.
		if err != nil || n < cleanBatch {
			return err
		}
	}
}

func (s *Store) cleanSome(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, cleanPatience)
	defer cancel()
	if err := s.ask(ctx, once, s.sql.clean, s.at(cleanBatch), &n); err != nil {
		return 0, s.failed(ctx, err)
	}
	return n, nil
}
