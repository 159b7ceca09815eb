package redisstore

import (
	"context"

	"github.com/failwell/failwell/store"
)

// Check implements store.Checker.
func (s *Store) Check(ctx context.Context) ([]store.Promise, error) { return nil, ctx.Err() }
