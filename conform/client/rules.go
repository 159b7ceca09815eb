package client

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// rule is one thing that a contract asks of clients, and how runs are held
// against it.
type rule struct {
	id, group, title string
	severity         conform.Severity
	// promise is the rule in the contract's words, and where it says so; "" where
	// it does not, and then why.
	promise func(*checker) (text, why string, path []string)
	// judge looks at one run; tried is false where the run does not speak of it.
	judge func(*checker, *run) (tried bool, seen string)
	// all looks at all runs of the rule's aim together, in place of judge.
	all func(*checker, []*run) (tried int, seen string, of *run)
	// idle says why no run spoke of it.
	idle string
	// byScenario: what a scenario is about says the promise more closely.
	byScenario bool
}

// Slack of measured times: a wait counts from the answer's departure, and
// programs and this machine take their time.
const (
	early    = 30 * time.Millisecond
	lastWait = 400 * time.Millisecond
)

func rules() []rule {
	return []rule{
		{
			id: "repeats", group: "retries", title: "what may pass is tried again", severity: conform.Error,
			promise: (*checker).promiseRetry, judge: judgeRepeats, idle: "no call was safe to repeat",
		},
		{
			id: "stops", group: "retries", title: "what cannot succeed is not tried again", severity: conform.Error,
			promise: always("codes that say never or after_action are not repeated", "errors"), judge: judgeStops, idle: "no such code", byScenario: true,
		},
		{
			id: "success-once", group: "retries", title: "a success is one, and not repeated", severity: conform.Error,
			promise: always("a call that has succeeded is over, whichever 2xx says so", "errors"), judge: judgeSuccess,
		},
		{
			id: "attempts", group: "retries", title: "no more tries than asked for", severity: conform.Error,
			promise: (*checker).promiseAttempts, judge: judgeAttempts,
		},
		{
			id: "dead-server", group: "retries", title: "a dead server is not stormed", severity: conform.Error,
			promise: (*checker).promiseDead, judge: judgeDead,
		},
		{
			id: "hint", group: "waits", title: "waits last as long as the response says", severity: conform.Error,
			promise: (*checker).promiseHint, judge: judgeHint, idle: "nothing was repeated after a hint", byScenario: true,
		},
		{
			id: "hint-too-long", group: "waits", title: "a wait that is too long ends the call", severity: conform.Warning,
			promise: (*checker).promiseLong, judge: judgeLong,
		},
		{
			id: "backoff", group: "waits", title: "waits grow as asked for", severity: conform.Error,
			promise: (*checker).promiseBackoff, judge: judgeBackoff, idle: "nothing was repeated",
		},
		{
			id: "jitter", group: "waits", title: "waits are spread", severity: conform.Error,
			promise: (*checker).promiseJitter, all: judgeJitter, idle: "nothing was repeated",
		},
		{
			id: "last-wait", group: "waits", title: "nobody waits after the last try", severity: conform.Warning,
			promise: always("a call that is not repeated ends at once", "client", "attempts"), judge: judgeLastWait, idle: "nothing was repeated",
		},
		{
			id: "unsafe", group: "writes", title: "no write is repeated that may have been done", severity: conform.Error,
			promise: (*checker).promiseUnsafe, judge: judgeUnsafe, idle: "each call is safe to repeat",
		},
		{
			id: "same-key", group: "writes", title: "all tries of a call have the same idempotency key", severity: conform.Error,
			promise: (*checker).promiseKey, judge: judgeSameKey, idle: "no repeated call has a key",
		},
		{
			id: "key-sent", group: "writes", title: "writes have an idempotency key", severity: conform.Warning,
			promise: (*checker).promiseKey, judge: judgeKeySent, idle: "no call that honours one",
		},
		{
			id: "same-request", group: "writes", title: "each try is the same request", severity: conform.Error,
			promise: always("a repetition is the same request: method, target, body and credentials", "client"), judge: judgeSameRequest, idle: "nothing was repeated",
		},
		{
			id: "odd-body", group: "failures", title: "a failure in any body is a failure", severity: conform.Error,
			promise: always("a status of failure is one whatever the body says or lacks", "client", "statuses"), judge: judgeOdd, idle: "no such scenario was played",
		},
		{
			id: "told", group: "failures", title: "a failure is told", severity: conform.Error,
			promise: always("a call that has failed does not end as if it had succeeded", "errors"), judge: judgeTold, idle: "no call failed for good",
		},
		{
			id: "request-id", group: "failures", title: "the request id is told", severity: conform.Warning,
			promise: (*checker).promiseID, judge: judgeID, idle: "no call failed for good",
		},
		{
			id: "ends", group: "failures", title: "the call comes to an end", severity: conform.Error,
			promise: (*checker).promiseEnds, judge: judgeEnds,
		},
		{
			id: "key-at-home", group: "connections", title: "the API key stays with the API", severity: conform.Error,
			promise: (*checker).promiseHome, judge: judgeHome, idle: "no redirect to another host was followed",
		},
		{
			id: "reuse", group: "connections", title: "connections are used again", severity: conform.Warning,
			promise: always("an answer is read, or left behind for good reason, so that its connection can be used again", "client"), all: judgeReuse, idle: "nothing was repeated",
		},
	}
}

