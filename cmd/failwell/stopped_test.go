package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// interrupts N [TWICE] starts a server at $API that answers 200 to everything.
// When its Nth request comes, it sends SIGINT to the process whose id is in the
// file pid, and does not answer; with TWICE once more when that has made the
// process give the request up.
func interrupts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: interrupts N [twice]")
	}
	after, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	pid := ts.MkAbs("pid")
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) != after {
			w.WriteHeader(http.StatusOK)
			return
		}
		interrupt(w, pid)
		<-r.Context().Done()
		if len(args) == 2 {
			interrupt(w, pid)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("API", server.URL)
}

// interrupt answers 500 when it cannot, which a script sees.
func interrupt(w http.ResponseWriter, file string) {
	text, err := os.ReadFile(file)
	if err == nil {
		var pid int
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			err = syscall.Kill(pid, syscall.SIGINT)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// The first signal ends the work in an orderly way; then Ctrl-C ends it at once,
// and a second SIGTERM, as supervisors send it, does not.
func TestASecondInterruptEndsAtOnce(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		signals []os.Signal
		want    []int
	}{
		"one":                {[]os.Signal{os.Interrupt}, nil},
		"two":                {[]os.Signal{os.Interrupt, os.Interrupt}, []int{exitStopped}},
		"asked for, pressed": {[]os.Signal{syscall.SIGTERM, os.Interrupt}, []int{exitStopped}},
		"asked for twice":    {[]os.Signal{syscall.SIGTERM, syscall.SIGTERM}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signals, exits := make(chan os.Signal), make(chan int, len(x.signals))
			ctx, ended := untilSignalled(context.Background(), signals, func(code int) { exits <- code })
			for i, s := range x.signals {
				if i == 0 && ctx.Err() != nil {
					t.Error("it is over before a signal came")
				}
				signals <- s
				<-ctx.Done()
			}
			close(signals)
			<-ended
			close(exits)
			var got []int
			for code := range exits {
				got = append(got, code)
			}
			if len(got) != len(x.want) || len(got) > 0 && got[0] != x.want[0] {
				t.Errorf("exits %v, want %v", got, x.want)
			}
		})
	}
}
