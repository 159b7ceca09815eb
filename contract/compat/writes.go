package compat

// writes compares the promise about repeated writes.
func (d *differ) writes() {
	old, now := d.old.Idempotency, d.now.Idempotency
	path := func(more ...string) []string { return append([]string{"idempotency"}, more...) }
	const subject = "idempotency keys"
	switch {
	case old == nil && now == nil:
		return
	case old == nil:
		d.say("idempotency-added", path(), subject, "are honoured in %s", now.Header)
		return
	case now == nil:
		d.say("idempotency-removed", path(), subject, "are no longer honoured; they stood in %s", old.Header)
		return
	}
	changed(d, "idempotency-header", path("header"), subject, "the header", old.Header, now.Header)
	d.names("idempotency-removed", "idempotency-added", path("methods"), subject, "the method", old.Methods, now.Methods)
	either(d, "idempotency-lengthened", "idempotency-shortened", path("keep"), subject, "how long an answer is replayed,", old.Keep, now.Keep)
	rule := "replay-changed"
	if old.Replayed == "" {
		rule = "replay-added"
	}
	changed(d, rule, path("replayed"), subject, "the mark of a replay", old.Replayed, now.Replayed)
	rule = "duplicate-refused"
	if now.InFlight == "wait" {
		rule = "duplicate-waits"
	}
	changed(d, rule, path("in_flight"), subject, "what a duplicate gets,", old.InFlight, now.InFlight)
	changed(d, "duplicate-timing", path("wait"), subject, "how long a duplicate waits,", old.Wait, now.Wait)
	changed(d, "duplicate-timing", path("lease"), subject, "how long a call is believed to be under way,", old.Lease, now.Lease)
	changed(d, outcomeRule(now.Unknown), path("unknown"), subject, "what becomes of an unknown outcome,", old.Unknown, now.Unknown)
	either(d, "idempotency-lengthened", "idempotency-shortened", path("max_response"), subject, "the longest answer that is kept, in bytes,", old.MaxResponse, now.MaxResponse)
	d.names("replay-changed", "replay-added", path("headers"), subject, "the kept header", old.Headers, now.Headers)
	rule = "protection-strict"
	if now.Away == "open" {
		rule = "protection-dropped"
	}
	changed(d, rule, path("away"), subject, "without the store,", old.Away, now.Away)
}

// outcomeRule judges what an unknown outcome leads to now.
func outcomeRule(now string) string {
	switch now {
	case "reexecute":
		return "outcome-repeated"
	case "reconcile":
		return "outcome-settled"
	}
	return "outcome-refused"
}

// protection judges what an operation says of idempotency keys: "", required or off.
func protection(old, now string) string {
	switch {
	case now == "off":
		return "idempotency-removed"
	case now == "required":
		return "request-narrowed"
	case old == "off":
		return "idempotency-added"
	}
	return "request-widened"
}
