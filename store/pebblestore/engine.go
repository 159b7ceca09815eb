package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

// begin starts a call; leave ends it if there was no error. Close waits for the
// calls between the two.
func (s *Store) begin(ctx context.Context, invalid error) error {
	s.calls.RLock()
	failed := s.failed.Load()
	switch {
	case ctx.Err() != nil:
		invalid = fmt.Errorf("store: not started: %w", ctx.Err())
	case s.closed:
		invalid = store.ErrClosed
	case invalid != nil:
	case failed != nil:
		invalid = *failed
	default:
		return nil
	}
	s.calls.RUnlock()
	return invalid
}

func (s *Store) leave() { s.calls.RUnlock() }

// Close implements store.Store. It writes out what is still in memory, so that
// the next start has no log to replay.
func (s *Store) Close() (err error) {
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.closing)
	s.hands.dismiss() // of them one may still have begun to fill
	s.filling.Wait()
	close(s.committer.wake)
	<-s.committer.ended
	s.spare.close()
	defer rescue(&err, func(cause error) error { return fmt.Errorf("close store: %w", cause) })
	if s.failed.Load() == nil {
		err = s.db.Flush()
	}
	if err := errors.Join(err, s.db.Close()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// fail makes an engine error the end of this store: what is on disk is sound,
// but only a new start can tell what has reached it.
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("%w: the disk failed, restart after repairing it: %w", store.ErrUnavailable, cause)
	s.failed.CompareAndSwap(nil, &err)
	return err
}

// header reads what a decision needs of a record. The caller holds the stripe.
func (s *Store) header(stripe *stripe, key string) (h header, err error) {
	if h, ok := s.known(stripe, key); ok {
		return h, nil
	}
	err = s.look(key, func(b []byte) (err error) {
		h, _, err = splitRecord(b)
		return err
	})
	return h, err
}

// look calls read with what the engine holds of a key, if it holds anything. It
// asks the filters of the last level too, which the engine's own Get does not,
// and in which most tables are: of 150,000 records, that one is not there is
// found in 4 µs instead of 23, without a read.
func (s *Store) look(key string, read func([]byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return readFailed(err)
	}
	full := recordKey(key)
	if it.SeekPrefixGE(full) && bytes.Equal(it.Key(), full) {
		var b []byte
		if b, err = it.ValueAndErr(); err == nil {
			err = read(b)
		}
	}
	if err := errors.Join(err, it.Close()); err != nil {
		return readFailed(err)
	}
	return nil
}

// commit writes a batch that was built with err, and waits for the disk if how
// says so. The caller holds the stripes of its keys.
func (s *Store) commit(b *pebble.Batch, err error, how *pebble.WriteOptions) error {
	s.writing.Add(1)
	defer s.writing.Add(-1)
	if err == nil {
		err = b.Commit(how)
	}
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		return s.fail(err)
	}
	return nil
}
