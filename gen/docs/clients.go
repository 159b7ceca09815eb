package docs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// clients is the guide to programs that call the API.
func (b *book) clients() *page {
	r := &b.contract.Client
	p := &page{Name: clientPage, Title: "Clients", Lead: plain("How a program should repeat calls, wait, and log.")}
	p.add("advice", "Advice", func(s *section) {
		items := make([]text, 0, len(r.Advice))
		for _, a := range r.Advice {
			items = append(items, plain(a))
		}
		s.list(items)
	})
	p.add("retries", "Retries", func(s *section) { b.retries(s) })
	p.add("waits", "Waits", func(s *section) { b.waitTable(s) })
	p.add("by-status", "Whether to repeat, by status", func(s *section) { s.table(b.byStatus()) })
	p.add("by-code", "Whether to repeat, by code", func(s *section) {
		t := &table{Caption: "Codes", Heads: []string{"Code", "Status", "Retry"}, Filtered: true}
		for _, c := range b.sorted() {
			t.Rows = append(t.Rows, []text{linked(c), chipText(classOf(c.Status), strconv.Itoa(c.Status)), b.advice(c)})
		}
		s.table(t)
	})
	p.add("classes", "Typed errors", func(s *section) { s.table(b.classes()) })
	p.add("log", "What to log", func(s *section) { s.say(codes(r.Log)) })
	p.add("friendly", "What to tell end users", func(s *section) { s.table(b.friendly()) })
	return p
}

func (b *book) retries(s *section) {
	r := &b.contract.Client
	_, network := adviceOf(r.Network)
	var timeout, longest text
	if r.Timeout > 0 {
		timeout = plain(brief(r.Timeout))
	}
	if r.MaxHint > 0 {
		longest = plain(brief(r.MaxHint) + "; a longer one ends the call at once")
	}
	hints := make([]text, 0, len(r.Hints))
	for _, h := range r.Hints {
		if h.Header != "" {
			hints = append(hints, plain("header ").and(mono(h.Header), plain(" ("+unitOf(string(h.Unit))+")")))
		} else {
			hints = append(hints, plain("member ").and(mono(strings.Join(h.Body, ".")), plain(" ("+unitOf(string(h.Unit))+")")))
		}
	}
	s.facts("Rules", [][2]text{
		{plain("Tries of one call, the first included"), number(r.Attempts)},
		{plain("Timeout of one try"), timeout},
		{plain("Where a response says how long to wait, in order of trust"), joined("; ", hints)},
		{plain("Longest wait that is obeyed"), longest},
		{plain("No response at all"), plain(network)},
	})
	s.say(plain("A write is repeated only when it is safe: the method is idempotent, an idempotency key goes along, or it is certain that nothing was sent."))
}

func unitOf(unit string) string {
	return map[string]string{
		"auto": "seconds or a date", "seconds": "seconds", "milliseconds": "milliseconds", "epoch_s": "seconds since 1970",
		"epoch_ms": "milliseconds since 1970", "http_date": "an HTTP date", "rfc3339": "a date and time", "duration": "a duration",
	}[unit]
}

func (b *book) waitTable(s *section) {
	r := &b.contract.Client
	growth := fmt.Sprintf("Without a hint the first wait is %s, and each further one %g times as long", brief(r.Backoff.First), max(r.Backoff.Factor, 1))
	if r.Backoff.Cap > 0 {
		growth += ", up to " + brief(r.Backoff.Cap)
	}
	switch j := r.Backoff.Jitter; {
	case j.High > 0 && j.Add > 0:
		growth += fmt.Sprintf(", times a random factor of %g to %g, plus up to %s at random", j.Low, j.High, brief(j.Add))
	case j.High > 0:
		growth += fmt.Sprintf(", times a random factor of %g to %g", j.Low, j.High)
	case j.Add > 0:
		growth += ", plus up to " + brief(j.Add) + " at random"
	}
	if r.Backoff.First > 0 {
		s.say(plain(growth + "."))
		t := &table{Caption: "Waits without a hint", Heads: []string{"Before retry", "Wait"}}
		for n := range max(r.Attempts-1, shownWaits) {
			t.Rows = append(t.Rows, []text{number(n + 1), between(r.Backoff.Wait(n, 0), r.Backoff.Wait(n, 1))})
		}
		s.table(t)
	}
	t := &table{Caption: "Waits that stand in for a missing hint", Heads: []string{"Status", "Wait"}}
	for _, status := range slices.Sorted(maps.Keys(r.DefaultWaits)) {
		t.Rows = append(t.Rows, []text{chipText(classOf(status), strconv.Itoa(status)), plain(brief(r.DefaultWaits[status]))})
	}
	s.table(t)
}

// byStatus is the advice for codes that are not in the catalogue: for statuses
// that the API names, and for others that differ from the rest of their class.
func (b *book) byStatus() *table {
	t := &table{Caption: "Statuses, where the code is none of these", Heads: []string{"Status", "Name", "Retry"}}
	row := func(status, name string, class int, r condition.Retry) {
		word, _ := adviceOf(r)
		t.Rows = append(t.Rows, []text{chipText(classOf(class), status), plain(name), chipText(kindOf(r), word)})
	}
	named := map[int]bool{}
	for _, r := range b.contract.Statuses {
		named[r.Status] = true
	}
	for _, c := range b.contract.Codes {
		for _, status := range exactly(c) {
			named[status] = true
		}
	}
	for class := 400; class < 600; class += 100 {
		rest := b.contract.RetryFor(nil, class+99)
		for status := class; status < class+100; status++ {
			if r := b.contract.RetryFor(nil, status); named[status] || r != rest {
				row(strconv.Itoa(status), reasonOf(b.contract, status), status, r)
			}
		}
		row("other "+classOf(class), "", class, rest)
	}
	return t
}

func (b *book) classes() *table {
	t := &table{Caption: "Errors of the API's own clients", Heads: []string{"Class", "Derives from", "Raised on", "Languages"}}
	for _, x := range b.contract.Client.Classes {
		on := append(make([]text, 0, 1+len(x.Conditions)), plain(rangesOf(x.Statuses)))
		for _, of := range x.Conditions {
			on = append(on, mono(string(of)))
		}
		t.Rows = append(t.Rows, []text{mono(x.Name), mono(x.Base), joined(", ", on), plain(strings.Join(x.Languages, ", "))})
	}
	return t
}

// friendly groups codes by what end users may be told.
func (b *book) friendly() *table {
	t := &table{Caption: "Texts for end users", Heads: []string{"Text", "Codes"}}
	rows := map[string]int{}
	add := func(texts []*contract.Text, who text) {
		for _, x := range texts {
			at, known := rows[x.String()]
			if !known {
				rows[x.String()] = len(t.Rows)
				t.Rows = append(t.Rows, []text{message(x), who})
				continue
			}
			t.Rows[at][1] = joined(", ", []text{t.Rows[at][1], who})
		}
	}
	for _, c := range b.sorted() {
		if len(c.Friendly) > 0 {
			add(c.Friendly, linked(c))
		} else {
			add(b.contract.Friendly, linked(c))
		}
	}
	add(b.contract.Friendly, plain("any code that is not listed"))
	return t
}
