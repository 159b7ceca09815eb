package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

const ourClient = "failwell, `Transport`"

// caller makes one call and returns the status of its final response; what
// remains of that is read and closed.
type caller func(ctx context.Context, url string, body []byte) (int, error)

// client is a way to call an API.
type client struct {
	name string
	// make returns a caller over a base transport that repeats up to twice, after
	// the waits given.
	make func(base http.RoundTripper, first time.Duration) caller
}

const bareClient = "bare http.Client"

func httpClients() []client {
	return []client{
		{bareClient, func(base http.RoundTripper, _ time.Duration) caller { return plain(&http.Client{Transport: base}) }},
		{ourClient, func(base http.RoundTripper, first time.Duration) caller {
			return plain(&http.Client{Transport: ourTransport(base, first)})
		}},
		{"go-retryablehttp", newRetryable},
		{"failsafe-go, failsafehttp", newFailsafe},
	}
}

// controlled adds the bare client under another name: how far its ratios are from
// 1 is how much of the others' is chance.
func controlled(list []client) []client {
	same := list[0]
	same.name = "the same again"
	return slices.Insert(list, 1, same)
}

// repeating are the clients that repeat, one of them also in the form in which the
// others are used, and what two calls take when nothing is done between them. The others have no budget for repetitions, so that ours gets one that
// is never used up.
func repeating() []client {
	list := httpClients()[1:]
	list[0].make = func(base http.RoundTripper, first time.Duration) caller {
		t := ourTransport(base, first)
		t.Budget.Ratio = 2
		return plain(&http.Client{Transport: t})
	}
	list = slices.Insert(list, 2, client{"go-retryablehttp as http.Client", func(base http.RoundTripper, first time.Duration) caller {
		return plain(retryable(base, first).StandardClient())
	}})
	return append(list, client{"two calls of the bare client", func(base http.RoundTripper, _ time.Duration) caller {
		call := plain(&http.Client{Transport: base})
		return func(ctx context.Context, url string, body []byte) (int, error) {
			if status, err := call(ctx, url, body); err != nil {
				return status, err
			}
			return call(ctx, url, body)
		}
	}})
}

// benchKey goes with every call.
const benchKey = "8e03978e-40d5-43e8-bc93-6894a57f9324"

const clientSpec = `
failwell: 1
api: bench
envelopes: {standard: {body: {error: {code: $code, message: $message}}}}
client: {attempts: 3, backoff: {first: 1s, factor: 2, jitter: 0.5x..1x}, hints: [{header: Retry-After}]}
idempotency: {header: Idempotency-Key, methods: [POST]}
headers: {rate_limit: {on: all, limit: X-RateLimit-Limit, remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, reset_format: epoch_ms}}
plans: {only: {rate: 1000/10s}}
errors:
  slow: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  broken: {status: 503, is: [internal, unavailable], retry: backoff, message: Broken.}
`

func clientContract() *contract.Contract {
	return contract.MustParse([]byte(clientSpec))
}

func ourTransport(base http.RoundTripper, first time.Duration) *failwell.Transport {
	c := clientContract()
	c.Client.Backoff.First = first
	// The keys come from the caller, as they do for the others.
	return &failwell.Transport{Contract: c, Base: base, NoKeys: true}
}

func request(ctx context.Context, url string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header["Idempotency-Key"] = []string{benchKey}
	return req, nil
}

func plain(c *http.Client) caller {
	return func(ctx context.Context, url string, body []byte) (int, error) {
		req, err := request(ctx, url, body)
		if err != nil {
			return 0, err
		}
		return drained(c.Do(req))
	}
}

func drained(resp *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	return resp.StatusCode, nil
}

func retryable(base http.RoundTripper, first time.Duration) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.Logger, c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = nil, 2, first, 2*first
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.HTTPClient = &http.Client{Transport: base}
	return c
}

func newRetryable(base http.RoundTripper, first time.Duration) caller {
	c := retryable(base, first)
	return func(ctx context.Context, url string, body []byte) (int, error) {
		// Its own requests; of one of net/http it would have to read the body first.
		req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, url, body)
		if err != nil {
			return 0, err
		}
		req.Header["Idempotency-Key"] = []string{benchKey}
		return drained(c.Do(req))
	}
}

func newFailsafe(base http.RoundTripper, first time.Duration) caller {
	policy := failsafehttp.NewRetryPolicyBuilder().WithMaxRetries(2).WithBackoff(first, 2*first+1).ReturnLastFailure().Build() //nolint:bodyclose // none yet
	return plain(&http.Client{Transport: failsafehttp.NewRoundTripper(base, policy)})
}

var errStatus = errors.New("another status than wanted")
