package guess

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// symbol reads a member as a machine-readable word; ok is false for prose.
func (x *reading) symbol(n *node) (string, bool) {
	s := n.str()
	if n.cut || s == "" || len(s) > maxCode {
		return "", false
	}
	switch n.norm {
	case "type":
		s = lastSegment(s)
	case "code", "errorcode":
		s = withoutNamespace(s)
	case "error", "title", "status", "err", "message", "detail", "errormessage", "msg", "statustext", "errors", "result":
		if x.isReason(s) {
			return "", false
		}
	}
	if n.key == "__type" {
		s = withoutNamespace(s)
		if strings.Count(s, " ") < 3 && isSymbol(strings.ReplaceAll(s, " ", "_")) {
			return s, true
		}
	}
	if !isSymbol(s) || generic(s) {
		return "", false
	}
	return s, suitsMember(s, n.norm)
}

// isReason holds for a reason phrase: where a sentence is usual, a single
// capitalised word is one ("Unauthorized").
func (x *reading) isReason(s string) bool {
	if !x.words.reasons[normKey(s)] {
		return false
	}
	written := unicode.IsUpper(rune(s[0])) && strings.ToUpper(s) != s || generic(s)
	return written && (strings.Contains(s, " ") || strings.IndexFunc(s[1:], unicode.IsUpper) < 0)
}

// withoutNamespace reads com.example.service#Name:http://… as Name.
func withoutNamespace(s string) string {
	if _, name, ok := strings.Cut(s, "#"); ok {
		s = name
	}
	s, _, _ = strings.Cut(s, ":http")
	return s
}

// suitsMember holds for symbols that are codes even under a name that has other uses.
func suitsMember(s, norm string) bool {
	digits := strings.IndexFunc(s, unicode.IsDigit) >= 0
	switch norm {
	case "message", "errormessage", "msg", "title", "detail":
		return strings.Contains(s, "_") && !strings.Contains(s, ".")
	case "id", "name", "key", "identifier", "label":
		return !digits && len(s) > 3 && s != "Error" && !strings.Contains(s, ".")
	case "errorid":
		return isNumber(s) && len(s) <= 6 || !digits && strings.ContainsAny(s, "_-.")
	}
	return !opaque(s)
}

// isSymbol accepts words without blanks that a program could compare.
func isSymbol(s string) bool {
	if s == "" {
		return false
	}
	letters := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letters = true
		case r >= '0' && r <= '9' || strings.ContainsRune("_-.:/#@*+$[]", r):
		default:
			return false
		}
	}
	last := s[len(s)-1]
	if last == '.' || last == ':' || strings.Contains(s, "://") || s[0] == '[' || s[0] == '/' && strings.ToUpper(s) != s {
		return false
	}
	return letters || isNumber(s) || strings.ContainsAny(s, ".-") && isNumber(strings.NewReplacer(".", "", "-", "").Replace(s))
}

// opaque recognises identifiers of occurrences: UUIDs, long hexadecimal, dates.
func opaque(s string) bool {
	digits, hex := 0, 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
			hex++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '-':
			hex++
		}
	}
	return len(s) >= 16 && digits > 0 && (hex == len(s) || digits*3 > len(s)) || len(s) > 60 && !strings.ContainsAny(s, "_.-/")
}

func generic(s string) bool {
	switch strings.ToLower(s) {
	case "error", "errors", "fail", "failed", "failure", "false", "true", "ok", "success", "null", "none", "undefined", "about:blank", "status",
		"error.list", "field", "object", "body", "nok", "ko", "exception", "n/a", "err", "warning", "warn", "fatal", "string", "problem",
		"httpexception", "httperror", "errorresponse", "apierror", "list", "invalid_grant_type_":
		return true
	}
	return false
}

// coarse recognises types that name a family: they yield to a code beside them.
func coarse(s string) bool {
	switch strings.ToLower(s) {
	case "client", "server", "sender", "receiver", "security", "validation", "invalid_request_error", "api_error", "invalid_request", "oauthexception",
		"graphmethodexception", "business_error", "system_error", "soap:client", "soap:server",
		"bad_request", "badrequest", "configuration", "invalid", "badrequestexception":
		return true
	}
	return false
}

func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || len(s) > 18 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func httpStatus(s string) int {
	v, err := strconv.Atoi(s)
	if err != nil || v < 400 || v > 599 {
		return 0
	}
	return v
}

// lastSegment makes a code of a type URI (RFC 9457 section 3.1.1). URIs that
// lead to the description of a status are none.
func lastSegment(s string) string {
	if strings.HasPrefix(s, "urn:") {
		return s[strings.LastIndexByte(s, ':')+1:]
	}
	if i := strings.IndexByte(s, '#'); i > 0 && !strings.Contains(s, "/") {
		return s[i+1:] // namespace#Name
	}
	u, err := url.Parse(s)
	if err != nil || (u.Host == "" && !strings.HasPrefix(s, "/")) {
		return s
	}
	for _, standard := range []string{"ietf.org", "rfc-editor", "httpstatus", "w3.org", "mozilla.org"} {
		if strings.Contains(u.Host, standard) {
			return ""
		}
	}
	if u.Fragment != "" {
		return u.Fragment
	}
	seg := strings.TrimRight(u.Path, "/")
	seg = strings.TrimSuffix(strings.TrimSuffix(seg[strings.LastIndexByte(seg, '/')+1:], ".html"), ".md")
	switch strings.ToLower(seg) {
	case "errors", "error", "docs", "problems", "problem", "probs", "api", "blank":
		return ""
	}
	if strings.Contains(seg, "status-code") || strings.Contains(seg, "error-code") || strings.Contains(seg, "error-handling") {
		return ""
	}
	return seg
}

// shouted holds for symbols in capitals that are no plain word: WEAK_PASSWORD, AB123.
func shouted(s string) bool {
	return isLetter(s[0]|0x20) && isSymbol(s) && strings.ToUpper(s) == s && strings.ContainsAny(s, "_0123456789") && !strings.ContainsAny(s, "/.")
}
