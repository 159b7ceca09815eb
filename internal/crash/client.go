//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// sort is what an observation means to whoever called.
type sort string

const (
	answered  sort = "answered"  // the upstream's answer, first or replayed
	unknown   sort = "unknown"   // nobody knows: final where the policy is reject
	buried    sort = "buried"    // done, and its answer was too long to keep
	mismatch  sort = "mismatch"  // the key belongs to another payload
	again     sort = "again"     // to be repeated under the same key
	strange   sort = "strange"   // nothing that the contract allows here
	exhausted sort = "exhausted" // the campaign ended before the call did
)

// observation is one response, or the lack of one, as a client saw it.
type observation struct {
	call    *call
	variant int
	sort    sort
	// replayed says that the response carried the replay header.
	replayed bool
	// mark is status, kept headers and the body's digest: what a replay repeats.
	mark   string
	nonce  string
	id     string
	detail string
	// code is the gateway's, "" for an answer of the upstream's.
	code       string
	start, end time.Time
	attempts   int
	// doubts counts attempts that ended without an answer although the upstream
	// may have been reached.
	doubts int
}

// sender sends calls until they are final.
type sender struct {
	gateways []string
	keys     []string // credentials by account
	client   *http.Transport
	settled  settling
}

// settling is told about every response.
type settling struct {
	requests, inFlight atomic.Int64
	// longest Retry-After of an answer that said "still running", in seconds.
	longest atomic.Int64
}

func newSender(gateways, keys []string) *sender {
	dialer := &net.Dialer{Timeout: time.Second}
	return &sender{gateways: gateways, keys: keys, client: &http.Transport{
		DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, DisableCompression: true, ResponseHeaderTimeout: patience,
	}}
}

// finish sends a variant of a call until its outcome is final, or ctx ends.
func (s *sender) finish(ctx context.Context, c *call, variant int, r *rand.Rand) observation {
	first := time.Now()
	for attempts, doubts := 1, 0; ; attempts++ {
		o := s.send(ctx, c, variant, s.gateways[r.IntN(len(s.gateways))])
		if o.sort == again && o.code == "" {
			doubts++
		}
		o.attempts, o.doubts, o.start = attempts, doubts, first
		switch {
		case o.sort == unknown && c.policy == reconcile:
			o.sort = again // nobody could be asked; that is not the last word
		case o.sort == unknown && c.policy == reexecute:
			o.sort, o.detail = strange, "the outcome is said to be unknown although the policy is to do it again"
		}
		if o.sort != again {
			return o
		}
		select {
		case <-ctx.Done():
			o.sort = exhausted
			return o
		case <-time.After(time.Duration(5+r.IntN(40)) * time.Millisecond):
		}
	}
}

// send makes one attempt.
func (s *sender) send(ctx context.Context, c *call, variant int, to string) (o observation) {
	o = observation{call: c, variant: variant, sort: again, start: time.Now()}
	defer func() { o.end = time.Now() }()
	what := c.order
	what.Variant = variant
	body, err := json.Marshal(what)
	if err != nil {
		o.sort, o.detail = strange, err.Error()
		return o
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to+c.path(), bytes.NewReader(body))
	if err != nil {
		o.sort, o.detail = strange, err.Error()
		return o
	}
	r.GetBody = nil // net/http must not repeat what is counted here
	r.Header.Set("Authorization", "Bearer "+s.keys[c.account])
	r.Header.Set("Idempotency-Key", c.key)
	r.Header.Set("Content-Type", "application/json")
	s.settled.requests.Add(1)
	resp, err := s.client.RoundTrip(r)
	if err != nil {
		o.detail = err.Error()
		return o
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		o.detail = err.Error() // broken off: not an answer
		return o
	}
	o.read(resp, got)
	if o.code == inProgress {
		s.settled.inFlight.Add(1)
		o.checkWait(resp, &s.settled)
	}
	return o
}

// Codes of the campaign's contract that decide what a client does next.
const (
	inProgress     = "in_progress"
	outcomeUnknown = "outcome_unknown"
	notReplayable  = "not_replayable"
	otherPayload   = "other_payload"
)

// retryable are the gateway's codes after which a client comes back.
var retryable = map[string]bool{
	inProgress: true, "unavailable": true, "unreachable": true, "timeout": true, "broken": true, "slow_down": true, "slow_client": true,
}

func (o *observation) read(resp *http.Response, body []byte) {
	o.id = resp.Header.Get("X-Request-Id")
	o.replayed = resp.Header.Get("X-Idempotent-Replay") == "true"
	digest := sha256.Sum256(body)
	o.mark = http.StatusText(resp.StatusCode)
	for _, name := range []string{"Content-Type", "Location", "Etag", "X-Kept"} {
		o.mark += " " + resp.Header.Get(name)
	}
	o.mark += " " + hex.EncodeToString(digest[:8])
	var said struct {
		Code  string `json:"code"`
		Nonce string `json:"nonce"`
	}
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		o.readStream(body)
		return
	}
	if err := json.Unmarshal(body, &said); err != nil {
		o.sort, o.detail = strange, "a body that is no JSON: "+resp.Status
		return
	}
	if said.Nonce != "" {
		o.nonce = said.Nonce
		if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable {
			return // the upstream's own trouble, passed on
		}
		o.sort = answered
		return
	}
	o.code = said.Code
	switch said.Code {
	case outcomeUnknown:
		o.sort = unknown
	case notReplayable:
		o.sort = buried
	case otherPayload:
		o.sort = mismatch
	default:
		if !retryable[said.Code] {
			o.sort, o.detail = strange, resp.Status+" "+string(body)
		}
	}
}

// readStream takes an event stream for an answer if it came to its end; a
// stream that breaks ends with the contract's error event.
func (o *observation) readStream(body []byte) {
	_, rest, ok := bytes.Cut(body, []byte(`"nonce":"`))
	nonce, _, _ := bytes.Cut(rest, []byte(`"`))
	if !ok || bytes.Contains(body, []byte("event: fault")) {
		o.detail = "the stream broke"
		return
	}
	o.sort, o.nonce = answered, string(nonce)
}

// checkWait looks at the promise that somebody who is told to wait is never
// told to wait for longer than a lease.
func (o *observation) checkWait(resp *http.Response, s *settling) {
	wait, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s")
	if err != nil || wait > lease+time.Second {
		o.sort, o.detail = strange, "told to wait "+resp.Header.Get("Retry-After")+" s for a call under way, the lease is "+lease.String()
		return
	}
	s.longest.Store(max(s.longest.Load(), int64(wait/time.Second)))
}
