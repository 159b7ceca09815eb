//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// history is all that a campaign has seen.
type history struct {
	calls      []*call
	accounts   []string
	executions []execution
	// seen are final observations of clients, and those of the last pass, in
	// which every call was made once more.
	seen []observation
	// trouble is when something was killed, stopped or away.
	trouble []span
}

// span is a stretch of time in which outcomes may get lost.
type span struct{ from, to time.Time }

// figures are what a report says of a campaign.
type figures struct {
	Calls, Observations, Executions, Refusals int
	Answered, Replayed, Unknown, Buried       int
	Mismatched                                int
	// UnknownExecuted of the unknown outcomes had been executed.
	UnknownExecuted int
	// Reexecuted counts executions after the first, where the policy allows them.
	Reexecuted int
}

// verdict is what the oracle finds.
type verdict struct {
	figures    figures
	violations []string
	// paid counts calls that took effect, doubtful those that did not and may
	// have been charged all the same, since nobody knows of them.
	paid, doubtful map[spent]int
}

type spent struct {
	account string
	policy  policy
}

// judge compares what was done with what was seen.
func (h *history) judge() *verdict {
	v := &verdict{paid: map[spent]int{}, doubtful: map[spent]int{}}
	done := map[scope][]*execution{}
	for i := range h.executions {
		e := &h.executions[i]
		done[e.scope()] = append(done[e.scope()], e)
	}
	seen := map[*call][]*observation{}
	for i := range h.seen {
		seen[h.seen[i].call] = append(seen[h.seen[i].call], &h.seen[i])
	}
	v.figures.Calls = len(h.calls)
	for _, c := range h.calls {
		s := scope{h.accounts[c.account], c.path(), c.key}
		k := &caseOf{history: h, verdict: v, call: c, scope: s, lines: done[s], seen: seen[c]}
		k.judge()
		delete(done, s)
	}
	for s, list := range done {
		v.violations = append(v.violations, fmt.Sprintf("%v: %d executions that nobody asked for", s, len(list)))
	}
	slices.Sort(v.violations)
	return v
}

// caseOf is all that is known of one call.
type caseOf struct {
	*history
	*verdict

	call  *call
	scope scope
	lines []*execution
	seen  []*observation
	// executions are those of lines that did something, in their order.
	executions []*execution
}

func (k *caseOf) wrong(format string, args ...any) {
	text := fmt.Sprintf("call %d (%s, account %s, key %s, answer %s, fault %q×%d): ",
		k.call.Call, k.call.policy, k.scope.account, k.scope.key, k.call.Answer, k.call.Fault, k.call.Faults)
	k.violations = append(k.violations, text+fmt.Sprintf(format, args...))
}

func (k *caseOf) judge() {
	slices.SortFunc(k.lines, func(a, b *execution) int { return cmp.Compare(a.At, b.At) })
	slices.SortFunc(k.seen, func(a, b *observation) int { return a.end.Compare(b.end) })
	for _, e := range k.lines {
		if e.Refused {
			k.figures.Refusals++
			continue
		}
		k.executions = append(k.executions, e)
	}
	k.figures.Executions += len(k.executions)
	k.figures.Observations += len(k.seen)
	k.count()
	k.once()
	k.same()
	k.mismatches()
}

// last is the execution whose answer counts, nil when there was none.
func (k *caseOf) last() *execution {
	if len(k.executions) == 0 {
		return nil
	}
	return k.executions[len(k.executions)-1]
}

func (k *caseOf) count() {
	unknownSeen := false
	for _, o := range k.seen {
		switch o.sort {
		case answered:
			k.figures.Answered++
			if o.replayed {
				k.figures.Replayed++
			}
		case unknown:
			k.figures.Unknown++
			unknownSeen = true
		case buried:
			k.figures.Buried++
		case mismatch:
			k.figures.Mismatched++
		case exhausted:
			k.wrong("had no final answer %v after the last trouble, %d attempts: %s %s", o.end.Sub(k.calm()).Round(time.Millisecond), o.attempts, o.code, o.detail)
		default:
			k.wrong("got something that the contract does not allow here: %s", o.detail)
		}
	}
	account := spent{k.scope.account, k.call.policy}
	switch {
	case len(k.executions) > 0 && k.call.Answer != invalid:
		k.paid[account]++ // once, however often it was repeated
	case unknownSeen:
		k.doubtful[account]++
	}
	if unknownSeen && len(k.executions) > 0 {
		k.figures.UnknownExecuted++
	}
}

// calm is when the last trouble ended.
func (h *history) calm() time.Time {
	if len(h.trouble) == 0 {
		return time.Time{}
	}
	return h.trouble[len(h.trouble)-1].to
}

