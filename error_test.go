package failwell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

var errPrivate = errors.New("pq: duplicate key on users_pkey at 10.0.0.7")

func TestErrorIsWhatItMeans(t *testing.T) {
	t.Parallel()
	c := parcels()
	bad, denied := c.MustCode("bad"), c.MustCode("denied")
	err := fmt.Errorf("while storing: %w", failwell.New(bad, errPrivate))
	for name, x := range map[string]struct {
		target error
		want   bool
	}{
		"its condition":      {failwell.RequestMalformed, true},
		"another condition":  {failwell.RateLimited, false},
		"the unknown":        {failwell.Unknown, false},
		"its code":           {bad, true},
		"another code":       {denied, false},
		"no code":            {(*contract.Code)(nil), false},
		"its cause":          {errPrivate, true},
		"another cause":      {context.Canceled, false},
		"another contract's": {parcels().MustCode("bad"), false},
	} {
		if got := errors.Is(err, x.target); got != x.want {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
	if e, ok := errors.AsType[*failwell.Error](err); !ok || e.Status != 400 || e.Retry != failwell.RetryNever {
		t.Errorf("got %+v", e)
	}
}

func TestOneConditionOfMany(t *testing.T) {
	t.Parallel()
	// The code stands for two; an error says which it was, or the first.
	e := failwell.New(parcels().MustCode("nobody"), nil)
	if !errors.Is(e, failwell.KeyUnknown) || errors.Is(e, failwell.KeyMissing) {
		t.Errorf("condition %q", e.Condition)
	}
}

func TestFromCondition(t *testing.T) {
	t.Parallel()
	e := failwell.FromCondition(failwell.Unavailable, errPrivate)
	if !errors.Is(e, failwell.Unavailable) || !e.Retryable() || e.Code != nil || e.Name() != "unavailable" {
		t.Errorf("got %+v", e)
	}
	if errors.Is(e, (*contract.Code)(nil)) {
		t.Error("an error without a code is no code's")
	}
	if e := failwell.New(nil, errPrivate); !errors.Is(e, failwell.Internal) || !errors.Is(e, errPrivate) {
		t.Errorf("without a code: %+v", e)
	}
}

// A handler may keep an error and refine it for each caller, at the same time.
func TestWithCopies(t *testing.T) {
	t.Parallel()
	shared := failwell.New(parcels().MustCode("bad"), nil).
		With("a", 1).With("b", 2).With("c", 3). // leaves spare capacity behind
		WithField("x", "m", "c").WithField("y", "m", "c").WithField("z", "m", "c")
	var group sync.WaitGroup
	made := make([]*failwell.Error, 50)
	for i := range made {
		group.Go(func() {
			made[i] = shared.With("field", i).WithField(fmt.Sprint("items.", i), "bad", "").WithRetryAfter(time.Duration(i))
		})
	}
	group.Wait()
	for i, e := range made {
		if v, _ := e.Param("field"); v != i || e.Fields[3].Name() != fmt.Sprint("items.", i) || e.RetryAfter != time.Duration(i) || !e.HasRetryAfter {
			t.Errorf("error %d holds %v, %v, %v", i, v, e.Fields, e.RetryAfter)
		}
	}
	if len(shared.Params) != 3 || len(shared.Fields) != 3 || shared.HasRetryAfter {
		t.Errorf("the shared error changed: %+v", shared.Failure)
	}
	if e := shared.WithRetryAfter(-time.Second); e.RetryAfter != 0 {
		t.Errorf("a negative wait became %v", e.RetryAfter)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	c := parcels()
	limited := func() *failwell.Error {
		e := failwell.New(c.MustCode("slow_down"), nil)
		e.Contract, e.Origin, e.RequestID = c, failwell.FromServer, "req_1"
		return e
	}
	budget := limited()
	budget.Attempts, budget.Stopped = make([]failwell.Attempt, 3), failwell.StopBudget
	spent := limited()
	spent.Attempts, spent.Stopped = make([]failwell.Attempt, 4), failwell.StopAttempts
	foreign := &failwell.Error{Origin: failwell.FromServer, URL: "https://api.example/x", Failure: contract.Failure{WireCode: "E42", Status: 418, Message: "Teapot."}}
	for want, e := range map[string]*failwell.Error{
		"bad (400): Bad.": failwell.New(c.MustCode("bad"), errPrivate),
		"parcels: slow_down (429): Too many calls. [request id req_1]":                                                       limited(),
		"parcels: slow_down (429): Too many calls. [request id req_1; 3 attempts; client side: the retry budget is used up]": budget,
		"parcels: slow_down (429): Too many calls. [request id req_1; 4 attempts]":                                           spent,
		"api.example: E42 (418): Teapot.":                                                                                    foreign,
		"failed":                                                                                                             {},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestPrivateCauseStaysInLogs(t *testing.T) {
	t.Parallel()
	e := failwell.New(parcels().MustCode("bad"), errPrivate)
	if text := fmt.Sprintf("%v %s %+v", e, e, e); strings.Contains(text, "users_pkey") {
		t.Errorf("the cause is in %q", text)
	}
	encoded, err := json.Marshal(e.Failure) //nolint:musttag // as nobody should, but somebody will
	if err != nil || bytes.Contains(encoded, []byte("users_pkey")) {
		t.Errorf("the cause is in %s (%v)", encoded, err)
	}
	if strings.Contains(e.Friendly(), "users_pkey") {
		t.Errorf("the cause is in %q", e.Friendly())
	}
	if logged := logLine(e); !strings.Contains(logged, "users_pkey") {
		t.Errorf("the cause is not in the log: %s", logged)
	}
}

func logLine(e *failwell.Error) string {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "error", e)
	return b.String()
}

func TestLogValue(t *testing.T) {
	t.Parallel()
	c := parcels()
	e := failwell.New(c.MustCode("slow_down"), nil).WithRetryAfter(7 * time.Second)
	e.Contract, e.Origin, e.RequestID, e.Method, e.URL = c, failwell.FromServer, "req_1", "POST", "https://parcels.example/v1/parcels"
	e.IdempotencyKey, e.Attempts, e.Stopped = "k1", make([]failwell.Attempt, 2), failwell.StopBudget
	var got struct {
		Error map[string]any `json:"error"`
	}
	if err := json.Unmarshal([]byte(logLine(e)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"origin": "server", "condition": "rate_limited", "api": "parcels", "code": "slow_down", "status": 429.0, "message": "Too many calls.",
		"method": "POST", "endpoint": "https://parcels.example/v1/parcels", "request_id": "req_1", "idempotency_key": "k1",
		"retry": "after_wait", "retry_after": 7e9, "attempts": 2.0, "stopped": "budget",
	}
	if fmt.Sprint(got.Error) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got.Error, want)
	}
}

func TestFriendly(t *testing.T) {
	t.Parallel()
	c := parcels()
	for name, x := range map[string]struct {
		e    *failwell.Error
		want string
	}{
		"the contract's": {failwell.New(c.MustCode("slow_down"), nil), "Please slow down."},
		"worth a try":    {failwell.New(c.MustCode("down"), nil), "The service cannot do this at the moment. Please try again in a while."},
		"server's fault": {failwell.New(c.MustCode("hopeless"), nil), "The service could not do this. Please try again later."},
		"caller's fault": {failwell.New(c.MustCode("bad"), nil), "The service did not accept this request."},
	} {
		if got := x.e.Friendly(); got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

func TestCheckWithoutTransport(t *testing.T) {
	t.Parallel()
	timeout := &url.Error{Op: "Get", URL: "https://user:hunter22@api.example/x?api_key=sk_secret_1&sig=tiny&page=2", Err: context.DeadlineExceeded}
	e := wanted(t, failwell.Check(nil, timeout))
	if !errors.Is(e, context.DeadlineExceeded) || !errors.Is(e, failwell.UpstreamTimeout) || !e.Timeout() || e.Origin != failwell.FromClient || e.Method != http.MethodGet || e.Status != 0 {
		t.Errorf("got %+v", e)
	}
	if want := "https://redacted@api.example/x?api_key=redacted&sig=redacted&page=2"; e.URL != want {
		t.Errorf("address %q, want %q", e.URL, want)
	}
	for _, text := range []string{e.Error(), logLine(e), errors.Unwrap(e).Error()} {
		if strings.Contains(text, "sk_secret_1") || strings.Contains(text, "tiny") || strings.Contains(text, "hunter22") {
			t.Errorf("a credential is in %s", text)
		}
	}
	refused := fmt.Errorf("calling: %w", &url.Error{Op: "Post", URL: "https://api.example/?token=abcdefgh", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}})
	e = wanted(t, failwell.Check(nil, refused))
	if op, ok := errors.AsType[*net.OpError](e); !ok || op.Op != "dial" || strings.Contains(e.Error(), "abcdefgh") || !errors.Is(e, failwell.UpstreamUnreachable) {
		t.Errorf("got %v", e)
	}
	if e := wanted(t, failwell.Check(nil, nil)); !errors.Is(e, failwell.ErrNoResponse) {
		t.Errorf("got %v", e)
	}
	if e := wanted(t, failwell.Check(nil, context.Canceled)); !errors.Is(e, context.Canceled) || e.Condition != failwell.Unknown || e.Retryable() {
		t.Errorf("a cancelled call: %+v", e)
	}
}
