package failwell_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/failwell/failwell"
)

// A request that can never be sent is not sent again and again.
func TestHopelessRequests(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"scheme":       func(r *http.Request) { r.URL.Scheme = "ftp" },
		"no host":      func(r *http.Request) { r.URL.Host = "" },
		"header name":  func(r *http.Request) { r.Header["Bad Name"] = []string{"x"} },
		"header value": func(r *http.Request) { r.Header.Set("X", "a\nb") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				req := get(t.Context(), t)
				change(req)
				resp, err := (&failwell.Transport{Contract: parcels(), Base: &http.Transport{}}).RoundTrip(req)
				e := wanted(t, failwell.Check(resp, err))
				if len(e.Attempts) != 1 || e.Stopped != failwell.StopAdvice || e.Retryable() {
					t.Errorf("%d attempts: %+v", len(e.Attempts), e)
				}
			})
		})
	}
}

// Code between the call and Check may wrap what http.Client says.
func TestWrappedURLErrorIsClean(t *testing.T) {
	t.Parallel()
	inner := &url.Error{Op: "Get", URL: "https://parcels.example/parcels?pass=topsecret", Err: errors.New("reset")}
	err := failwell.CheckWith(parcels(), nil, fmt.Errorf("fetching: %w", inner))
	found, ok := errors.AsType[*url.Error](err)
	if !ok || strings.Contains(found.Error(), "topsecret") || !strings.Contains(found.URL, "pass=redacted") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("%v holds %v", err, found)
	}
}
