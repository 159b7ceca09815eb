package failwell_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
)

// cannedBase answers without a network, so that only what is put on top of it is
// counted.
type cannedBase struct{ resp *http.Response }

func (b *cannedBase) RoundTrip(*http.Request) (*http.Response, error) { return b.resp, nil }

// TestSuccessCostsNothing is the promise in Transport's documentation. What an
// idempotency key and a time limit cost is held here as well.
func TestSuccessCostsNothing(t *testing.T) {
	// Not JSON: this contract puts failures into a 200, which costs a look at it.
	base := &cannedBase{&http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: http.NoBody}}
	told := &cannedBase{&http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{
		"Content-Type": {"application/json"}, "Date": {"Mon, 02 Nov 2026 10:00:00 GMT"},
		"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"999"}, "X-Ratelimit-Reset": {"1793613600"},
		"Ratelimit-Policy": {`"a";q=1000;w=60`}, "Ratelimit": {`"a";r=999;t=60`},
	}}}
	for name, x := range map[string]struct {
		method    string
		transport *failwell.Transport
		most      float64
	}{
		"GET":               {http.MethodGet, &failwell.Transport{Contract: parcels(), Base: base}, 0},
		"GET, no contract":  {http.MethodGet, &failwell.Transport{Base: base}, 0},
		"POST, no contract": {http.MethodPost, &failwell.Transport{Base: base}, 0},
		"POST, no keys":     {http.MethodPost, &failwell.Transport{Contract: parcels(), Base: base, NoKeys: true}, 0},
		"POST with a key":   {http.MethodPost, &failwell.Transport{Contract: parcels(), Base: base}, 5}, // 4 without the race detector
		"GET, paced":        {http.MethodGet, &failwell.Transport{Contract: pacedBy(forms()["epoch_s"].names, "window"), Base: told}, 0},
		"GET, nothing told": {http.MethodGet, &failwell.Transport{Contract: pacedBy(forms()["epoch_s"].names, "window"), Base: base}, 0},
		"GET, IETF fields":  {http.MethodGet, &failwell.Transport{Contract: pacedBy(forms()["ietf"].names, "window"), Base: told}, 0},
	} {
		req, err := http.NewRequestWithContext(context.Background(), x.method, "https://parcels.example/v1/parcels", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() {
			resp, err := x.transport.RoundTrip(req)
			if failwell.Check(resp, err) != nil {
				t.Fatal("failed")
			}
		})
		if got > x.most {
			t.Errorf("%s: %v allocations over the base transport's, want at most %v", name, got, x.most)
		}
	}
}

// TestSecondTryCostsLittle bounds what a call takes that got in at the second try,
// with a credential, a key, and a failure that the contract explains.
func TestSecondTryCostsLittle(t *testing.T) {
	transport := &failwell.Transport{Contract: parcels(), Base: &relapsing{}, Budget: failwell.Budget{Ratio: 1}, Sleep: noWait}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://parcels.example/v1/parcels", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
	req.Header.Set("Authorization", "Bearer parcels_live_0123456789abcdef")
	got := testing.AllocsPerRun(100, func() {
		resp, err := transport.RoundTrip(req)
		if failwell.Check(resp, err) != nil || len(failwell.Attempts(resp)) != 2 {
			t.Fatal("failed, or not at the second try")
		}
	})
	if most := 22.0; got > most {
		t.Errorf("%v allocations, want at most %v", got, most)
	}
}

// BenchmarkAdded is what a transport adds to a call whose base takes no time.
func BenchmarkAdded(b *testing.B) {
	plain := &cannedBase{&http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Body: http.NoBody}}
	told := &cannedBase{&http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{
		"Content-Type": {"application/json"}, "Date": {"Mon, 02 Nov 2026 10:00:00 GMT"},
		"X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Remaining": {"999"}, "X-Ratelimit-Reset": {"1793613600"},
	}}}
	paced := pacedBy(forms()["epoch_s"].names, "window")
	for _, x := range []struct {
		name string
		base http.RoundTripper
	}{
		{"bare", plain},
		{"no contract", &failwell.Transport{Base: plain}},
		{"nothing told of a limit", &failwell.Transport{Base: plain, Contract: paced, NoKeys: true}},
		{"paced", &failwell.Transport{Base: told, Contract: paced, NoKeys: true}},
		{"with a key", &failwell.Transport{Base: plain, Contract: parcels()}},
		{"with a time limit", &failwell.Transport{Base: plain, AttemptTimeout: 1 << 40}},
		{"at the second try", &failwell.Transport{Base: &relapsing{}, Budget: failwell.Budget{Ratio: 1}, Random: func() float64 { return 0 }, Sleep: noWait}},
	} {
		b.Run(x.name, func(b *testing.B) {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://parcels.example/v1/parcels", strings.NewReader("x"))
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(x.name, "at the second") {
				req.Header.Set("Idempotency-Key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
				req.Header.Set("Authorization", "Bearer parcels_live_0123456789abcdef")
			}
			b.ReportAllocs()
			for b.Loop() {
				resp, err := x.base.RoundTrip(req)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp, err)
				}
			}
		})
	}
}

// relapsing fails every other call.
type relapsing struct{ calls int }

func (r *relapsing) RoundTrip(*http.Request) (*http.Response, error) {
	if r.calls++; r.calls%2 == 0 {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	}
	const body = `{"error":{"code":"broken","message":"Broken."},"request_id":"req_1"}`
	return &http.Response{
		StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func noWait(context.Context, time.Duration) error { return nil }

// BenchmarkSuccess compares a 1 KiB POST with a bare http.Client on loopback.
func BenchmarkSuccess(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "fine")
	}))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	body := strings.Repeat("x", 1<<10)
	for _, x := range []struct {
		name string
		base http.RoundTripper
	}{
		{"bare", base},
		{"transport", &failwell.Transport{Base: base}},
		{"with a key", &failwell.Transport{Base: base, Contract: parcels()}},
		{"with a time limit", &failwell.Transport{Base: base, AttemptTimeout: 1 << 40}},
	} {
		b.Run(x.name, func(b *testing.B) {
			client := &http.Client{Transport: x.base}
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+"/parcels", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				resp, err := client.Do(req)
				if err := failwell.Check(resp, err); err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}
