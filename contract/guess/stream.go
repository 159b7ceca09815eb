package guess

import "strings"

// isStream recognises server-sent events (WHATWG HTML section 9.2).
func isStream(s, contentType string) bool {
	if strings.Contains(contentType, "event-stream") {
		return true
	}
	for _, p := range []string{"event:", "data:", "id:", ":"} {
		if strings.HasPrefix(s, p) && strings.Contains(s, "data:") {
			return true
		}
	}
	return false
}

// parseStream reads the events' data; the last event whose name speaks of an
// error is marked. Data that is no JSON counts only in such an event.
func parseStream(s string) (document, bool) {
	d := document{form: formStream}
	event, data := "", ""
	flush := func() {
		failed := strings.Contains(event, "error") || strings.Contains(event, "fail") || strings.Contains(event, "exception")
		inner, ok := document{}, false
		if t := strings.TrimSpace(data); t != "" && (t[0] == '{' || t[0] == '[') {
			inner, ok = parseJSON(t)
		}
		switch {
		case ok:
			d.roots = append(d.roots, inner.roots...)
			d.short, d.bent = inner.short, d.bent || inner.bent
			if failed {
				d.marked = inner.roots[0]
			}
		case failed && data != "":
			n := &node{kind: kindObject}
			n.add((&node{kind: kindString, text: data}).named("message"))
			d.roots, d.marked = append(d.roots, n), n
		}
		event, data = "", ""
	}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if flush(); len(d.roots) > 1000 {
				return d, true
			}
		case name == "event":
			event = strings.ToLower(strings.TrimSpace(value))
		case name == "data":
			if data != "" {
				data += "\n"
			}
			data += value
		case strings.HasPrefix(line, "{"):
			// A failure appended to a stream that had begun.
			flush()
			data = line
		}
	}
	flush()
	return d, len(d.roots) > 0
}
