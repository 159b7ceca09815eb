package failwelltest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/failwelltest"
)

// TestEveryErrorOfEveryContract: what is asked for by name is what a client reads,
// over a socket and without one.
func TestEveryErrorOfEveryContract(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c, err := builtin.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range c.Codes {
			reply := failwelltest.Reply{Code: code.Name}
			server, url := failwelltest.Start(t, c, reply)
			for _, client := range []*http.Client{
				{Transport: &failwell.Transport{Contract: c, MaxAttempts: 1}},
				{Transport: &failwell.Transport{Contract: c, MaxAttempts: 1, Base: &failwelltest.Server{Contract: c, Replies: []failwelltest.Reply{reply}}}},
			} {
				resp, err := client.Get(url + "/x")
				e, ok := errors.AsType[*failwell.Error](failwell.Check(resp, err))
				if !ok || !errors.Is(e, code) || e.Status != code.Status || e.RequestID == "" {
					t.Errorf("%s %s came back as %v", name, code.Name, e)
				}
			}
			if n := len(server.Requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		}
	}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	heppu, err := builtin.Get("heppu")
	if err != nil {
		t.Fatal(err)
	}
	_, url := failwelltest.Start(t, heppu,
		failwelltest.Reply{Break: true},
		failwelltest.Reply{Status: 503, Body: "<html>", Header: map[string]string{"Content-Type": "text/html"}},
		failwelltest.Reply{Code: "rate_limit_exceeded", RetryAfter: 1500 * time.Millisecond},
		failwelltest.Reply{Delay: time.Minute},
	)
	client := &http.Client{Transport: &failwell.Transport{Contract: heppu, MaxAttempts: 1}}
	var got []string
	for range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if len(got) < 3 {
			ctx, cancel = context.WithCancel(t.Context())
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		e, ok := errors.AsType[*failwell.Error](failwell.Check(resp, err))
		if !ok {
			t.Fatal("a success")
		}
		got = append(got, fmt.Sprintf("%s %d %v", e.Condition, e.Status, e.RetryAfter))
		cancel()
	}
	want := "upstream_unreachable 0 0s|unavailable 503 0s|rate_limited 429 2s|upstream_timeout 0 0s"
	if joined := strings.Join(got, "|"); joined != want {
		t.Errorf("got %s, want %s", joined, want)
	}
}

type fakeTB struct{ failed string }

func (*fakeTB) Helper() {}
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failed = fmt.Sprintf(format, args...)
	panic(f)
}
func (*fakeTB) Cleanup(func()) {}

// A typo ends the test that made it.
func TestUnknownCodes(t *testing.T) {
	t.Parallel()
	heppu, err := builtin.Get("heppu")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*failwelltest.Server{
		`failwelltest: reply 1: the contract heppu has no code "oops"`: {Contract: heppu},
		`failwelltest: reply 1: code "oops" needs a contract`:          {},
	} {
		tb := &fakeTB{}
		func() {
			defer func() { _ = recover() }()
			failwelltest.Start(tb, c.Contract, failwelltest.Reply{Code: "oops"})
		}()
		if tb.failed != want {
			t.Errorf("got %q, want %q", tb.failed, want)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	var clock failwelltest.Clock
	began := clock.Now()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := clock.Sleep(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := clock.Sleep(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	clock.Advance(time.Minute)
	if passed := clock.Now().Sub(began); passed != time.Hour+time.Minute || fmt.Sprint(clock.Waits()) != "[1h0m0s]" {
		t.Errorf("%v passed, waits %v", passed, clock.Waits())
	}
}
