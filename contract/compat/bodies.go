package compat

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// envelopes compares bodies. What matters is the body that a code comes in, not
// which envelope makes it: one that was split or renamed is no change by itself.
func (d *differ) envelopes() {
	type pair struct{ old, now string }
	users := map[pair][]string{}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(d.old.Errors)) {
		if is := d.now.Errors[name]; is != nil {
			p := pair{d.old.Errors[name].Envelope, is.Envelope}
			users[p] = append(users[p], name)
			seen[p.old] = true
		}
	}
	for name := range d.old.Envelopes { // no code that stayed uses it; codes that are not listed may
		if !seen[name] && d.now.Envelopes[name] != nil {
			users[pair{name, name}] = nil
		}
	}
	pairs := slices.SortedFunc(maps.Keys(users), func(a, b pair) int { return strings.Compare(a.old+"\x00"+a.now, b.old+"\x00"+b.now) })
	for _, p := range pairs {
		subjects := []string{"envelope " + p.now}
		if p.old != p.now {
			subjects = subjects[:0]
			for _, code := range users[p] {
				subjects = append(subjects, "code "+code)
			}
		}
		old, now := d.old.Envelopes[p.old], d.now.Envelopes[p.now]
		if old == nil || now == nil { // a lock that somebody has edited
			old, now = orEmpty(old), orEmpty(now)
		}
		for _, subject := range subjects {
			d.envelope(subject, p.now, old, now)
		}
	}
}

func orEmpty(e *Envelope) *Envelope {
	if e == nil {
		return &Envelope{}
	}
	return e
}

func (d *differ) envelope(subject, name string, old, now *Envelope) {
	path := func(more ...string) []string { return append([]string{"envelopes", name}, more...) }
	changed(d, "media-type", path("media_type"), subject, "media type", old.MediaType, now.MediaType)
	changed(d, "member-changed", path("text"), subject, "the body", old.Text, now.Text)
	d.members(subject, name, old.Body, now.Body)
	both(old.Headers, now.Headers, func(h, _ string) {
		d.say("header-removed", path("headers"), subject, "the header %s is gone", h)
	}, func(h, _ string) {
		d.say("header-added", path("headers", h), subject, "the header %s is sent", h)
	}, func(h, was, is string) {
		changed(d, "header-value", path("headers", h), subject, "the header "+h, was, is)
	})
	for _, s := range old.Inside {
		if !slices.Contains(now.Inside, s) {
			d.say("inside-dropped", path("inside"), subject, "is no longer sent under %d", s)
		}
	}
	for _, s := range now.Inside {
		if !slices.Contains(old.Inside, s) {
			d.say("inside-success", path("inside"), subject, "is a failure under %d as well", s)
		}
	}
	d.names("success-code", "success-code", path("successes"), subject, "the code of success", old.Successes, now.Successes)
}

// members compares what stands at each path of a body.
func (d *differ) members(subject, envelope string, old, now map[string]string) {
	at := func(path string) []string {
		return append([]string{"envelopes", envelope, "body"}, split(strings.NewReplacer("[]", "", "{}", "", "*", "...").Replace(path), ".")...)
	}
	var gone, came []string
	both(old, now, func(path, _ string) { gone = append(gone, path) }, func(path, _ string) { came = append(came, path) },
		func(path, was, is string) { d.member(subject, at(path), path, was, is) })
	for _, path := range gone {
		heir := renamed(path, old, gone, now, came)
		if heir == "" {
			d.say("member-removed", at(path), subject, "the member %s is gone; it was %s", path, old[path])
			continue
		}
		came = slices.DeleteFunc(came, func(p string) bool { return p == heir })
		d.say("member-renamed", at(heir), subject, "the member %s is called %s", path, heir)
	}
	for _, path := range came {
		d.say("member-added", at(path), subject, "the member %s is new, %s", path, now[path])
	}
}

// renamed is the new member that says what an old one said, if there is no doubt.
func renamed(path string, old map[string]string, gone []string, now map[string]string, came []string) string {
	says := strings.TrimSuffix(old[path], "?")
	count := func(paths []string, in map[string]string) (n int, last string) {
		for _, p := range paths {
			if strings.TrimSuffix(in[p], "?") == says {
				n, last = n+1, p
			}
		}
		return n, last
	}
	if n, _ := count(gone, old); n != 1 {
		return ""
	}
	if n, heir := count(came, now); n == 1 {
		return heir
	}
	return ""
}

// texts for people are not told apart by programs.
var texts = []string{"$message", "$title", "$meaning", "$remedy", "$friendly", "$doc_url", "$field.message"}

func (d *differ) member(subject string, at []string, path, was, is string) {
	old, maybe := strings.CutSuffix(was, "?")
	now, maybeNow := strings.CutSuffix(is, "?")
	what := "the member " + path
	switch {
	case old == now:
	case slices.Contains(texts, old) && slices.Contains(texts, now):
		changed(d, "member-text", at, subject, what, old, now)
	default:
		changed(d, "member-changed", at, subject, what, old, now)
	}
	d.toggled("member-optional", "member-always", at, subject, maybe, maybeNow, what+" may be absent", what+" is always there")
}

func split(s, by string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, by)
}

// covers reports whether headers that are sent on one set of statuses are there
// on all of another.
func covers(on, other string) bool {
	if on == all || on == other {
		return true
	}
	if other == all {
		return false
	}
	for _, status := range split(other, ", ") {
		if !slices.Contains(split(on, ", "), status) {
			return false
		}
	}
	return true
}

func sizeText(n int64) string {
	if n == 0 {
		return "no bound"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
