package admission

import "context"

// Ending is how an admitted call ended, for its limits.
type Ending uint8

// The endings.
const (
	// Done: the work was done, or may have been. What was taken stays taken.
	Done Ending = iota
	// Failed: it failed on our side. Quotas, balances and storage are given back.
	Failed
	// Unsent: it was not even begun. Rates are given back as well.
	Unsent
	// Left: another call with the same idempotency key does the work.
	Left
	// Unknown: nobody knows. What was taken stays taken, under the call's name.
	Unknown
)

// Settle ends an admitted call: it frees what the call held and settles what it
// took. It must be called once for each admitted call. It does not wait longer
// than StoreTimeout for the store; what it could not settle ends with its lease.
func (c *Controller) Settle(context.Context, *Call, *Verdict, Ending) {}
