//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// policy is what a repetition gets when the first outcome is unknown; each has
// an operation of its own in the campaign's contract.
type policy string

const (
	reject    policy = "reject"
	reexecute policy = "reexecute"
	reconcile policy = "reconcile"
)

// answer is how the upstream answers once it has executed an order.
type answer string

const (
	created  answer = "created"  // 201, a length
	chunked  answer = "chunked"  // 200 in pieces
	moved    answer = "moved"    // 303
	invalid  answer = "invalid"  // 422: executed, and refused for good
	big      answer = "big"      // 201, longer than what is kept
	streamed answer = "streamed" // events, more than what is kept
)

// fault is how an execution fails before it can be answered.
type fault string

const (
	silent     fault = "silent"    // executed, then the connection ends
	truncated  fault = "truncated" // executed, then half of the answer
	badGateway fault = "gateway"   // executed, then 502: somebody behind it failed
	refused    fault = "refused"   // not executed: 503 with Retry-After
)

// order is the body of a keyed write. It tells the upstream what to do, so that
// the seed alone decides.
type order struct {
	Call    int    `json:"call"`
	Variant int    `json:"variant"`
	Answer  answer `json:"answer"`
	Bytes   int    `json:"bytes"`
	// Fault happens to the first Faults arrivals of the key.
	Fault  fault `json:"fault,omitempty"`
	Faults int   `json:"faults,omitempty"`
	// Pause is in milliseconds, between execution and answer.
	Pause int    `json:"pause_ms"`
	Pad   string `json:"pad"`
}

// call is a keyed write, and who sends it.
type call struct {
	order

	account int
	policy  policy
	key     string
	// clients send it at the same time; other of them have another payload.
	clients, other int
}

func (c *call) path() string { return fmt.Sprintf("/v1/%s/%d", c.policy, c.Call%97) }

// kept is how long an answer the campaign's contract keeps, in bytes.
const kept = 16 << 10

// draw makes the n-th call of a seed.
func draw(seed uint64, n int) *call {
	r := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // repeatable on purpose
	c := &call{account: r.IntN(accounts), clients: 1}
	c.Call = n
	// Every third key is shared by two accounts and two paths, which must not
	// know of each other.
	c.key = fmt.Sprintf("key-%d", n)
	if n%3 == 1 {
		c.key = fmt.Sprintf("key-%d", n-1)
	}
	switch p := r.IntN(10); {
	case p < 5:
		c.policy = reject
	case p < 7:
		c.policy = reexecute
	default:
		c.policy = reconcile
		c.key = fmt.Sprintf("key-%d", n) // the upstream is asked by the key alone
	}
	c.Answer = pick(r, created, created, created, created, chunked, chunked, moved, invalid, big, streamed)
	if c.policy == reconcile && c.Answer != created && c.Answer != chunked {
		c.Answer = created // what it is asked for is a success or nothing
	}
	c.Bytes = r.IntN(600)
	if r.IntN(8) == 0 {
		c.Bytes = r.IntN(kept - 2<<10)
	}
	if c.Answer == big || c.Answer == streamed {
		c.Bytes = kept + r.IntN(3*kept)
	}
	if r.IntN(5) == 0 {
		c.Fault, c.Faults = pick(r, silent, truncated, badGateway, refused, refused), 1+r.IntN(2)
	}
	c.Pause = r.IntN(10)
	switch r.IntN(40) {
	case 0:
		c.Pause = int(lease/time.Millisecond)*2/3 + r.IntN(400) // the lease has to be renewed
	case 1, 2, 3, 4:
		c.Pause = r.IntN(200)
	}
	c.Pad = strings.Repeat("p", r.IntN(200))
	if r.IntN(10) == 0 {
		c.Pad = strings.Repeat("P", r.IntN(64<<10))
	}
	if r.IntN(3) == 0 {
		c.clients = 2 + r.IntN(3)
		if r.IntN(4) == 0 {
			c.other = 1
		}
	}
	return c
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
