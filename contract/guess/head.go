package guess

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// head is a header with lower-case names in a fixed order.
type head struct {
	names  []string
	values map[string][]string
}

// Bounds on a header: names beyond them are not looked at.
const (
	maxHeaderNames = 200
	maxHeaderValue = 2 << 10
)

func newHead(h map[string][]string) head {
	out := head{values: make(map[string][]string, len(h))}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		low := strings.ToLower(strings.TrimSpace(name))
		if len(out.values) >= maxHeaderNames && out.values[low] == nil || len(name) > maxName {
			continue
		}
		if out.values[low] == nil {
			out.names = append(out.names, low)
		}
		for _, v := range h[name] {
			if len(out.values[low]) < 20 {
				out.values[low] = append(out.values[low], v[:min(len(v), maxHeaderValue)])
			}
		}
	}
	slices.Sort(out.names)
	return out
}

func (h head) all(name string) []string { return h.values[name] }

func (h head) first(name string) string {
	for _, v := range h.values[name] {
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	}
	return ""
}

// headerCode finds a code in the header: an error header by its name, the
// status of gRPC, the error of a challenge (RFC 6750 section 3).
func (x *reading) headerCode() found {
	var best found
	for _, name := range x.head.names {
		rank := headerCodeRank(name)
		if rank <= best.score {
			continue
		}
		s, _, _ := strings.Cut(x.head.first(name), ":http")
		s = s[strings.LastIndexByte(s, '#')+1:]
		if isSymbol(s) && !generic(s) && len(s) <= maxCode && s != "0" {
			best = found{s, rank, "header " + name, nil}
		}
	}
	if best.score == 0 {
		if s := attribute(x.head.first("www-authenticate"), "error"); isSymbol(s) && len(s) <= maxCode {
			best = found{s, 58, "header www-authenticate", nil}
		}
	}
	return best
}

// headerCodeRank rates a header field by its lower-case name.
func headerCodeRank(name string) int {
	if name == "grpc-status" || name == "x-ratelimit-reason" {
		return 60
	}
	for _, end := range []string{"error-code", "errorcode", "exception-code", "errortype", "error-type"} {
		if strings.HasSuffix(name, end) {
			return 66
		}
	}
	for _, end := range []string{"error-name", "error-reason", "-error"} {
		if strings.HasSuffix(name, end) {
			return 60
		}
	}
	return 0
}

// headerMessage finds a sentence in the header.
func (x *reading) headerMessage() found {
	for _, name := range []string{
		"grpc-message", "x-error-message", "x-error-description", "x-error-detail", "x-amzn-error-message", "x-ms-error-message",
		"x-error-detail-header", "x-error",
	} {
		s := x.head.first(name)
		if name == "grpc-message" {
			if out, err := url.PathUnescape(s); err == nil {
				s = out
			}
		}
		if s != "" && (name != "x-error" || strings.Contains(s, " ")) {
			return found{s, 50, "header " + name, nil}
		}
	}
	if s := attribute(x.head.first("www-authenticate"), "error_description"); s != "" {
		return found{s, 45, "header www-authenticate", nil}
	}
	return found{}
}

// attribute reads name="value" or name=value from a challenge.
func attribute(challenge, name string) string {
	lower := asciiLower(challenge)
	for from := 0; ; {
		at := strings.Index(lower[from:], name+"=")
		if at < 0 {
			return ""
		}
		at += from
		from = at + len(name) + 1
		if at > 0 && (isWord(lower[at-1]) || lower[at-1] == '-') {
			continue
		}
		v := challenge[from:]
		if strings.HasPrefix(v, `"`) {
			v = v[1:]
			var b strings.Builder
			for i := 0; i < len(v) && v[i] != '"'; i++ {
				if v[i] == '\\' && i+1 < len(v) {
					i++
				}
				b.WriteByte(v[i])
			}
			return b.String()
		}
		if end := strings.IndexAny(v, ", "); end >= 0 {
			v = v[:end]
		}
		return v
	}
}
