package compat

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract/condition"
)

// codes compares the catalogue. An entry that is gone is looked for under
// another name before it is called removed.
func (d *differ) codes() {
	old, now := maps.Clone(d.old.Errors), maps.Clone(d.now.Errors)
	same := map[string]string{} // old name to new name
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if now[name] != nil {
			same[name] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if same[name] != "" {
			continue
		}
		if heir := heirOf(old[name], now, same); heir != "" {
			same[name] = heir
			if old[name].Wire == now[heir].Wire {
				d.say("entry-renamed", codePath(heir), "code "+name, "the entry is called %s", heir)
			}
			continue
		}
		d.say("code-removed", []string{"errors"}, "code "+name, "is gone; it was sent under %d", old[name].Status)
	}
	for _, name := range slices.Sorted(maps.Keys(same)) {
		d.code(same[name], old[name], now[same[name]])
	}
	kept := slices.Collect(maps.Values(same))
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if !slices.Contains(kept, name) {
			d.addedCode(name, now[name])
		}
	}
	for _, of := range slices.Sorted(maps.Keys(d.old.Conditions)) {
		was, is := d.old.Conditions[of], d.now.Conditions[of]
		heir, kept := same[was]
		if kept && heir != is && (!stands(old[was], of) || stands(now[heir], of)) { // otherwise told with the code
			d.say("condition-moved", codePath(is), "condition "+of, "is told as %s instead of %s", shown(is), was)
		}
	}
}

// heirOf finds the new entry that stands for an old one: the same code is sent,
// or the same thing is told under the same status.
func heirOf(was *Code, now map[string]*Code, taken map[string]string) string {
	used := slices.Collect(maps.Values(taken))
	alike := ""
	for _, name := range slices.Sorted(maps.Keys(now)) {
		is := now[name]
		switch {
		case slices.Contains(used, name):
		case is.Wire == was.Wire && is.Wire != "":
			return name
		case alike == "" && len(is.Is) > 0 && len(was.Is) > 0 && is.Is[0].Condition == was.Is[0].Condition && is.Status == was.Status:
			alike = name
		}
	}
	return alike
}

func stands(c *Code, of string) bool {
	return slices.ContainsFunc(c.Is, func(m Meaning) bool { return m.Condition == of })
}

func codePath(name string, more ...string) []string {
	return append([]string{"errors", name}, more...)
}

// addedCode says what clients of the old contract make of a code that is new to them.
func (d *differ) addedCode(name string, is *Code) {
	advice := d.old.Client.adviceFor(is.Status)
	takes := string(condition.OfStatus(is.Status))
	rule := "code-unlisted"
	switch {
	case d.old.OpenCodes && advice == is.Retry:
		rule = "code-added"
	case d.old.OpenCodes:
		rule = "code-fallback"
	}
	d.say(rule, codePath(name), "code "+name, "is new, under %d with retry %s; clients that do not know it take it for %s and go by %s",
		is.Status, is.Retry, shown(takes), advice)
}

func (d *differ) code(name string, old, now *Code) {
	subject := "code " + name
	path := func(more ...string) []string { return codePath(name, more...) }
	changed(d, "code-renamed", path("code"), subject, "what is sent,", old.Wire, now.Wire)
	d.toggled("code-type", "code-type", path("code"), subject, old.Numeric, now.Numeric, "is sent as a number", "is sent as a string")
	changed(d, "status-changed", path("status"), subject, "status", old.Status, now.Status)
	d.names("status-dropped", "status-added", path("also"), subject, "the further status", old.Also, now.Also)
	changed(d, "type-changed", path("type"), subject, "type", old.Type, now.Type)
	changed(d, "type-changed", path("subcode"), subject, "subcode", old.Subcode, now.Subcode)
	d.meanings(name, old, now)
	changed(d, retryRule(old.Retry, now.Retry), path("retry"), subject, "retry", old.Retry, now.Retry)
	d.occurrence(name, old.Operations, now.Operations)
	d.names("language-removed", "language-added", path("translations"), subject, "the message in", old.Translations, now.Translations)
	d.toggled("deprecated", "deprecated", path("deprecated"), subject, old.Deprecated, now.Deprecated, "is deprecated", "is no longer deprecated")
	if old.Wire == "" && now.Wire == "" {
		changed(d, "message-changed", path("message"), subject, "message", strings.Join(old.Messages, " / "), strings.Join(now.Messages, " / "))
	}
	d.params(name, old, now)
}

