package redisstore

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

// Restore implements store.Restorer with one script a record, all on their way
// together.
func (s *Store) Restore(ctx context.Context, records []store.Record) (written int, err error) {
	if err := s.begin(ctx, store.CheckRestore(records)); err != nil {
		return 0, err
	}
	defer s.leave()
	calls := make([]rueidis.LuaExec, len(records))
	for i := range records {
		r, life := &records[i], "0"
		if !r.Expires.IsZero() {
			life = "@" + decimal(r.Expires.UnixMilli())
		}
		calls[i].Keys, calls[i].Args = s.swapping(r.Key, 0, r.Value, life)
	}
	for i, answer := range s.link.evalAll(ctx, swapScript, calls) {
		n, failed := answer.AsInt64()
		switch {
		case err != nil: // the first one tells
		case failed != nil:
			err = s.link.failed(failed)
		case n == answerForeign:
			err = s.link.foreign(calls[i].Keys[0])
		case n != answerConflict:
			written++
		}
	}
	return written, err
}
