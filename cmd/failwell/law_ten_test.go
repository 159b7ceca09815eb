package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

// Law 10: what is explained, sent and obeyed is read from the same contract
// value. One word of the file is changed, and all three follow.
func TestOneContractForAll(t *testing.T) {
	const file = `
failwell: 1
api: one
envelopes: {standard: {body: {code: $code, message: $message}}}
client: {attempts: 3, backoff: {first: 1s}}
errors:
  base: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing, feature_unavailable, rate_limited], message: Bad.}
  broken: {status: STATUS, code: CODE, is: [internal, unavailable], retry: RETRY, message: Broken., remedy: REMEDY}
`
	for _, x := range []struct {
		status      int
		code, retry string
		attempts    int
		remedy      string
	}{
		{500, "E500", "backoff", 3, "Wait."},
		{503, "E503", "never", 1, "Give up."},
		{409, "BUSY", "backoff", 3, "Look again."},
	} {
		t.Run(x.code, func(t *testing.T) {
			text := strings.NewReplacer("STATUS", fmt.Sprint(x.status), "CODE", x.code, "RETRY", x.retry, "REMEDY", x.remedy).Replace(file)
			c, err := contract.Parse("one.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			code := c.MustCode("broken")
			calls := 0
			guard := &failwell.Guard{Contract: c, Logger: slog.New(slog.DiscardHandler)}
			server := httptest.NewServer(guard.Wrap(guard.HandleFunc(func(http.ResponseWriter, *http.Request) error {
				calls++
				return code
			})))
			defer server.Close()

			wait := func(context.Context, time.Duration) error { return nil }
			client := &http.Client{Transport: &failwell.Transport{Contract: c, Sleep: wait}}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = failwell.Check(client.Do(r))
			if !errors.Is(err, code) || !errors.Is(err, failwell.Internal) || calls != x.attempts {
				t.Errorf("%v after %d calls, want %d", err, calls, x.attempts)
			}
			e, ok := errors.AsType[*failwell.Error](err)
			if !ok || e.Status != x.status || e.WireCode != x.code {
				t.Errorf("%+v", e)
			}
			if told := c.Explain(code); told.Code != x.code || told.Status != x.status || string(told.Retry) != x.retry || told.Remedy != x.remedy {
				t.Errorf("explained %+v", told)
			}
		})
	}
}