// once: no key is executed twice, unless the operation opts into it and there
// was a reason; and never after somebody has had the final word.
func (k *caseOf) once() {
	if k.call.policy != reexecute && len(k.executions) > 1 {
		k.wrong("was executed %d times, at %s", len(k.executions), k.times())
	}
	for i := 1; i < len(k.executions); i++ {
		if k.call.policy != reexecute {
			break
		}
		k.figures.Reexecuted++
		if !k.excused(k.executions[i-1], time.Unix(0, k.executions[i].At)) {
			k.wrong("was executed again without a reason, at %s", k.times())
		}
	}
	for _, o := range k.seen {
		if o.sort != answered && o.sort != buried && o.sort != unknown {
			continue
		}
		for _, e := range k.executions {
			if e.At > o.end.UnixNano() {
				k.wrong("was executed %v after somebody had its final outcome (%s)", time.Duration(e.At-o.end.UnixNano()), o.sort)
			}
		}
		if o.sort == unknown && !k.doubted(o) {
			k.wrong("is said to be unknown, and nothing had gone wrong")
		}
	}
}

func (k *caseOf) times() string {
	list := make([]string, 0, len(k.executions))
	for _, e := range k.executions {
		list = append(list, fmt.Sprintf("%s(%d)", time.Unix(0, e.At).Format("15:04:05.000"), e.Order.Variant))
	}
	return strings.Join(list, " ")
}

// faulty reports whether the upstream was told to lose the outcome of e.
func (k *caseOf) faulty(e *execution) bool {
	return slices.Index(k.lines, e) < k.call.Faults && k.call.Fault != ""
}

// transit is how long a request may be on its way on a machine that is busy.
const transit = 2 * time.Second

// excused: the outcome of e may have got lost before the given instant.
func (k *caseOf) excused(e *execution, before time.Time) bool {
	at := time.Unix(0, e.At)
	done := at.Add(time.Duration(e.Order.Pause)*time.Millisecond + transit)
	if done.After(before) {
		done = before
	}
	return k.faulty(e) || k.troubled(at.Add(-transit), done)
}

func (k *caseOf) doubted(o *observation) bool {
	// It may have been recorded long before o, when another client called.
	first := o.start
	for _, other := range k.seen {
		if other.start.Before(first) {
			first = other.start
		}
	}
	return slices.ContainsFunc(k.executions, k.faulty) || k.troubled(first.Add(-transit), o.end)
}

func (h *history) troubled(from, to time.Time) bool {
	for _, t := range h.trouble {
		if t.from.Before(to) && t.to.After(from) {
			return true
		}
	}
	return false
}

// same: everybody who had a final answer had the same one, and it is the one
// that the upstream gave.
func (k *caseOf) same() {
	var first *observation
	fresh := 0
	last := k.last()
	long := k.call.Answer == big || k.call.Answer == streamed
	for _, o := range k.seen {
		if o.sort != answered && o.sort != unknown && o.sort != buried {
			continue
		}
		if o.sort == answered {
			k.answer(o, last)
			if !o.replayed {
				fresh++
			}
		}
		switch {
		case o.sort == buried && !long:
			k.wrong("was short enough to be kept, and is said not to be")
		case long && o.sort == answered && o.replayed:
			k.wrong("was replayed although it is longer than what is kept")
		case long && o.sort != unknown:
			// Whoever called first has the answer, the others a word of it.
			o = &observation{sort: buried}
		}
		if first == nil {
			first = o
			continue
		}
		if o.sort != first.sort || o.sort == answered && o.mark != first.mark {
			k.wrong("has two final outcomes: %s %q at %s (request %s), then %s %q at %s (request %s)",
				first.sort, first.mark, first.end.Format("15:04:05.000"), first.id, o.sort, o.mark, o.end.Format("15:04:05.000"), o.id)
		}
	}
	if fresh > len(k.executions) {
		k.wrong("was answered %d times as if done just now, and executed %d times", fresh, len(k.executions))
	}
}

func (k *caseOf) answer(o *observation, last *execution) {
	switch {
	case last == nil:
		k.wrong("was answered with %s, and never executed", o.nonce)
	case o.nonce != last.Nonce:
		k.wrong("was answered with %s, but the last execution is %s", o.nonce, last.Nonce)
	case o.variant != last.Order.Variant:
		k.wrong("payload %d got the answer to payload %d", o.variant, last.Order.Variant)
	}
}

// mismatches: only another payload is told so.
func (k *caseOf) mismatches() {
	last := k.last()
	for _, o := range k.seen {
		if o.sort != mismatch {
			continue
		}
		if k.call.other == 0 && o.variant == 0 {
			k.wrong("is told of another payload, and there is none")
		}
		if last != nil && last.Order.Variant == o.variant && !k.rivals(o) {
			k.wrong("the payload that was executed is told that it is another one")
		}
	}
}

// rivals: the key may have been the other payload's for a while.
func (k *caseOf) rivals(o *observation) bool {
	for _, e := range k.lines {
		if e.Refused && e.Order.Variant != o.variant {
			return true
		}
	}
	return k.troubled(o.start.Add(-transit), o.end)
}
