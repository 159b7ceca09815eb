package failwell_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// clientContract has a code for each advice, and every client rule.
const clientContract = `
failwell: 1
api: parcels
base_url: https://parcels.example/v1
envelopes:
  numbered:
    when: {code: [queue_full]}
    inside: [200]
    body: {errcode: $code, errmsg: $message}
  standard:
    body:
      error: {code: $code, message: $message, wait_ms?: $retry_after_ms, details?: {"...": $params}}
      request_id?: $request_id
auth:
  schemes: [{in: header, name: Authorization, prefix: Bearer}, {in: query, name: pass}]
idempotency: {header: Idempotency-Key, methods: [POST, PATCH]}
client:
  attempts: 4
  backoff: {first: 1s, factor: 2}
  hints: [{header: Retry-After}, {header: X-Wait-Ms, unit: milliseconds}, {header: X-Reset, unit: epoch_s}, {body: error.wait_ms, unit: milliseconds}]
  max_hint: 2m
  default_waits: {429: 20s}
  statuses: {429: after_wait, 502: backoff, 5xx: backoff, 4xx: never}
partial: [{status: 207, items: results, error: error, id: id}]
errors:
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Too many calls., friendly: Please slow down.}
  out_of_credit: {status: 429, is: [quota_exhausted], retry: after_action, message: No credit.}
  busy: {status: 409, is: [resource_conflict], retry: backoff, message: Being changed.}
  taken: {status: 409, is: [idempotency_in_progress], retry: same_key, message: Still running.}
  reused: {status: 422, is: [idempotency_mismatch], retry: new_key, message: Other payload.}
  broken: {status: 500, is: [internal], retry: backoff, message: Broken.}
  half_done: {status: 500, is: [storage_failed], retry: same_key, message: Not stored.}
  hopeless: {status: 500, is: [processing_failed], retry: never, message: Bad input.}
  down: {status: 503, is: [unavailable, overloaded], retry: backoff, message: Down.}
  queue_full: {status: 503, is: [concurrency_exceeded], retry: backoff, message: Queue is full.}
  bad: {status: 400, is: [request_malformed], message: Bad., params: {field: string}}
  denied: {status: 403, is: [permission_denied], message: Denied.}
  nobody: {status: 401, is: [key_unknown, key_missing], message: Who are you?}
  nowhere: {status: 404, is: [resource_missing], message: Nothing here.}
operations:
  GET /parcels: {}
  POST /parcels: {}
  POST /quotes: {safe: true, idempotency: off}
  POST /labels: {idempotency: off}
  DELETE /parcels/{id}: {}
`

func parcels() *contract.Contract { return contract.MustParse([]byte(clientContract)) }

// step is what a server, or the network, does with one attempt.
type step struct {
	status int
	header http.Header
	body   string
	err    error
	// takes is how long it takes until the headers are there.
	takes time.Duration
}

// script is a base transport that plays steps, the last one over and over.
type script struct {
	mu    sync.Mutex
	steps []step
	seen  []seen
	open  int
}

type seen struct {
	at, ended         time.Duration
	method, body, key string
	header            http.Header
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's clock starts

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.steps[min(len(s.seen), len(s.steps)-1)]
	x := seen{at: time.Since(epoch), method: req.Method, body: string(body), key: req.Header.Get("Idempotency-Key"), header: req.Header.Clone()}
	if at.takes > 0 {
		select {
		case <-time.After(at.takes):
		case <-req.Context().Done():
			at.err = req.Context().Err() // not the cause, as older transports do
		}
	}
	x.ended = time.Since(epoch)
	s.seen = append(s.seen, x)
	if at.err != nil {
		return nil, at.err
	}
	reader := &trackedBody{Reader: strings.NewReader(at.body), script: s}
	s.open++
	header := at.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return &http.Response{StatusCode: at.status, Header: header, Body: reader, ContentLength: -1, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

type trackedBody struct {
	io.Reader
	script *script
	closed bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errors.New("read after close")
	}
	return b.Reader.Read(p)
}

func (b *trackedBody) Close() error {
	b.script.mu.Lock()
	defer b.script.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.script.open--
	}
	return nil
}

// coded is a response with a code of clientContract.
func coded(status int, code string, header ...string) step {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return step{status: status, header: h, body: fmt.Sprintf(`{"error":{"code":%q,"message":"m"},"request_id":"req_%d"}`, code, status)}
}

