package server

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract/condition"
)

func idempotencyRules() []rule {
	promised := func(path, text string) func(*checker) promise {
		return func(k *checker) promise {
			if k.contract.Idempotency.Header == "" {
				return promise{absent: "idempotency"}
			}
			text := strings.NewReplacer("$header", k.contract.Idempotency.Header, "$keep", span(k.contract.Idempotency.Keep)).Replace(text)
			return k.at(path, text)
		}
	}
	refusedAs := func(of condition.Condition, what string) func(*checker) promise {
		return func(k *checker) promise {
			code, status := k.contract.For(of)
			p := promised("idempotency", what+" is answered with "+named(status, code)+".")(k)
			if p.text != "" {
				p.pos = code.Pos
			}
			return p
		}
	}
	return []rule{
		{
			id: ruleKeySyntax, group: groupIdempotency, title: "an idempotency key that can be none is refused", severity: conform.Warning,
			promise: promised("idempotency.header", "$header of a length that a key can have; 4096 characters are none."),
			judge:   each(func(_ *checker, x *exchange) (bool, *fault) { return judgeRefused(ruleKeySyntax, x) }), idle: needsRefusals,
		},
		{
			id: ruleKeyRequired, group: groupIdempotency, title: "a call that needs an idempotency key is refused without", severity: conform.Error,
			promise: func(k *checker) promise {
				if k.contract.Idempotency.Header == "" {
					return promise{absent: "idempotency"}
				}
				for _, o := range k.contract.Operations {
					if o.Idempotency == "required" {
						return promise{text: k.contract.Idempotency.Header + " on every call of " + o.ID + ".", pos: o.Pos}
					}
				}
				return promise{absent: "operation with idempotency: required"}
			},
			judge: each(func(_ *checker, x *exchange) (bool, *fault) { return judgeRefused(ruleKeyRequired, x) }), idle: needsRefusals,
		},
		{
			id: "replay", group: groupIdempotency, title: "a repeated call gets the same answer", severity: conform.Error,
			promise: promised("idempotency", "The status and the bytes of the first answer for the same call under the same $header, for $keep."),
			judge:   each(judgeReplay), idle: needsWrites,
		},
		{
			id: "replay-marked", group: groupIdempotency, title: "an answer that is given once more says so", severity: conform.Error,
			promise: func(k *checker) promise {
				r := k.contract.Idempotency.Replayed
				if k.contract.Idempotency.Header == "" {
					return promise{absent: "idempotency"}
				}
				return k.place("idempotency.replayed", r.Name+": "+r.Value+" on answers that are given once more, and on no others.")
			},
			judge: each(judgeMarked), idle: needsWrites,
		},
		{
			id: "replay-mismatch", group: groupIdempotency, title: "another body under a used key is refused", severity: conform.Error,
			promise: refusedAs(condition.IdempotencyMismatch, "Another body under the same $header"),
			judge: each(func(k *checker, x *exchange) (bool, *fault) {
				return judgeMeans(k, x, kindOther, condition.IdempotencyMismatch)
			}), idle: needsWrites,
		},
		{
			id: "replay-path", group: groupIdempotency, title: "a key counts for one path", severity: conform.Error,
			promise: promised("idempotency", "The same $header at another path is a new one."),
			judge:   each(func(k *checker, x *exchange) (bool, *fault) { return judgeFresh(k, x, kindElsewhere) }),
			idle: func(k *checker) string {
				if why := needsWrites(k); why != "" {
					return why
				}
				return "needs a second operation that takes an idempotency key"
			},
		},
		{
			id: "replay-account", group: groupIdempotency, title: "a key counts for one account", severity: conform.Error,
			promise: promised("idempotency", "The same $header from another account is a new one."),
			judge:   each(func(k *checker, x *exchange) (bool, *fault) { return judgeFresh(k, x, kindAccount) }),
			idle: func(k *checker) string {
				if why := needsWrites(k); why != "" {
					return why
				}
				return "needs --state-key other=KEY"
			},
		},
		{
			id: "replay-at-once", group: groupIdempotency, title: "calls at the same time have one effect", severity: conform.Error,
			promise: func(k *checker) promise {
				text := "One answer for all calls at the same time under one $header."
				if k.contract.Idempotency.InFlight == "reject" {
					code, status := k.contract.For(condition.IdempotencyInProgress)
					text = "Of calls at the same time under one $header one is worked on; the others get its answer, or " + named(status, code) + "."
				}
				return promised("idempotency.in_flight", text)(k)
			},
			judge: judgeAtOnce, idle: needsWrites,
		},
	}
}

// span is a time in the largest unit that fits, as contracts have it.
func span(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.of && d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	return d.String()
}

