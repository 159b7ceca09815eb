package admission

import "context"

// lookup is what a look at an idempotency key has found.
type lookup struct{}

// Answer is the kept answer of a call.
type Answer struct{}

// repeated looks at the call's idempotency key, and at what became of an
// earlier call with it.
func (d *deciding) repeated(context.Context) bool { return true }
