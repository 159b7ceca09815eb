package failwell_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// inMemory is an API without a network.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if req.Body == nil {
		req = req.Clone(req.Context())
		req.Body = http.NoBody
	}
	m.ServeHTTP(w, req)
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

func ExampleTransport() {
	api := contract.MustParse([]byte(clientContract))
	calls := 0
	server := inMemory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		if calls < 3 {
			w.Header().Set("Retry-After", "2")
			fail(w, http.StatusServiceUnavailable, "down")
			return
		}
		_, _ = io.WriteString(w, "parcel 7 is on its way")
	})}

	client := &http.Client{Transport: &failwell.Transport{
		Contract: api,
		Base:     server,
		// Only so that this example does not take its time:
		Sleep: func(_ context.Context, wait time.Duration) error {
			fmt.Println("waiting", wait)
			return nil
		},
	}}
	resp, err := client.Post("https://parcels.example/v1/parcels", "application/json", strings.NewReader(`{"to": "Ada"}`))
	if err := failwell.Check(resp, err); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	fmt.Printf("%s, after %d attempts under one idempotency key\n", answer, calls)
	// Output:
	// waiting 2s
	// waiting 2s
	// parcel 7 is on its way, after 3 attempts under one idempotency key
}

func ExampleCheck() {
	api := contract.MustParse([]byte(clientContract))
	slowDown := api.MustCode("slow_down")
	server := inMemory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.Header().Set("X-Request-Id", "req_12")
		fail(w, http.StatusTooManyRequests, "slow_down")
	})}
	client := &http.Client{Transport: &failwell.Transport{Contract: api, Base: server}}

	resp, err := client.Get("https://parcels.example/v1/parcels")
	err = failwell.Check(resp, err)

	fmt.Println(errors.Is(err, failwell.RateLimited), errors.Is(err, slowDown))
	if e, ok := errors.AsType[*failwell.Error](err); ok {
		fmt.Println(e.RequestID, e.RetryAfter, e.Retryable())
		fmt.Println(e.Friendly())
		fmt.Println(e)
	}
	// Output:
	// true true
	// req_12 1h0m0s true
	// Please slow down.
	// parcels: slow_down (429): m [request id req_12; client side: the wait is longer than the client waits]
}

func ExampleCheck_anyClient() {
	server := inMemory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"detail": "Not Found"}`, http.StatusNotFound)
	})}
	resp, err := (&http.Client{Transport: server}).Get("https://somewhere.example/v1/things/7")

	err = failwell.Check(resp, err)
	fmt.Println(errors.Is(err, failwell.RouteUnknown) || errors.Is(err, failwell.ResourceMissing))
	// Output:
	// true
}

func ExampleError_With() {
	api := contract.MustParse([]byte(clientContract))
	bad := api.MustCode("bad") // a typo ends the program at its start
	handler := func() error {
		cause := errors.New("sql: duplicate key in users_pkey")
		return failwell.New(bad, cause).With("field", "name")
	}

	err := handler()
	fmt.Println(err)
	fmt.Println(errors.Is(err, bad), errors.Is(err, failwell.RequestMalformed))
	// Output:
	// bad (400): Bad.
	// true true
}