func always(text string, path ...string) func(*checker) (string, string, []string) {
	return func(*checker) (string, string, []string) { return text, "", path }
}

func (k *checker) promiseRetry() (text, why string, path []string) {
	if code := k.passing(); code != nil {
		return fmt.Sprintf("%s is worth another try: %s", code.Error(), k.contract.RetryFor(code, code.Status)), "", []string{"errors", code.Name, "retry"}
	}
	return "", "the contract has no code that passes by itself", nil
}

func (k *checker) promiseAttempts() (text, why string, path []string) {
	return fmt.Sprintf("%d tries at most, the first included", k.contract.Client.Attempts), "", []string{"client", "attempts"}
}

func (k *checker) promiseDead() (text, why string, path []string) {
	return fmt.Sprintf("without a response %s, with waits of %s or more in between, and %d tries at most",
		k.contract.Client.Network, k.contract.Client.Backoff.Wait(0, 0), k.contract.Client.Attempts), "", []string{"client", "network"}
}

func (k *checker) promiseHint() (text, why string, path []string) {
	places := make([]string, 0, len(k.contract.Client.Hints))
	for _, h := range k.contract.Client.Hints {
		where := h.Header
		if where == "" {
			where = strings.Join(h.Body, ".")
		}
		places = append(places, fmt.Sprintf("%s (%s)", where, h.Unit))
	}
	if len(places) == 0 {
		return "", "the contract names no hints", nil
	}
	return "a refusal is not repeated before the instant that it names in " + strings.Join(places, ", "), "", []string{"client", "hints"}
}

func (k *checker) promiseLong() (text, why string, path []string) {
	if m := k.contract.Client.MaxHint; m > 0 {
		return fmt.Sprintf("no wait of more than %s, and no try before its time", m), "", []string{"client", "max_hint"}
	}
	return "nobody sleeps for a day, or comes back before the day is over", "", []string{"client", "hints"}
}

func (k *checker) promiseBackoff() (text, why string, path []string) {
	b := &k.contract.Client.Backoff
	text = fmt.Sprintf("waits of %s and more, %g times as long from try to try", b.Wait(0, 0), b.Factor)
	if b.Cap > 0 {
		text += ", up to " + b.Cap.String()
	}
	return text, "", []string{"client", "backoff"}
}

func (k *checker) promiseJitter() (text, why string, path []string) {
	if width := k.jitterWidth(); width > 0 {
		b := &k.contract.Client.Backoff
		return fmt.Sprintf("first waits are spread from %s to %s", b.Wait(0, 0), b.Wait(0, 1)), "", []string{"client", "backoff", "jitter"}
	}
	return "", "the contract asks for no jitter", nil
}

func (k *checker) jitterWidth() time.Duration {
	b := &k.contract.Client.Backoff
	return b.Wait(0, 1) - b.Wait(0, 0)
}

func (k *checker) promiseUnsafe() (text, why string, path []string) {
	if harmless(k.first.method) {
		return "", "the program only reads", nil
	}
	text = k.first.method + " without an idempotency key is not repeated once it may have been done"
	if k.contract.Idempotency.Header == "" {
		text = k.first.method + " is not repeated once it may have been done"
	}
	return text, "", []string{"idempotency"}
}

func (k *checker) promiseKey() (text, why string, path []string) {
	i := &k.contract.Idempotency
	switch {
	case i.Header == "":
		return "", "the contract honours no idempotency keys", nil
	case harmless(k.first.method):
		return "", "the program only reads", nil
	}
	return fmt.Sprintf("%s on %s, the same on all tries of a call", i.Header, strings.Join(i.Methods, ", ")), "", []string{"idempotency"}
}

func (k *checker) promiseID() (text, why string, path []string) {
	return fmt.Sprintf("the id of a failure, as in %s, is shown or logged, for support asks for it", k.contract.Headers.RequestID.Name), "", []string{"headers", "request_id"}
}

func (k *checker) promiseEnds() (text, why string, path []string) {
	return fmt.Sprintf("a call ends after %d tries and their waits", k.contract.Client.Attempts), "", []string{"client", "attempts"}
}

