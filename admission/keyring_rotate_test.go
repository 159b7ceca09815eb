package admission

import (
	"errors"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// TestRotate: both keys work while they overlap, afterwards only the new one.
func TestRotate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	secret, key := s.create(NewKey{Name: "CI", Permissions: []string{"read"}})
	done := must[Rotated](t)(keys.Rotate(ctx, key.ID, time.Hour))
	if done.Next.ID == key.ID || done.Next.Account != "acct" || done.Next.Name != "CI" || len(done.Next.Permissions) != 1 || !done.Next.Expires.IsZero() {
		t.Errorf("the new key: %+v", done.Next)
	}
	if want := s.clock.Now().UTC().Add(time.Hour); !done.Old.Expires.Equal(want) {
		t.Errorf("the old key ends at %v, want %v", done.Old.Expires, want)
	}
	both := func(when string, old condition.Condition) {
		t.Helper()
		if v := s.call(secret, "GET /items"); v.Condition != old {
			t.Errorf("%s the old key gets %q, want %q", when, v.Condition, old)
		}
		if v := s.call(done.Secret, "GET /items"); v.Condition != "" {
			t.Errorf("%s the new key gets %q", when, v.Condition)
		}
	}
	s.clock.Advance(time.Hour - time.Second)
	both("within the overlap", "")
	s.clock.Advance(time.Second)
	both("after it", condition.KeyExpired)

	if _, err := keys.Rotate(ctx, key.ID, time.Hour); !errors.Is(err, ErrInvalid) {
		t.Errorf("rotating an expired key: %v", err)
	}
	must[Key](t)(keys.Revoke(ctx, done.Next.ID))
	if _, err := keys.Rotate(ctx, done.Next.ID, 0); !errors.Is(err, ErrRevoked) {
		t.Errorf("rotating a revoked key: %v", err)
	}
	if _, err := keys.Rotate(ctx, "key_nobody", 0); !errors.Is(err, ErrNoKey) {
		t.Errorf("rotating a key that is not there: %v", err)
	}
}

// TestRotateKeepsLifetimes: a key that was to live a day is followed by one that
// is to live a day, and never lives longer for being rotated.
func TestRotateKeepsLifetimes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	began := s.clock.Now()
	_, key := s.create(NewKey{Expires: began.Add(24 * time.Hour)})
	s.clock.Advance(23 * time.Hour)
	done := must[Rotated](t)(s.Keys().Rotate(t.Context(), key.ID, 48*time.Hour))
	if !done.Old.Expires.Equal(began.Add(24 * time.Hour)) {
		t.Errorf("the old key ends at %v", done.Old.Expires)
	}
	if want := s.clock.Now().Add(24 * time.Hour); !done.Next.Expires.Equal(want) {
		t.Errorf("the new key ends at %v, want %v", done.Next.Expires, want)
	}
	now := must[Rotated](t)(s.Keys().Rotate(t.Context(), done.Next.ID, 0))
	if !now.Old.Expires.Equal(s.clock.Now().UTC()) {
		t.Errorf("without an overlap the old key ends at %v", now.Old.Expires)
	}
}