func (d *differ) meanings(name string, old, now *Code) {
	path, subject := codePath(name, "is"), "code "+name
	first := func(c *Code) string {
		if len(c.Is) == 0 {
			return ""
		}
		return c.Is[0].Condition
	}
	changed(d, "condition-changed", path, subject, "what it is taken for,", first(old), first(now))
	for i, m := range old.Is {
		at := slices.IndexFunc(now.Is, func(x Meaning) bool { return x.Condition == m.Condition })
		switch {
		case at >= 0:
			changed(d, "status-changed", path, subject, "status for "+m.Condition, m.Status, now.Is[at].Status)
		case i > 0:
			d.say("condition-changed", path, subject, "no longer stands for %s", m.Condition)
		}
	}
	for i, m := range now.Is {
		if i > 0 && !stands(old, m.Condition) {
			d.say("condition-added", path, subject, "stands for %s as well", m.Condition)
		}
	}
}

// occurrence: no operations means all of them.
func (d *differ) occurrence(name string, old, now []string) {
	path, subject := codePath(name, "operations"), "code "+name
	switch {
	case len(old) == 0 && len(now) > 0:
		d.say("occurs-less", path, subject, "occurs only in %s", strings.Join(now, ", "))
	case len(old) > 0 && len(now) == 0:
		d.say("occurs-more", path, subject, "may occur in any operation")
	default:
		d.names("occurs-less", "occurs-more", path, subject, "the operation", old, now)
	}
}

func (d *differ) params(code string, old, now *Code) {
	subject := "code " + code
	path := func(name string) []string { return codePath(code, "params", name) }
	both(old.Params, now.Params, func(name string, _ *Param) {
		d.say("param-removed", path(name), subject, "the parameter %s is gone", name)
	}, func(name string, is *Param) {
		d.say("param-added", path(name), subject, "the parameter %s is new, %s", name, is.Type)
	}, func(name string, was, is *Param) {
		what := "the parameter " + name + ":"
		changed(d, "param-changed", path(name), subject, what+" type", was.Type, is.Type)
		changed(d, "param-changed", path(name), subject, what+" form", was.Format, is.Format)
		changed(d, "param-changed", path(name), subject, what+" prefix", was.Prefix, is.Prefix)
		changed(d, "param-source", path(name), subject, what+" what fills it,", was.From, is.From)
		d.toggled("param-always", "param-optional", path(name), subject, was.Required, is.Required, what+" is always there", what+" may be absent")
		d.moved(code, name, d.old.Envelopes[old.Envelope], d.now.Envelopes[now.Envelope])
	})
}

// moved notes a parameter that has got another place although the old one is
// still there: what became of places is told with the envelope.
func (d *differ) moved(code, param string, old, now *Envelope) {
	if old == nil || now == nil {
		return
	}
	was, template := place(old, param)
	is, _ := place(now, param)
	if was != is && was != "" && now.Body[template] == old.Body[template] {
		d.say("param-changed", codePath(code, "params", param), "code "+code, "the parameter %s moved from %s to %s", param, was, is)
	}
}

// place is where a body has a parameter, and which path of the template says so.
func place(e *Envelope, param string) (at, template string) {
	for _, path := range slices.Sorted(maps.Keys(e.Body)) {
		text := strings.TrimSuffix(e.Body[path], "?")
		if text == "$params."+param || strings.Contains(text, "${params."+param+"}") {
			return path, path
		}
	}
	for _, path := range slices.Sorted(maps.Keys(e.Body)) {
		if strings.TrimSuffix(e.Body[path], "?") == "$params" {
			return join(strings.TrimSuffix(strings.TrimSuffix(path, "*"), "."), param), path
		}
	}
	return "", ""
}

// retryRule judges a change of advice.
func retryRule(old, now condition.Retry) string {
	switch {
	case old == now:
		return ""
	case old.Retryable() && !now.Retryable():
		return "retry-weakened"
	case !old.Retryable() && now.Retryable():
		return "retry-strengthened"
	case now == condition.SameKey:
		return "retry-needs-key"
	case old == condition.Never:
		return "retry-strengthened"
	}
	return "retry-changed"
}

// adviceFor is what a client does about a status whose code it does not know.
func (c *Client) adviceFor(status int) condition.Retry {
	for _, a := range c.Statuses {
		if status >= a.From && status <= a.To {
			return a.Retry
		}
	}
	if e, ok := condition.Lookup(condition.OfStatus(status)); ok {
		return e.Retry
	}
	return condition.Never
}

func statusesText(from, to int) string {
	if from == to {
		return fmt.Sprintf("status %d", from)
	}
	return fmt.Sprintf("statuses %d to %d", from, to)
}
