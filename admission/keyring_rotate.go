package admission

import (
	"context"
	"fmt"
	"time"
)

// Rotated is what came of rotating a key.
type Rotated struct {
	// Secret of the new key, told this once.
	Secret string
	// Next takes the place of Old, which ends when the overlap is over.
	Next, Old Key
}

// Rotate makes a key like another one and lets that end after an overlap, in
// which both work: callers change over without a gap. An overlap of 0 ends the
// old key at once; a key that ends sooner anyway keeps its end. The new key
// lives as long as the old one was made to. ErrRevoked for a key that is ended
// already, ErrInvalid for one that has expired or is switched off.
//
// The new key is made first: where the rest fails both keys work, and rotating
// again is safe.
func (k *Keyring) Rotate(ctx context.Context, id string, overlap time.Duration) (Rotated, error) {
	if overlap < 0 {
		return Rotated{}, fmt.Errorf("%w: an overlap cannot be negative", ErrInvalid)
	}
	old, err := k.Get(ctx, id)
	if err != nil {
		return Rotated{}, err
	}
	now := k.c.now().UTC().Truncate(time.Millisecond)
	switch {
	case old.State == KeyRevoked:
		return Rotated{}, ErrRevoked
	case old.State != KeyActive:
		return Rotated{}, fmt.Errorf("%w: the key is %s; reactivate it before it is rotated", ErrInvalid, old.State)
	case !old.Expires.IsZero() && !now.Before(old.Expires):
		return Rotated{}, fmt.Errorf("%w: the key has expired; make a new one", ErrInvalid)
	}
	n := NewKey{Account: old.Account, Name: old.Name, Environment: old.Environment, Permissions: append([]string{}, old.Permissions...)}
	if !old.Expires.IsZero() {
		n.Expires = now.Add(old.Expires.Sub(old.Created))
	}
	secret, next, err := k.Create(ctx, n)
	if err != nil {
		return Rotated{}, err
	}
	end := now.Add(overlap)
	old, err = k.edit(ctx, id, func(key *Key) error {
		if key.Expires.IsZero() || end.Before(key.Expires) {
			key.Expires = end
		}
		return nil
	})
	if err != nil {
		return Rotated{}, fmt.Errorf("admission: key %s was made, but %s goes on: %w", next.ID, id, err)
	}
	return Rotated{Secret: secret, Next: next, Old: old}, nil
}