func (k *checker) promiseHome() (text, why string, path []string) {
	if len(k.contract.Auth.Schemes) == 0 {
		return "", "the contract asks for no key", nil
	}
	return "the key goes to the API, and to no host that it leads to", "", []string{"auth", "schemes"}
}

// judge holds all runs against all rules.
func (k *checker) judge() []conform.Check {
	all := rules()
	list := make([]conform.Check, 0, len(all))
	for i := range all {
		r := &all[i]
		check := conform.Check{Rule: conform.Rule{ID: r.id, Group: r.group, Title: r.title, Severity: r.severity}}
		text, why, path := r.promise(k)
		if text == "" {
			check.Skipped = why
			list = append(list, check)
			continue
		}
		check.Promise = text
		check.Pos, _ = k.contract.Place(path...)
		k.hold(r, &check)
		if check.Tried == 0 && check.Findings == nil {
			check.Skipped = r.idle
			if len(k.config.Scenarios) > 0 {
				check.Skipped = "not among the scenarios"
			}
			if k.stopped {
				check.Skipped = "the check was stopped before"
			}
		}
		list = append(list, check)
	}
	return list
}

func (k *checker) hold(r *rule, check *conform.Check) {
	if r.all != nil {
		tried, seen, of := r.all(k, k.runs)
		check.Tried = tried
		if seen != "" {
			check.Findings = append(check.Findings, k.finding(r, of, seen))
		}
		return
	}
	told := map[string]bool{}
	for _, run := range k.runs {
		tried, seen := r.judge(k, run)
		if !tried {
			continue
		}
		check.Tried++
		if seen != "" && !told[run.scenario.name] { // several runs of a scenario say the same
			told[run.scenario.name] = true
			check.Findings = append(check.Findings, k.finding(r, run, seen))
		}
	}
}

func (k *checker) finding(of *rule, r *run, seen string) conform.Finding {
	f := conform.Finding{
		Subject: r.scenario.subject, Seen: seen, Evidence: r.timeline(k.contract.Idempotency.Header),
		Reproduce: fmt.Sprintf("failwell check client --contract %s --scenario %s -- %s", k.config.Name, r.scenario.name, commandLine(k.config.Command)),
	}
	if r.scenario.path != nil && of.byScenario {
		f.Pos, _ = k.contract.Place(r.scenario.path...)
	}
	return f
}

// tries are the attempts of the call that came first.
func (r *run) tries() []attempt {
	var list []attempt
	for _, a := range r.attempts {
		if a.call() == r.attempts[0].call() {
			list = append(list, a)
		}
	}
	return list
}

// safe reports whether a repetition of a request can do nothing twice: nothing
// was done, or it is repeatable.
func (k *checker) safe(r *run, a *attempt) bool { return r.scenario.refused || k.repeatable(r, a) }

// repeatable reports whether a request may be sent again whatever became of it. A
// client that goes by nothing else is careful, not wrong.
func (k *checker) repeatable(r *run, a *attempt) bool {
	switch {
	case harmless(a.method):
		return true
	case k.keyOf(a) != "":
		return true
	case r.scenario.advice == "same_key":
		return false
	case a.method == http.MethodPut || a.method == http.MethodDelete: // RFC 9110 section 9.2.2
		return true
	}
	o := k.operation(a)
	return o != nil && o.Safe
}

// keyOf is the idempotency key of a request, where the contract honours one.
func (k *checker) keyOf(a *attempt) string {
	i := &k.contract.Idempotency
	if i.Header == "" || !slices.Contains(i.Methods, a.method) {
		return ""
	}
	if o := k.operation(a); o != nil && o.Idempotency == "off" {
		return ""
	}
	return a.header.Get(i.Header)
}

// operation is the contract's operation that a request is for, nil where it lists none.
func (k *checker) operation(a *attempt) *contract.Operation {
	path, _, _ := strings.Cut(a.uri, "?")
	steps := strings.Split(path, "/")
	for _, o := range k.contract.Operations {
		pattern := strings.Split(o.Path, "/")
		if o.Method != a.method || len(pattern) > len(steps) {
			continue
		}
		rest := strings.HasSuffix(o.Path, "...}")
		if len(pattern) != len(steps) && !rest {
			continue
		}
		fits := true
		for i, step := range pattern {
			fits = fits && (step == steps[i] || strings.HasPrefix(step, "{"))
		}
		if fits {
			return o
		}
	}
	return nil
}

// tells reports whether the program's output has a text in it.
func (r *run) tells(text string) bool { return text != "" && bytes.Contains(r.output, []byte(text)) }
