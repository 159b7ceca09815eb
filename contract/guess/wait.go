package guess

import (
	"strings"
	"time"

	"github.com/failwell/failwell/contract/hint"
)

// waits are the members that say how long to wait, with their unit.
var waits = []struct {
	norm string
	unit hint.Unit
}{
	{"retryafterms", hint.Milliseconds},
	{"retryaftermillis", hint.Milliseconds},
	{"retryaftermilliseconds", hint.Milliseconds},
	{"retryinms", hint.Milliseconds},
	{"retryafter", hint.Auto},
	{"retryafterseconds", hint.Seconds},
	{"retryaftersecs", hint.Seconds},
	{"retryafters", hint.Seconds},
	{"retryafterinseconds", hint.Seconds},
	{"retryaftersec", hint.Seconds},
	{"retrydelay", hint.Auto},
	{"retryin", hint.Auto},
	{"retryinseconds", hint.Seconds},
	{"retryat", hint.Auto},
	{"retrydate", hint.Auto},
	{"nextretryat", hint.Auto},
	{"retryafterdate", hint.Auto},
	{"waitseconds", hint.Seconds},
	{"secondstowait", hint.Seconds},
	{"waittime", hint.Auto},
	{"cooldown", hint.Auto},
	{"backoff", hint.Auto},
	{"backoffseconds", hint.Seconds},
	{"retrytime", hint.Auto},
	{"resetafter", hint.Auto},
	{"resetin", hint.Auto},
	{"resetinseconds", hint.Seconds},
	{"resetsin", hint.Auto},
	{"resetat", hint.Auto},
	{"resetsat", hint.Auto},
	{"resettime", hint.Auto},
	{"ratelimitreset", hint.Auto},
	{"reset", hint.Auto},
	{"resetdate", hint.Auto},
	{"timetoreset", hint.Auto},
	{"estimatedtime", hint.Seconds},
	{"wait", hint.Auto},
}

// retryAfter reads the hint: Retry-After, milliseconds headers, the body's
// members, its sentence, and reset headers where the limit is used up.
func (x *reading) retryAfter(limited bool) (time.Duration, string, bool) {
	for _, name := range x.head.names {
		if strings.Contains(name, "retry-after-ms") || strings.Contains(name, "retry-after-milliseconds") {
			if d, ok := hint.Parse(x.head.first(name), hint.Milliseconds, x.now); ok {
				return d, "header " + name, true
			}
		}
	}
	if d, ok := hint.Parse(x.head.first("retry-after"), hint.Auto, x.now); ok {
		return d, "header retry-after", true
	}
	for _, name := range x.head.names {
		if strings.HasSuffix(name, "retry-after") || strings.HasSuffix(name, "retry-in") || strings.HasSuffix(name, "retry-after-seconds") {
			if d, ok := hint.Parse(x.head.first(name), hint.Auto, x.now); ok {
				return d, "header " + name, true
			}
		}
	}
	if d, where, ok := x.waitMember(); ok {
		return d, where, true
	}
	if d, ok := waitInText(x.message.text, limited, x.now); ok {
		return d, "the message", true
	}
	if x.doc.form == formHTML {
		if d, ok := waitInText(x.doc.text, limited, x.now); ok {
			return d, "the page", true
		}
	}
	if limited {
		return x.resetHeader()
	}
	return 0, "", false
}

func (x *reading) waitMember() (time.Duration, string, bool) {
	if x.root == nil || x.doc.form == formHTML {
		return 0, "", false
	}
	var best *node
	at := len(waits)
	x.root.each(2000, func(n *node) {
		if n.kind != kindString && n.kind != kindNumber || n.cut {
			return
		}
		for i, w := range waits[:at] {
			if w.norm == n.norm && w.unit != "" {
				best, at = n, i
				return
			}
		}
	})
	if best == nil {
		return 0, "", false
	}
	d, ok := hint.Parse(best.str(), waits[at].unit, x.now)
	return d, best.key, ok
}