func refused() step {
	return step{err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}
}

func reset() step {
	return step{err: &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}}
}

// rule is one case of the rules for repeating: what the server does, what the
// client must have done, and why it stopped.
type rule struct {
	name   string
	method string // GET when ""
	path   string // /parcels when ""
	body   string
	header http.Header
	// noRewind takes GetBody away.
	noRewind  bool
	transport func(*failwell.Transport)
	deadline  time.Duration
	steps     []step
	// waits before each repetition; the number of attempts is one more.
	waits []time.Duration
	// status of the final response, 0 for a network error.
	status  int
	stopped failwell.Stop
	is      error
	// keyed: the same key went with every attempt. unkeyed: none did.
	keyed, unkeyed bool
}

const s = time.Second

func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playRule(t, r) })
		})
	}
}

func playRule(t *testing.T, r rule) {
	t.Helper()
	base := &script{steps: r.steps}
	tr := &failwell.Transport{Contract: parcels(), Base: base, Random: func() float64 { return 0 }}
	if r.transport != nil {
		r.transport(tr)
	}
	ctx := t.Context()
	if r.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.deadline)
		defer cancel()
	}
	method, path := r.method, r.path
	if method == "" {
		method = http.MethodGet
	}
	if path == "" {
		path = "/parcels"
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://parcels.example/v1"+path, bodyOf(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if r.noRewind {
		req.GetBody = nil
	}
	client := &http.Client{Transport: tr}
	resp, err := client.Do(req)
	failure := failwell.Check(resp, err)
	checkRule(t, r, base, resp, failure)
	if failure == nil && resp != nil {
		_ = resp.Body.Close()
	}
	if base.open != 0 {
		t.Errorf("%d response bodies were left open", base.open)
	}
}

func bodyOf(text string) io.Reader {
	if text == "" {
		return nil
	}
	return bytes.NewReader([]byte(text))
}

func checkRule(t *testing.T, r rule, base *script, resp *http.Response, failure error) {
	t.Helper()
	var waits []time.Duration
	for i := 1; i < len(base.seen); i++ {
		waits = append(waits, base.seen[i].at-base.seen[i-1].ended)
	}
	if fmt.Sprint(waits) != fmt.Sprint(r.waits) {
		t.Errorf("waited %v, want %v", waits, r.waits)
	}
	for i, x := range base.seen {
		if x.body != r.body {
			t.Errorf("attempt %d sent the body %q, want %q", i+1, x.body, r.body)
		}
		if x.key != base.seen[0].key || r.keyed && x.key == "" || r.unkeyed && x.key != "" {
			t.Errorf("attempt %d carried the key %q; the first %q", i+1, x.key, base.seen[0].key)
		}
	}
	if own := r.header.Get("Idempotency-Key"); own != "" && base.seen[0].key != own {
		t.Errorf("the caller's key became %q", base.seen[0].key)
	}
	if r.stopped == "" {
		if failure != nil {
			t.Errorf("failed: %v", failure)
		} else if resp.StatusCode != r.status {
			t.Errorf("status %d, want %d", resp.StatusCode, r.status)
		}
		return
	}
	e, ok := errors.AsType[*failwell.Error](failure)
	if !ok {
		t.Fatalf("got %v, want an *Error", failure)
	}
	if e.Stopped != r.stopped || e.Status != r.status {
		t.Errorf("stopped by %q with status %d, want %q with %d: %v", e.Stopped, e.Status, r.stopped, r.status, e)
	}
	if r.keyed && e.IdempotencyKey != base.seen[0].key || r.unkeyed && e.IdempotencyKey != "" {
		t.Errorf("the error tells of the key %q, sent was %q", e.IdempotencyKey, base.seen[0].key)
	}
	if len(e.Attempts) != len(base.seen) {
		t.Errorf("%d attempts are told of, %d were made", len(e.Attempts), len(base.seen))
	}
	for i, wait := range r.waits {
		if e.Attempts[i].Wait != wait {
			t.Errorf("attempt %d is told to have waited %v, want %v", i+1, e.Attempts[i].Wait, wait)
		}
	}
	if r.is != nil && !errors.Is(failure, r.is) {
		t.Errorf("%v is not %v", failure, r.is)
	}
}
