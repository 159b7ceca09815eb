package compat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
)

// Finding is one change.
type Finding struct {
	Rule
	// Subjects are what changed, as in "code rate_limited"; several where the
	// same happened to all of them.
	Subjects []string
	// What happened to them, as in "status 429 became 503".
	What string
	// Pos is where the new contract says so, or would: of the first subject.
	Pos contract.Position
}

// Subject is all of the subjects as a part of a sentence.
func (f *Finding) Subject() string {
	const shown = 3
	if len(f.Subjects) <= shown {
		return strings.Join(f.Subjects, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(f.Subjects[:shown], ", "), len(f.Subjects)-shown)
}

// Sentence is the subject and what happened to it.
func (f *Finding) Sentence() string {
	verb, _, _ := strings.Cut(f.What, " ")
	if slices.Contains([]string{"is", "are", "may", "asks", "accepts", "occurs", "stands", "counts", "no", "now"}, verb) {
		return f.Subject() + " " + f.What
	}
	return f.Subject() + ": " + f.What
}

// String is the finding in a line, without its position.
func (f *Finding) String() string { return fmt.Sprintf("%s: %s (%s)", f.Class, f.Sentence(), f.ID) }

// Diff names what became of old promises, worst first, then by the place in
// the new contract. It is empty for contracts that promise the same.
func Diff(old, now *Promises) []Finding {
	d := &differ{old: old, now: now, rules: map[string]Rule{}}
	for _, r := range rules {
		d.rules[r.ID] = r
	}
	d.service()
	d.headers()
	d.auth()
	d.envelopes()
	d.codes()
	d.client()
	d.plans()
	d.writes()
	d.operations()
	return grouped(d.found)
}

// Worst is the worst class among findings, "" when there are none.
func Worst(findings []Finding) Class {
	worst := Class("")
	for i := range findings {
		if worst == "" || rank(findings[i].Class) < rank(worst) {
			worst = findings[i].Class
		}
	}
	return worst
}

// Count counts the findings of a class.
func Count(findings []Finding, class Class) int {
	n := 0
	for i := range findings {
		if findings[i].Class == class {
			n++
		}
	}
	return n
}

func rank(c Class) int { return slices.Index([]Class{Breaking, Risky, Safe}, c) }

// grouped joins what happened to several subjects, and sorts.
func grouped(found []Finding) []Finding {
	var out []Finding
	known := map[string]int{}
	for _, f := range found {
		look := f.ID + "\x00" + f.What
		if at, again := known[look]; again {
			if !slices.Contains(out[at].Subjects, f.Subjects[0]) {
				out[at].Subjects = append(out[at].Subjects, f.Subjects...)
			}
			continue
		}
		known[look] = len(out)
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Class), rank(b.Class)), cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line))
	})
	return out
}

type differ struct {
	old, now *Promises
	rules    map[string]Rule
	found    []Finding
}

// say notes a change of what stands at a path of the new contract. No rule: nothing.
func (d *differ) say(rule string, path []string, subject, format string, args ...any) {
	if rule == "" {
		return
	}
	r, ok := d.rules[rule]
	if !ok {
		panic("compat: there is no rule " + rule) // a typo; the tests go through all of them
	}
	d.found = append(d.found, Finding{Rule: r, Subjects: []string{subject}, What: fmt.Sprintf(format, args...), Pos: d.now.at(path...)})
}

// changed notes that one value became another.
func changed[T comparable](d *differ, rule string, path []string, subject, what string, old, now T) {
	if old != now {
		d.say(rule, path, subject, "%s %s became %s", what, shown(old), shown(now))
	}
}

// either notes a change by its direction: up when now is more than old.
func either[T cmp.Ordered](d *differ, up, down string, path []string, subject, what string, old, now T) {
	switch {
	case old < now:
		changed(d, up, path, subject, what, old, now)
	case old > now:
		changed(d, down, path, subject, what, old, now)
	}
}

// toggled notes that something that is or is not became the other.
func (d *differ) toggled(on, off string, path []string, subject string, old, now bool, onText, offText string) {
	switch {
	case !old && now:
		d.say(on, path, subject, "%s", onText)
	case old && !now:
		d.say(off, path, subject, "%s", offText)
	}
}

// names notes what is no longer in a list, and what is new in it.
func (d *differ) names(removed, added string, path []string, subject, what string, old, now []string) {
	for _, name := range old {
		if !slices.Contains(now, name) {
			d.say(removed, path, subject, "%s %s is gone", what, name)
		}
	}
	for _, name := range now {
		if !slices.Contains(old, name) {
			d.say(added, path, subject, "%s %s is new", what, name)
		}
	}
}

// both goes through the names of two maps in order.
func both[K cmp.Ordered, V any](old, now map[K]V, removed, added func(K, V), stayed func(name K, old, now V)) {
	keys := maps.Clone(old)
	if keys == nil {
		keys = map[K]V{}
	}
	maps.Copy(keys, now)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		was, before := old[name]
		is, after := now[name]
		switch {
		case !after:
			removed(name, was)
		case !before:
			added(name, is)
		default:
			stayed(name, was, is)
		}
	}
}

// shown is a value as messages show it.
func shown(v any) string {
	s := fmt.Sprint(v)
	if s == "" {
		return "nothing"
	}
	for _, suffix := range []string{"m0s", "h0m"} { // durations: 24h, not 24h0m0s
		if cut, ok := strings.CutSuffix(s, suffix); ok {
			s = cut + suffix[:1]
		}
	}
	return s
}
