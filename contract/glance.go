package contract

import (
	"slices"
	"time"
)

// Glance is [Contract.Decode] for a client that has to decide whether and when to
// repeat a call, which it mostly does before anybody asks what was said. All that
// bears on it is there; of the request id only what the body says in its place.
// The names of the header must be in canonical form, and now is the client's own
// clock: see [ServerTime]. It is nil when the response is no failure. Others may
// hold the same one, which is for reading only.
func (c *Contract) Glance(r Response, now time.Time) *Failure {
	memory := c != nil && c.lately != nil && !c.hinted(r.Header)
	if memory {
		if last := c.lately.Load(); last != nil && last.status == r.Status && string(r.Body) == last.body {
			return &last.failure
		}
	}
	seen := &glanced{status: r.Status}
	x := reading{Response: r, now: now, hasty: true}
	f := &seen.failure
	if !c.read(&x, f) {
		return nil
	}
	// Conventions were not asked when the catalogue knew all about it.
	if memory && f.Envelope != "" && f.Code != nil && len(f.Code.Is) > 0 && len(r.Body) <= sharedText {
		seen.body = string(r.Body)
		c.lately.Store(seen)
	}
	return f
}

// glanced is a failure that was read from its status and body alone. A server in
// trouble says the same to everybody, and to read it again would take most of what
// a second try costs in the process: not for its work, but for the code and data
// that it pulls into the caches.
type glanced struct {
	status  int
	body    string
	failure Failure
}

// repeatsItself reports whether two failures of one kind can have the same body,
// and whether nothing else but a hint in a header bears on a repetition.
func (c *Contract) repeatsItself() bool {
	return c.Headers.Code == "" && !slices.ContainsFunc(c.Client.Hints, func(h Hint) bool { return h.Header == "" }) &&
		!slices.ContainsFunc(c.Envelopes, func(e *Envelope) bool {
			return len(e.Headers) > 0 || e.slots.holds(slotRequestID) || e.slots.holds(slotTimestamp)
		})
}

// hinted reports whether a header that the contract names may tell of a wait.
func (c *Contract) hinted(h map[string][]string) bool {
	for i := range c.Client.Hints {
		if x := &c.Client.Hints[i]; x.name == "" || len(h[x.name]) > 0 {
			return true
		}
	}
	return false
}
