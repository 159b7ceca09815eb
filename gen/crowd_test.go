package gen_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/failwell/failwell/conform/vectors"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
	"github.com/failwell/failwell/store/meter"
)

// crowd is processes that share a key, whose workers call again as soon as they
// have an answer: far more often than the limit admits, or that one client could.
// A program in the client's language plays it on a clock of its own, with a client
// for each process; the API is here.
type crowd struct {
	Processes int `json:"processes"`
	Workers   int `json:"workers"` // of each process
	Seconds   int `json:"seconds"`

	windowed bool
	// from is when they have learned their share, in seconds. Since then they are
	// held to a part of the limit, and to attempts for each success.
	from               int
	least, most, tries float64
}

// crowdLimit is what 10 s admit of a crowd.
const crowdLimit = 200

const crowdSpec = `
failwell: 1
api: crowd
envelopes: {standard: {body: {error: {code: $code, message: $message}}}}
client: {attempts: 4, backoff: {first: 1s, factor: 2}, hints: [{header: Retry-After}]}
headers: {rate_limit: {on: all, limit: X-RateLimit-Limit, remaining: X-RateLimit-Remaining, reset: X-RateLimit-Reset, reset_format: epoch_ms}}
plans: {only: {rate: {limit: %d, per: 10s, algorithm: %s}}}
errors:
  slow_down: {status: 429, is: [rate_limited], retry: after_wait, message: Slow down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  broken: {status: 500, is: [internal, unavailable], message: Broken.}
`

// crowdContracts are the two of crowds, by whether units come back all at once.
func crowdContracts() map[bool]*contract.Contract {
	return map[bool]*contract.Contract{
		false: contract.MustParse(fmt.Appendf(nil, crowdSpec, crowdLimit, "gcra")),
		true:  contract.MustParse(fmt.Appendf(nil, crowdSpec, crowdLimit, "window")),
	}
}

// crowds are some of those that the Go client is held to, by the same bars.
func crowds() map[string]*crowd {
	return map[string]*crowd{
		"each one caller": {Processes: 200, Workers: 1, Seconds: 90, from: 30, least: 0.98, most: 1.02, tries: 1.02},
		"each twenty":     {Processes: 10, Workers: 20, Seconds: 90, from: 30, least: 0.98, most: 1.02, tries: 1.02},
		"of a window":     {Processes: 200, Workers: 1, Seconds: 90, windowed: true, from: 30, least: 0.98, most: 1.02, tries: 1.15},
		"alone with many": {Processes: 1, Workers: 50, Seconds: 40, from: 15, least: 0.99, most: 1.01, tries: 1},
	}
}

// play lets a program play the crowd, and holds what it did to the bars.
func (x *crowd) play(t *testing.T, program, script, folder string) {
	t.Helper()
	text, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, filepath.Join("testdata", script), folder, string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	api := &crowdAPI{rule: meter.Rule{Limit: crowdLimit, Per: 10 * time.Second}, attempts: make([]int, x.Seconds), good: make([]int, x.Seconds)}
	if x.windowed {
		api.rule.Kind = meter.Window
	}
	api.keeper.Clock = func() time.Time { return api.now }
	if err := errors.Join(api.serve(t, in, out), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	goodput, tries := api.during(x.from, x.Seconds)
	began, first := api.during(0, x.from)
	t.Logf("%.1f %% of the limit, %.2f attempts a success; before %.1f %%, %.2f", 100*goodput, tries, 100*began, first)
	if goodput < x.least || goodput > x.most || tries > x.tries {
		t.Errorf("%.1f %% of the limit and %.2f attempts a success, want %v to %v in at most %v", 100*goodput, tries, x.least, x.most, x.tries)
	}
}

// crowdAPI answers as a gateway does: its own meter keeps the limit, and whoever is
// refused has an appointment.
type crowdAPI struct {
	keeper meter.Local
	rule   meter.Rule
	now    time.Time
	// attempts and good are those of each second.
	attempts, good []int
}

func (a *crowdAPI) serve(t *testing.T, answers io.Writer, calls io.Reader) error {
	t.Helper()
	lines, out := bufio.NewScanner(calls), json.NewEncoder(answers)
	for lines.Scan() {
		var call struct {
			At     int64  `json:"at_ns"`
			Caller uint32 `json:"caller"`
		}
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			return err
		}
		a.now = vectors.Start.Add(time.Duration(call.At))
		taking := meter.Taking{
			Owner: "key", Caller: call.Caller, Outcomes: make([]meter.Outcome, 1),
			Demands: []meter.Demand{{Limit: "plan/crowd/rate", Subject: "key", Rule: &a.rule, Cost: 1}},
		}
		if err := a.keeper.Take(t.Context(), &taking); err != nil {
			return err
		}
		second := call.At / int64(time.Second)
		a.attempts[second]++
		if taking.Admitted {
			a.good[second]++
		}
		if err := out.Encode(a.answer(&taking, call.At)); err != nil {
			return err
		}
	}
	return lines.Err()
}

type crowdAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// answer tells the reset by the program's own clock, which begins at 0.
func (a *crowdAPI) answer(taking *meter.Taking, at int64) *crowdAnswer {
	o := &taking.Outcomes[0]
	reset := (at + int64(o.Reset.Sub(a.now))) / int64(time.Millisecond)
	answer := &crowdAnswer{Status: 200, Body: "{}", Headers: map[string]string{
		"Content-Type": "application/json", "X-RateLimit-Limit": strconv.Itoa(crowdLimit),
		"X-RateLimit-Remaining": strconv.FormatInt(o.Remaining, 10), "X-RateLimit-Reset": strconv.FormatInt(reset, 10),
	}}
	if !taking.Admitted {
		answer.Status, answer.Body = 429, `{"error":{"code":"slow_down","message":"Slow down."}}`
		answer.Headers["Retry-After"] = strconv.Itoa(int(math.Ceil(o.RetryAfter.Seconds())))
	}
	return answer
}

// during returns the part of the limit that was used, and the attempts each success took.
func (a *crowdAPI) during(from, to int) (goodput, attempts float64) {
	tried, good := 0, 0
	for i := from; i < to; i++ {
		tried, good = tried+a.attempts[i], good+a.good[i]
	}
	return float64(good) / (crowdLimit / 10 * float64(to-from)), float64(tried) / float64(max(good, 1))
}

// TestPythonCrowdsLearnTheirShare: processes that know nothing of each other come
// about once for each call that gets in, and use all of the limit.
func TestPythonCrowdsLearnTheirShare(t *testing.T) {
	t.Parallel()
	folders := map[bool]string{}
	for windowed, c := range crowdContracts() {
		files, err := gen.Python(c, gen.Options{Package: "crowd_client"})
		if err != nil {
			t.Fatal(err)
		}
		folders[windowed] = t.TempDir()
		put(t, folders[windowed], files)
	}
	for name, x := range crowds() {
		t.Run(name, func(t *testing.T) {
			x.play(t, pythonTool(t, "python"), "python_crowd.py", folders[x.windowed])
		})
	}
}

// TestTypeScriptCrowdsLearnTheirShare is the same.
func TestTypeScriptCrowdsLearnTheirShare(t *testing.T) {
	t.Parallel()
	folders := map[bool]string{}
	for windowed, c := range crowdContracts() {
		folders[windowed] = t.TempDir()
		typeScriptPackage(t, c, folders[windowed])
	}
	for name, x := range crowds() {
		t.Run(name, func(t *testing.T) {
			x.play(t, "node", "typescript_crowd.mjs", folders[x.windowed])
		})
	}
}
