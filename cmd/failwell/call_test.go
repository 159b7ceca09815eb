package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/failwelltest"
)

// answering is a server that a script has started; see answers.
type answering struct{}

// answers CONTRACT FILE starts a server at $API that plays the replies in FILE,
// a JSON list, and ends with the script.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers CONTRACT FILE")
	}
	c, err := builtin.Get(args[0])
	ts.Check(err)
	server := &failwelltest.Server{Contract: c}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &server.Replies)) //nolint:musttag // a script writes the names of the fields
	listening := httptest.NewServer(server)
	ts.Defer(listening.Close)
	ts.Setenv("API", listening.URL)
	held, _ := ts.Value(answering{}).(*[]*failwelltest.Server)
	*held = append(*held, server)
}

// received FILE writes down what the latest server was sent: method, path, body,
// and the ordinal of the idempotency key.
func received(ts *testscript.TestScript, neg bool, args []string) {
	held, _ := ts.Value(answering{}).(*[]*failwelltest.Server)
	if neg || len(args) != 1 || len(*held) == 0 {
		ts.Fatalf("usage: received FILE, after answers")
	}
	var b strings.Builder
	keys := map[string]int{}
	for _, r := range (*held)[len(*held)-1].Requests() {
		key := "no key"
		if k := r.Header.Get("Idempotency-Key"); k != "" {
			if keys[k] == 0 {
				keys[k] = len(keys) + 1
			}
			key = fmt.Sprint("key ", keys[k])
		}
		fmt.Fprintf(&b, "%s %s %q, %s, %s\n", r.Method, r.Path, r.Body, r.Header.Get("Content-Type"), key)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// Each condition of the vocabulary belongs to a class, so that a script can rely
// on the exit status.
func TestExitOfEveryCondition(t *testing.T) {
	t.Parallel()
	for _, known := range condition.All() {
		e := failwell.FromCondition(known.Condition, nil)
		e.Origin, e.Status = failwell.FromServer, known.Status
		got := exitOf(e)
		switch caller := known.Fault == condition.FaultCaller; {
		case known.Condition == failwell.IdempotencyOutcomeUnknown:
			if got != exitUnknownOutcome {
				t.Errorf("%s is %d", known.Condition, got)
			}
		case caller && got != exitAccess && got != exitRequest && got != exitLimit, !caller && got != exitServer && got != exitLimit:
			t.Errorf("%s is %d, and its fault %s", known.Condition, got, known.Fault)
		}
	}
	for want, e := range map[int]*failwell.Error{
		exitNoAnswer:       {Origin: failwell.FromClient, Stopped: failwell.StopAttempts},
		exitUnknownOutcome: {Origin: failwell.FromClient, Stopped: failwell.StopUnsafe},
		exitFailed:         {Origin: failwell.FromClient, Stopped: failwell.StopCancelled},
	} {
		if got := exitOf(e); got != want {
			t.Errorf("%s is %d, want %d", e.Stopped, got, want)
		}
	}
}
