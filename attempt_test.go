package failwell_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell"
)

// A repetition is decided before all of a failure is read, and a success after it
// leaves that to whoever asks: several at once, long afterwards.
func TestAttemptsAreReadWhenAskedFor(t *testing.T) {
	t.Parallel()
	const secret = "parcels_live_0123456789abcdef"
	for name, padding := range map[string]int{"short": 0, "long": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			base := roundTripper(func(req *http.Request) (*http.Response, error) {
				if calls++; calls == 3 {
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
				}
				body := `{"error":{"code":"` + secret + `","message":"No."}}` + strings.Repeat(" ", padding)
				return &http.Response{
					StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Request-Id": {"req-" + secret}},
					Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
				}, nil
			})
			transport := &failwell.Transport{Contract: parcels(), Base: base, Sleep: noWait}
			req := post(t.Context(), t, "/v1/parcels")
			req.Header = http.Header{"Authorization": {"Bearer " + secret}, "Idempotency-Key": {"k"}}
			resp, err := transport.RoundTrip(req)
			if err := failwell.Check(resp, err); err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer somebody-elses")
			var group sync.WaitGroup
			got := make([][]failwell.Attempt, 4)
			for i := range got {
				group.Go(func() { got[i] = failwell.Attempts(resp) })
			}
			group.Wait()
			for i, attempts := range got {
				if len(attempts) != 3 || attempts[0].Status != 503 || attempts[2].Status != 200 || attempts[2].Code != "" {
					t.Fatalf("%+v", attempts)
				}
				for _, a := range attempts[:2] {
					if a.Code != "[redacted]" || a.RequestID != "req-[redacted]" || a.Reason != "[redacted] (503)" {
						t.Errorf("%+v", a)
					}
				}
				if diff := cmp.Diff(got[0], attempts); diff != "" {
					t.Errorf("asked %d times\n%s", i+1, diff)
				}
			}
		})
	}
}
