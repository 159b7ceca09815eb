package failwell_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/failwell/failwell"
)

func ok() step { return step{status: 200, body: `{"fine":true}`} }

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func rules() []rule {
	all := adviceRules()
	all = append(all, waitRules()...)
	all = append(all, safetyRules()...)
	return append(all, networkRules()...)
}

func adviceRules() []rule {
	return []rule{
		{name: "success", steps: []step{ok()}, status: 200},
		{name: "created", method: "POST", body: "x", steps: []step{{status: 201}}, status: 201, keyed: true},
		{name: "no content", method: "DELETE", path: "/parcels/1", steps: []step{{status: 204}}, status: 204},
		{name: "not modified", steps: []step{{status: 304}}, status: 304},
		{name: "backoff, then success", steps: []step{coded(503, "down"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "backoff grows until attempts are made", steps: []step{coded(503, "down")}, waits: []time.Duration{s, 2 * s, 4 * s}, status: 503, stopped: failwell.StopAttempts, is: failwell.Unavailable},
		{name: "never", steps: []step{coded(403, "denied")}, status: 403, stopped: failwell.StopAdvice, is: failwell.PermissionDenied},
		{name: "never under a 500", steps: []step{coded(500, "hopeless")}, status: 500, stopped: failwell.StopAdvice, is: failwell.ProcessingFailed},
		{name: "after action under a 429", steps: []step{coded(429, "out_of_credit", "Retry-After", "1")}, status: 429, stopped: failwell.StopAdvice, is: failwell.QuotaExhausted},
		{name: "new key", method: "POST", body: "x", steps: []step{coded(422, "reused")}, status: 422, stopped: failwell.StopAdvice, is: failwell.IdempotencyMismatch, keyed: true},
		{name: "409 by meaning: in progress", method: "POST", body: "x", steps: []step{coded(409, "taken"), ok()}, waits: []time.Duration{s}, status: 200, keyed: true},
		{name: "409 by meaning: conflict that passes", steps: []step{coded(409, "busy"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "409 unknown to the contract", steps: []step{{status: 409, body: `{"error":"exists"}`}}, status: 409, stopped: failwell.StopAdvice, is: failwell.ResourceConflict},
		{name: "unknown code goes by status", steps: []step{coded(502, "who_knows"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "html from a proxy goes by status", steps: []step{{status: 502, header: header("Content-Type", "text/html"), body: "<html><h1>502 Bad Gateway</h1></html>"}, ok()}, waits: []time.Duration{s}, status: 200},
		{name: "empty body goes by status", steps: []step{{status: 503}, ok()}, waits: []time.Duration{s}, status: 200},
		{name: "failure inside a 200", method: "POST", path: "/quotes", body: "x", steps: []step{{status: 200, body: `{"errcode":"queue_full","errmsg":"m"}`}, ok()}, waits: []time.Duration{s}, status: 200},
		{name: "failure inside a 200, final", steps: []step{{status: 200, body: `{"errcode":"queue_full","errmsg":"m"}`}}, waits: []time.Duration{s, 2 * s, 4 * s}, status: 200, stopped: failwell.StopAttempts, is: failwell.ConcurrencyExceeded},
		{name: "half of a bulk call", steps: []step{{status: 207, body: `{"results":[{"id":"a"},{"id":"b","error":{"error":{"code":"down","message":"m"}}}]}`}}, status: 207, stopped: failwell.StopPartial, is: failwell.Unavailable},
		{name: "attempts of one", transport: func(t *failwell.Transport) { t.MaxAttempts = 1 }, steps: []step{coded(503, "down")}, status: 503, stopped: failwell.StopAttempts},
		{name: "attempts of two", transport: func(t *failwell.Transport) { t.MaxAttempts = 2 }, steps: []step{coded(503, "down")}, waits: []time.Duration{s}, status: 503, stopped: failwell.StopAttempts},
		{name: "no contract: 503", transport: func(t *failwell.Transport) { t.Contract = nil }, steps: []step{{status: 503}}, waits: []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}, status: 503, stopped: failwell.StopAttempts, is: failwell.Unavailable},
		{name: "no contract: 404", transport: func(t *failwell.Transport) { t.Contract = nil }, steps: []step{{status: 404}}, status: 404, stopped: failwell.StopAdvice, is: failwell.ResourceMissing},
	}
}

func waitRules() []rule {
	at := func(d time.Duration) string { return epoch.Add(d).Format(http.TimeFormat) }
	return []rule{
		{name: "seconds", steps: []step{coded(429, "slow_down", "Retry-After", "7"), ok()}, waits: []time.Duration{7 * s}, status: 200},
		{name: "fraction", steps: []step{coded(429, "slow_down", "Retry-After", "0.25"), ok()}, waits: []time.Duration{s / 4}, status: 200},
		{name: "milliseconds", steps: []step{coded(429, "slow_down", "X-Wait-Ms", "1500"), ok()}, waits: []time.Duration{1500 * time.Millisecond}, status: 200},
		{name: "instant in seconds", steps: []step{coded(429, "slow_down", "X-Reset", "946684830"), ok()}, waits: []time.Duration{30 * s}, status: 200},
		{name: "date", steps: []step{coded(429, "slow_down", "Retry-After", at(9*s)), ok()}, waits: []time.Duration{9 * s}, status: 200},
		{name: "date by the server's clock", steps: []step{coded(429, "slow_down", "Retry-After", at(time.Hour+9*s), "Date", at(time.Hour)), ok()}, waits: []time.Duration{9 * s}, status: 200},
		{name: "body member", steps: []step{{status: 429, body: `{"error":{"code":"slow_down","message":"m","wait_ms":2500}}`}, ok()}, waits: []time.Duration{2500 * time.Millisecond}, status: 200},
		{name: "hint on a 503", steps: []step{coded(503, "down", "Retry-After", "3"), ok()}, waits: []time.Duration{3 * s}, status: 200},
		{name: "no hint: default of the status", steps: []step{coded(429, "slow_down"), ok()}, waits: []time.Duration{20 * s}, status: 200},
		{name: "zero hint", steps: []step{coded(503, "down", "Retry-After", "0"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "negative hint", steps: []step{coded(503, "down", "Retry-After", "-5"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "date in the past", steps: []step{coded(503, "down", "Retry-After", at(-time.Hour)), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "nonsense hint", steps: []step{coded(503, "down", "Retry-After", "soon"), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "absurd hint ends the call at once", steps: []step{coded(429, "slow_down", "Retry-After", "1743440400")}, status: 429, stopped: failwell.StopMaxWait, is: failwell.RateLimited},
		{name: "hint above the contract's bound", steps: []step{coded(429, "slow_down", "Retry-After", "121")}, status: 429, stopped: failwell.StopMaxWait, is: failwell.RateLimited},
		{name: "hint at the bound", steps: []step{coded(429, "slow_down", "Retry-After", "120"), ok()}, waits: []time.Duration{120 * s}, status: 200},
		{name: "own bound", transport: func(t *failwell.Transport) { t.MaxWait = 5 * s }, steps: []step{coded(429, "slow_down", "Retry-After", "6")}, status: 429, stopped: failwell.StopMaxWait},
		{name: "no bound", transport: func(t *failwell.Transport) { t.MaxWait = -1 }, steps: []step{coded(429, "slow_down", "Retry-After", "7200"), ok()}, waits: []time.Duration{2 * time.Hour}, status: 200},
		{name: "deadline before the wait is over", deadline: 5 * s, steps: []step{coded(429, "slow_down", "Retry-After", "6")}, status: 429, stopped: failwell.StopDeadline, is: failwell.RateLimited},
		{name: "deadline at the end of the wait", deadline: 6 * s, steps: []step{coded(429, "slow_down", "Retry-After", "6")}, status: 429, stopped: failwell.StopDeadline, is: failwell.RateLimited},
		{name: "deadline after the wait", deadline: 7 * s, steps: []step{coded(429, "slow_down", "Retry-After", "6"), ok()}, waits: []time.Duration{6 * s}, status: 200},
		{name: "deadline before a growing wait", deadline: 4 * s, steps: []step{coded(503, "down")}, waits: []time.Duration{s, 2 * s}, status: 503, stopped: failwell.StopDeadline, is: failwell.Unavailable},
	}
}

func safetyRules() []rule {
	own := header("Idempotency-Key", "mine")
	return []rule{
		{name: "POST gets a key", method: "POST", body: "x", steps: []step{coded(500, "broken"), ok()}, waits: []time.Duration{s}, status: 200, keyed: true},
		{name: "POST keeps the caller's key", method: "POST", body: "x", header: own, steps: []step{coded(500, "broken"), ok()}, waits: []time.Duration{s}, status: 200, keyed: true},
		{name: "POST without a key", method: "POST", body: "x", transport: noKeys, steps: []step{coded(500, "broken")}, status: 500, stopped: failwell.StopUnsafe, unkeyed: true},
		{name: "rate limited POST without a key", method: "POST", body: "x", transport: noKeys, steps: []step{coded(429, "slow_down", "Retry-After", "1")}, status: 429, stopped: failwell.StopUnsafe, unkeyed: true},
		{name: "operation that honours no key", method: "POST", path: "/labels", body: "x", header: own, steps: []step{coded(500, "broken")}, status: 500, stopped: failwell.StopUnsafe},
		{name: "operation that honours no key gets none", method: "POST", path: "/labels", body: "x", steps: []step{coded(500, "broken")}, status: 500, stopped: failwell.StopUnsafe, unkeyed: true},
		{name: "operation declared safe", method: "POST", path: "/quotes", body: "x", steps: []step{coded(500, "broken"), ok()}, waits: []time.Duration{s}, status: 200, unkeyed: true},
		{name: "PUT is idempotent", method: "PUT", path: "/parcels/1", body: "x", steps: []step{coded(500, "broken"), ok()}, waits: []time.Duration{s}, status: 200, unkeyed: true},
		{name: "DELETE is idempotent", method: "DELETE", path: "/parcels/1", steps: []step{coded(500, "broken"), ok()}, waits: []time.Duration{s}, status: 200, unkeyed: true},
		{name: "HEAD is idempotent", method: "HEAD", steps: []step{{status: 503}, {status: 200}}, waits: []time.Duration{s}, status: 200},
		{name: "same key: read", steps: []step{coded(500, "half_done"), ok()}, waits: []time.Duration{s}, status: 200, unkeyed: true},
		{name: "same key: write without one", method: "PUT", path: "/parcels/1", body: "x", steps: []step{coded(500, "half_done")}, status: 500, stopped: failwell.StopUnsafe},
		{name: "same key: write with one", method: "PATCH", path: "/parcels/1", body: "x", steps: []step{coded(500, "half_done"), ok()}, waits: []time.Duration{s}, status: 200, keyed: true},
		{name: "same key: safe operation without one", method: "POST", path: "/quotes", body: "x", steps: []step{coded(500, "half_done")}, status: 500, stopped: failwell.StopUnsafe},
		{name: "body that cannot be rewound", method: "POST", body: "x", noRewind: true, steps: []step{coded(500, "broken")}, status: 500, stopped: failwell.StopBody},
		{name: "no contract: POST", method: "POST", body: "x", transport: func(t *failwell.Transport) { t.Contract = nil }, steps: []step{{status: 503}}, status: 503, stopped: failwell.StopUnsafe, unkeyed: true},
		{name: "no contract: POST with the caller's key", method: "POST", body: "x", header: own, transport: func(t *failwell.Transport) { t.Contract = nil }, steps: []step{{status: 503}, ok()}, waits: []time.Duration{s / 4}, status: 200, keyed: true},
	}
}

func noKeys(t *failwell.Transport) { t.NoKeys = true }

func networkRules() []rule {
	unknownCA := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	return []rule{
		{name: "refused GET", steps: []step{refused(), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "refused for good", steps: []step{refused()}, waits: []time.Duration{s, 2 * s, 4 * s}, stopped: failwell.StopAttempts, is: failwell.UpstreamUnreachable},
		{name: "refused POST was never sent", method: "POST", path: "/labels", body: "x", steps: []step{refused(), ok()}, waits: []time.Duration{s}, status: 200, unkeyed: true},
		{name: "name not found, POST", method: "POST", path: "/labels", body: "x", steps: []step{{err: &net.DNSError{Err: "no such host", IsNotFound: true}}, ok()}, waits: []time.Duration{s}, status: 200},
		{name: "reset POST may have been done", method: "POST", path: "/labels", body: "x", steps: []step{reset()}, stopped: failwell.StopUnsafe, is: failwell.UpstreamUnreachable},
		{name: "reset POST with a key", method: "POST", body: "x", steps: []step{reset(), ok()}, waits: []time.Duration{s}, status: 200, keyed: true},
		{name: "reset GET", steps: []step{reset(), ok()}, waits: []time.Duration{s}, status: 200},
		{name: "cut off GET", steps: []step{{err: io.ErrUnexpectedEOF}, ok()}, waits: []time.Duration{s}, status: 200},
		{name: "certificate", steps: []step{{err: unknownCA}}, stopped: failwell.StopAdvice, is: failwell.UpstreamUnreachable},
		{name: "contract forbids network retries", transport: func(t *failwell.Transport) {
			c := *t.Contract // its tables are shared, and only read
			c.Client.Network = failwell.RetryNever
			t.Contract = &c
		}, steps: []step{refused()}, stopped: failwell.StopAdvice},
		{name: "response after a network error", steps: []step{reset(), coded(404, "nowhere")}, waits: []time.Duration{s}, status: 404, stopped: failwell.StopAdvice, is: failwell.ResourceMissing},
		{name: "network error after a response", steps: []step{coded(503, "down"), {err: unknownCA}}, waits: []time.Duration{s}, stopped: failwell.StopAdvice, is: failwell.UpstreamUnreachable},
		{name: "attempt timeout", transport: func(t *failwell.Transport) { t.AttemptTimeout = 5 * s }, steps: []step{{status: 200, takes: 6 * s}, {status: 200, takes: 4 * s}}, waits: []time.Duration{s}, status: 200},
		{name: "attempt timeout of a POST", method: "POST", path: "/labels", body: "x", transport: func(t *failwell.Transport) { t.AttemptTimeout = 5 * s }, steps: []step{{status: 200, takes: 6 * s}}, stopped: failwell.StopUnsafe, is: context.DeadlineExceeded},
		{name: "deadline during an attempt", deadline: 3 * s, steps: []step{{status: 200, takes: 6 * s}}, stopped: failwell.StopDeadline, is: context.DeadlineExceeded},
		{name: "unknown error", steps: []step{{err: errors.New("odd")}, ok()}, waits: []time.Duration{s}, status: 200},
	}
}
