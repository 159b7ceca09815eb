package admission

import "context"

// repeated looks at the call's idempotency key, and at what became of an
// earlier call with it.
func (d *deciding) repeated(context.Context) bool { return true }
