package aionvision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// keeps reports whether limits are kept here, and not by somebody in front.
func (h *api) keeps() bool { return h.Guard.Admission != nil }

// reserve counts the bytes of a video, once for its id: a session that a crash
// left half opened is told from one that was refused by asking again.
func (h *api) reserve(ctx context.Context, f *file) error {
	if !h.keeps() {
		return nil
	}
	return refused(h.Admission.ReserveStorage(ctx, f.Account, f.Size, f.ID))
}

// vacate gives back what a file that is gone took. Doing it again changes nothing.
func (h *api) vacate(ctx context.Context, f *file) error {
	if err := h.disclaim(ctx, f); err != nil {
		return err
	}
	if f.Kind == isVideo {
		if err := h.leave(ctx, f); err != nil {
			return err
		}
	}
	if !h.keeps() {
		return nil
	}
	return refused(h.Admission.ReleaseStorage(ctx, f.Account, f.Size, f.ID))
}

// purge ends the trace of a file that is gone.
func (h *api) purge(ctx context.Context, key string) error {
	f, version, err := h.files().Get(ctx, key)
	if errors.Is(err, store.ErrAbsent) || err == nil && f.State != isAborted && f.State != isDeleted {
		return nil
	}
	if err == nil {
		err = h.vacate(ctx, &f)
	}
	if err == nil {
		err = h.files().Delete(ctx, key, version)
	}
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("file %s: %w", key, err)
	}
	return nil
}

// expire ends the life of a session that was not completed.
func (h *api) expire(ctx context.Context, key string) error {
	f, version, err := h.files().Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("file %s: %w", key, err)
	case f.State == isStored, f.State == isDeleted:
		return nil
	case f.State == isOpening:
		if err := h.reserve(ctx, &f); errors.Is(err, condition.StorageExhausted) { // nothing was counted
			return h.unopen(ctx, &f, version)
		} else if err != nil {
			return err
		}
	}
	f, err = h.files().Change(ctx, key, func(f *file) error {
		if f.State == isOpening || f.State == isUploading {
			f.State, f.Video.Reason = isAborted, "expired"
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("file %s: %w", key, err)
	}
	return h.purge(ctx, f.key())
}

// unopen takes back a session that got no storage.
func (h *api) unopen(ctx context.Context, f *file, version store.Version) error {
	if err := h.leave(ctx, f); err != nil {
		return err
	}
	if err := h.files().Delete(ctx, f.key(), version); err != nil && !errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("file %s: %w", f.key(), err)
	}
	return nil
}

// sessions are the videos of an account that are on their way, and when their
// lives end. They stand in one record, so that they are counted exactly.
type sessions map[string]time.Time

func (h *api) open() stand.Collection[sessions] {
	return stand.Collection[sessions]{Store: h.Store, Prefix: h.Prefix() + "open/"}
}

func (h *api) enter(ctx context.Context, f *file, limit int) error {
	now := h.now()
	_, err := change(ctx, h.open(), realm(f.Account), 0, func(s *sessions) error {
		if *s == nil {
			*s = sessions{}
		}
		for id, until := range *s {
			if !until.After(now) {
				delete(*s, id)
			}
		}
		if limit > 0 && len(*s) >= limit {
			return failwell.FromCondition(condition.ConcurrencyExceeded, nil).With("limit", limit).With("used", len(*s))
		}
		(*s)[f.ID] = f.Video.Expires
		return nil
	})
	return err
}

func (h *api) leave(ctx context.Context, f *file) error {
	_, err := change(ctx, h.open(), realm(f.Account), 0, func(s *sessions) error {
		delete(*s, f.ID)
		return nil
	})
	return err
}