// judgeRefused takes any refusal of the caller's own fault.
func judgeRefused(rule string, x *exchange) (bool, *fault) {
	if x.rule != rule || x.err != nil || x.status == http.StatusTooManyRequests {
		return false, nil
	}
	if x.status < http.StatusBadRequest || x.status >= http.StatusInternalServerError {
		return true, seen(x.outcome())
	}
	return true, nil
}

func judgeReplay(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindAgain || x.before == nil || x.err != nil || k.hindered(x) {
		return false, nil
	}
	first := x.before
	switch {
	case x.status != first.status:
		return true, seen(x.outcome() + " after " + statusText(first.status))
	case x.header.Get("Content-Type") != first.header.Get("Content-Type"):
		return true, seen("Content-Type " + cmp.Or(x.header.Get("Content-Type"), "none") + " after " + first.header.Get("Content-Type"))
	case !bytes.Equal(x.body, first.body):
		return true, seen("another body: " + difference(first.body, x.body))
	}
	return true, nil
}

// difference shows where two bodies part.
func difference(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(i-20, 0)
	return fmt.Sprintf("%q after %q", cut(string(b[min(from, len(b)):]), 40), cut(string(a[min(from, len(a)):]), 40))
}

func (k *checker) marked(x *exchange) bool {
	r := k.contract.Idempotency.Replayed
	return r.Name != "" && x.header.Get(r.Name) == r.Value
}

func judgeMarked(k *checker, x *exchange) (bool, *fault) {
	name := k.contract.Idempotency.Replayed.Name
	switch {
	case x.err != nil || name == "":
		return false, nil
	case x.kind == kindAgain && x.status == x.before.status && !k.marked(x):
		return true, seen(name + ": " + cmp.Or(x.header.Get(name), "none"))
	case x.kind == kindFirst && k.marked(x):
		return true, seen(name + ": " + x.header.Get(name) + " on the first answer")
	}
	return x.kind == kindAgain && x.status == x.before.status || x.kind == kindFirst, nil
}

func judgeMeans(k *checker, x *exchange, kind kind, of condition.Condition) (bool, *fault) {
	if x.kind != kind || x.err != nil || k.limited(x) || k.hindered(x) {
		return false, nil
	}
	code, _ := k.contract.For(of)
	if x.failed && x.failure.Code != nil && (x.failure.Code == code || x.failure.Code.Means(of)) {
		return true, nil
	}
	return true, seen(x.outcome())
}

// judgeFresh looks whether a call was taken for a repetition of another one.
func judgeFresh(k *checker, x *exchange, kind kind) (bool, *fault) {
	if x.kind != kind || x.err != nil || k.limited(x) || k.hindered(x) {
		return false, nil
	}
	switch {
	case k.marked(x):
		return true, seen("an answer that is given once more: " + x.outcome())
	case x.succeeded() && len(x.body) > 0 && x.before != nil && bytes.Equal(x.body, x.before.body):
		return true, seen("the answer of the other call, byte for byte")
	}
	for _, of := range []condition.Condition{
		condition.IdempotencyMismatch, condition.IdempotencyInProgress, condition.IdempotencyOutcomeUnknown, condition.IdempotencyNotReplayable,
	} {
		code, _ := k.contract.For(of)
		if x.failed && x.failure.Code == code && len(code.Is) > 0 && code.Is[0].Condition == of {
			return true, seen(x.outcome())
		}
	}
	return true, nil
}

func judgeAtOnce(k *checker, all []*exchange) (tried int, broken []fault) {
	var calls []*exchange
	var done *exchange
	for _, x := range all {
		if x.kind != kindAtOnce || x.err != nil {
			continue
		}
		calls = append(calls, x)
		if done == nil && x.succeeded() {
			done = x
		}
	}
	if len(calls) < 2 {
		return 0, nil
	}
	if done == nil {
		return len(calls), []fault{{x: calls[0], seen: "none of the calls succeeded: " + calls[0].outcome()}}
	}
	code, _ := k.contract.For(condition.IdempotencyInProgress)
	for _, x := range calls {
		waits := k.contract.Idempotency.InFlight == "reject" && x.failed && x.failure.Code != nil &&
			(x.failure.Code == code || x.failure.Code.Means(condition.IdempotencyInProgress))
		switch {
		case x == done || waits || k.limited(x) || k.hindered(x):
		case !x.succeeded():
			broken = append(broken, fault{x: x, seen: x.outcome(), with: others(calls, x)})
		case !bytes.Equal(x.body, done.body):
			broken = append(broken, fault{x: x, seen: "two answers: " + difference(done.body, x.body), with: others(calls, x)})
		}
		if len(broken) > 0 {
			break
		}
	}
	return len(calls), broken
}

func others(all []*exchange, but *exchange) (list []*exchange) {
	for _, x := range all {
		if x != but {
			list = append(list, x)
		}
	}
	return list
}
