package compat

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// client compares what callers are asked to do. Clients that were made from the
// old contract go on as it says, so more patience is what they lack.
func (d *differ) client() {
	old, now := &d.old.Client, &d.now.Client
	const subject = "clients"
	path := func(more ...string) []string { return append([]string{"client"}, more...) }
	either(d, "pace-faster", "pace-slower", path("attempts"), subject, "tries", old.Attempts, now.Attempts)
	d.within("pace-slower", "pace-faster", path("timeout"), subject, "timeout of one try", old.Timeout, now.Timeout)
	either(d, "pace-slower", "pace-faster", path("backoff", "first"), subject, "first wait", old.First, now.First)
	either(d, "pace-slower", "pace-faster", path("backoff", "factor"), subject, "growth of waits", old.Factor, now.Factor)
	d.within("pace-faster", "pace-slower", path("backoff", "cap"), subject, "longest wait", old.Cap, now.Cap)
	changed(d, "pace-spread", path("backoff", "jitter"), subject, "spread of waits", old.Jitter, now.Jitter)
	d.within("pace-faster", "pace-slower", path("max_hint"), subject, "longest hint that is waited for", old.MaxHint, now.MaxHint)
	changed(d, retryRule(old.Network, now.Network), path("network"), subject, "retry without a response", old.Network, now.Network)
	wait := func(status int, _ time.Duration) {
		either(d, "pace-slower", "pace-faster", path("default_waits", strconv.Itoa(status)), subject, "wait after "+strconv.Itoa(status)+" without a hint",
			old.DefaultWaits[status], now.DefaultWaits[status])
	}
	both(old.DefaultWaits, now.DefaultWaits, wait, wait, func(status int, _, _ time.Duration) { wait(status, 0) })
	d.hints(old.Hints, now.Hints)
	d.adviceByStatus()
	d.classes(old.Classes, now.Classes)
}

// within compares bounds of which 0 is none: tighter or looser.
func (d *differ) within(tighter, looser string, path []string, subject, what string, old, now time.Duration) {
	switch {
	case old == now:
	case now != 0 && (old == 0 || now < old):
		d.say(tighter, path, subject, "%s %s became %s", what, boundText(old), boundText(now))
	default:
		d.say(looser, path, subject, "%s %s became %s", what, boundText(old), boundText(now))
	}
}

func boundText(t time.Duration) string {
	if t == 0 {
		return "no bound"
	}
	return shown(t)
}

func (d *differ) hints(old, now []Hint) {
	path := []string{"client", "hints"}
	var stayed, order []string
	for _, h := range old {
		at := slices.IndexFunc(now, func(x Hint) bool { return x.In == h.In })
		if at < 0 {
			d.say("hint-removed", path, "waits", "the hint in %s is gone", h.In)
			continue
		}
		stayed = append(stayed, h.In)
		changed(d, "hint-unit", append(path, strconv.Itoa(at)), "waits", "the hint in "+h.In+": unit", h.Unit, now[at].Unit)
	}
	for i, h := range now {
		if slices.Contains(stayed, h.In) {
			order = append(order, h.In)
			continue
		}
		d.say("hint-added", append(path, strconv.Itoa(i)), "waits", "a hint may stand in %s", h.In)
	}
	if !slices.Equal(stayed, order) && len(stayed) == len(order) {
		d.say("hint-order", path, "waits", "%s is looked at first, where it was %s", order[0], stayed[0])
	}
}

// adviceByStatus compares what becomes of each status whose code is not known,
// and joins neighbours.
func (d *differ) adviceByStatus() {
	type change struct{ old, now condition.Retry }
	from, last := 0, change{}
	flush := func(until int) {
		if last.old != last.now {
			changed(d, retryRule(last.old, last.now), []string{"client", "statuses"}, "codes that are not listed",
				"retry under "+statusesText(from, until), last.old, last.now)
		}
	}
	for status := 100; status <= 600; status++ {
		c := change{}
		if status < 600 {
			c = change{d.old.Client.adviceFor(status), d.now.Client.adviceFor(status)}
		}
		if c != last {
			flush(status - 1)
			from, last = status, c
		}
	}
}

func (d *differ) classes(old, now map[string]*ErrorClass) {
	path := func(name string) []string { return []string{"client", "classes", name} }
	both(old, now, func(name string, _ *ErrorClass) {
		d.say("class-removed", path(name), "class "+name, "is gone")
	}, func(name string, _ *ErrorClass) {
		d.say("class-added", path(name), "class "+name, "is new")
	}, func(name string, was, is *ErrorClass) {
		subject := "class " + name
		changed(d, "class-changed", path(name), subject, "base", was.Base, is.Base)
		d.names("class-changed", "class-widened", path(name), subject, "raised by:", was.Raised, is.Raised)
		d.names("class-removed", "class-added", path(name), subject, "the language", was.Languages, is.Languages)
	})
}

// keysOf lists the names of a map in order.
func keysOf[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
