// Package failpoint marks the instants at which a crash would hurt most: the
// edges of the idempotency state table of docs/design.md, and of the charges
// that go with it. Without the build tag failpoints [Hit] is empty and
// inlined, so a marked place costs nothing; with it, one point of a process
// can be armed from outside:
//
//	FAILWELL_FAILPOINT=reserved          kill -9 at the first hit
//	FAILWELL_FAILPOINT=reserved:3        at the third
//	FAILWELL_FAILPOINT=reserved:3:stall  stop the whole process there (SIGSTOP)
//	                                     until somebody sends SIGCONT
//
// A process that was killed or stopped by a point says so on stderr first, in
// one line that starts with "failpoint: " and the point's name. The crash campaign
// in internal/crash arms them one after the other.
package failpoint

// Point is a place in the code. Each constant is hit in at least one place,
// and the campaign proves that it is reached.
type Point string

// Points of a keyed call, in the order in which one passes them.
const (
	// Charged: the limits have taken what the call costs, under its hold; its key
	// has not been looked up or not been written yet.
	Charged Point = "charged"
	// Reserving: the key is about to be written as in flight.
	Reserving Point = "reserving"
	// Reserved: the key is durably in flight; nothing has been sent upstream.
	Reserved Point = "reserved"
	// Answered: the upstream's answer has begun to arrive; the record is in flight.
	Answered Point = "answered"
	// Renewing and Renewed stand around the renewal of a lease.
	Renewing Point = "renewing"
	Renewed  Point = "renewed"
	// Completing: the whole answer is known and about to be recorded.
	Completing Point = "completing"
	// Completed: the answer is durable; its last byte has not gone to the caller.
	Completed Point = "completed"
	// Burying and Buried stand around the write of a tombstone.
	Burying Point = "burying"
	Buried  Point = "buried"
	// Releasing and Released stand around the removal of a record whose call was
	// proven unsent, or whose answer may be had by another try.
	Releasing Point = "releasing"
	Released  Point = "released"
	// Doubting and Doubted stand around the write of an unknown outcome, by the
	// call itself or by whoever finds its lease lapsed.
	Doubting Point = "doubting"
	Doubted  Point = "doubted"
	// Retaking and Retaken stand around the write that puts an unknown outcome in
	// flight again, where the contract says reexecute or reconcile.
	Retaking Point = "retaking"
	Retaken  Point = "retaken"
	// Reconciling: the upstream is about to be asked what became of the call.
	Reconciling Point = "reconciling"
	// Reconciled: it has said so; nothing has been written.
	Reconciled Point = "reconciled"
	// Replaying: a recorded answer has been read and is about to be sent.
	Replaying Point = "replaying"
	// Settling and Settled stand around the settlement of what the call took.
	Settling Point = "settling"
	Settled  Point = "settled"
)

// Points lists all of them.
func Points() []Point {
	return []Point{
		Charged, Reserving, Reserved, Answered, Renewing, Renewed, Completing, Completed, Burying, Buried, Releasing, Released,
		Doubting, Doubted, Retaking, Retaken, Reconciling, Reconciled, Replaying, Settling, Settled,
	}
}

// Variable arms a point in a process that was built with the tag.
const Variable = "FAILWELL_FAILPOINT"