// waitInText reads "try again in 20s", "after 1 minute", "wait 30 seconds".
func waitInText(s string, limited bool, now time.Time) (time.Duration, bool) {
	if len(s) > maxMessage {
		s = s[:maxMessage]
	}
	lower := asciiLower(s)
	from := 0
	for range 64 {
		at := strings.IndexAny(lower[from:], "0123456789")
		if at < 0 {
			return 0, false
		}
		at += from
		end := at
		for end < len(lower) && (lower[end] >= '0' && lower[end] <= '9' || lower[end] == '.' || isLetter(lower[end])) {
			end++
		}
		from = end
		before := lower[max(0, at-48):at]
		after := limited && strings.HasSuffix(before, " after ")
		if !after && !asksToWait(before) {
			continue
		}
		if d, ok := spokenWait(lower[at:], now); ok {
			return d, true
		}
		// "retry after 5" means seconds when nothing follows.
		value := strings.TrimRight(lower[at:end], ".")
		if strings.TrimSpace(strings.Trim(lower[end:], ".!)\"")) == "" && (strings.HasSuffix(before, "after ") || strings.HasSuffix(before, "in ")) {
			return hint.Parse(value, hint.Seconds, now)
		}
	}
	return 0, false
}

// spokenWait reads the longest duration that s begins with: "3 hours and 20
// minutes from now".
func spokenWait(s string, now time.Time) (time.Duration, bool) {
	parts := strings.Fields(strings.ReplaceAll(s[:min(len(s), 80)], "(s)", "s"))
	for n := min(len(parts), 6); n > 0; n-- {
		if d, ok := hint.Parse(strings.TrimRight(strings.Join(parts[:n], " "), ".,;:!)\"'"), hint.Duration, now); ok {
			return d, true
		}
	}
	return 0, false
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// asksToWait looks at the words before a number.
func asksToWait(before string) bool {
	near := before[max(0, len(before)-16):]
	if strings.Contains(near, " per ") || strings.Contains(near, "limit") || strings.Contains(near, "every") {
		return false
	}
	for _, w := range []string{
		"try again", "retry", "wait", "available in", "resets in", "reset in", "again in", "again after", "expected available",
		"slow down", "back in", "next request",
	} {
		if strings.Contains(before, w) {
			return true
		}
	}
	return false
}

// resetHeader reads X-RateLimit-Reset and its kin. Where several limits are
// reported, one that is used up goes first.
func (x *reading) resetHeader() (time.Duration, string, bool) {
	if r, ok := hint.ParseRateLimit(strings.Join(x.head.all("ratelimit"), ", ")); ok {
		if !r.HasRemaining || r.Remaining <= 0 || x.status == 429 {
			return r.Reset, "header ratelimit", true
		}
	}
	var best time.Duration
	where, spent := "", false
	for _, name := range x.head.names {
		flat := strings.ReplaceAll(name, "-", "")
		if !strings.Contains(flat, "reset") || !strings.Contains(flat, "ratelimit") && !strings.Contains(flat, "limit") && !strings.Contains(flat, "quota") {
			continue
		}
		unit := hint.Auto
		if strings.HasSuffix(flat, "ms") {
			unit = hint.Milliseconds
		}
		d, ok := hint.Parse(x.head.first(name), unit, x.now)
		if !ok {
			continue
		}
		left := x.head.first(strings.Replace(strings.Replace(name, "reset-after", "remaining", 1), "reset", "remaining", 1))
		out := left != "" && strings.HasPrefix(strings.TrimSpace(left), "0") && !strings.HasPrefix(left, "0.")
		if left != "" && !out && x.status != 429 {
			continue
		}
		switch {
		case where == "", out && !spent, out == spent && (out && d > best || !out && d < best):
			best, where, spent = d, "header "+name, out
		}
	}
	return best, where, where != ""
}
