package guess

import (
	"slices"
	"strings"
	"unicode"
)

// ident finds the id under which the provider's support finds the request. An
// explicit request id in the body goes before one in a header, that before
// trace and correlation ids, those before the ids of edge networks.
func (x *reading) ident() found {
	best := better(x.bodyID(), x.headerID())
	if best.score >= 65 {
		return best
	}
	text := x.message.text
	if x.doc.text != "" {
		text = x.doc.text
	}
	s, rank := idInText(text)
	return better(best, found{s, rank, "the text", nil})
}

func (x *reading) bodyID() found {
	var best found
	if x.root == nil || x.doc.form == formHTML {
		return best
	}
	x.root.each(3000, func(n *node) {
		if n.kind == kindArray && len(n.kids) > 0 && idKeys[n.norm] >= 90 && n.kids[0].kind == kindString {
			n = n.kids[0].aliased(n)
		}
		best = better(best, memberID(n))
	})
	return best
}

// memberID rates one member as a request id.
func memberID(n *node) found {
	rank := idRank(n.norm)
	if n.norm == "request" && isUUID(n.str()) {
		rank = 75
	}
	if rank == 0 || n.kind != kindString && n.kind != kindNumber || n.cut {
		return found{}
	}
	s := strings.Trim(n.str(), "{}")
	if rank < 90 && !identity(s) || len(s) < 3 || len(s) > maxRequestID || strings.ContainsAny(s, " \n") {
		return found{}
	}
	switch n.norm {
	case "instance":
		if s = instanceID(s); s == "" {
			return found{}
		}
	case "trace", "reference", "incident", "uniqueid":
		if len(s) < 12 {
			return found{}
		}
	}
	return found{s, rank, n.key, n}
}

func (x *reading) headerID() found {
	var best found
	for _, name := range x.head.names {
		rank := headerIDRank(name)
		s := x.head.first(name)
		if s == "" || rank < 85 && rank != 42 && !identity(s) || len(s) > maxRequestID || strings.Contains(s, " ") {
			continue
		}
		best = better(best, found{s, rank, "header " + name, nil})
	}
	return best
}

// idRank rates a member's name, also one that ends in a known name.
func idRank(norm string) int {
	if rank, ok := idKeys[norm]; ok {
		return rank
	}
	switch {
	case strings.HasSuffix(norm, "clientrequestid"), strings.HasPrefix(norm, "parent"):
		return 0
	case strings.HasSuffix(norm, "requestid"):
		return 92
	case strings.HasSuffix(norm, "correlationid"), strings.HasSuffix(norm, "traceid"):
		return 72
	}
	return 0
}

// aliased reads an item under the name of its list.
func (n *node) aliased(list *node) *node {
	c := *n
	c.key, c.norm = list.key, list.norm
	return &c
}

// identity holds for texts that single something out.
func identity(s string) bool {
	if len(s) < 6 {
		return false
	}
	return strings.IndexFunc(s, unicode.IsDigit) >= 0 || len(s) >= 16
}

// instanceID takes a problem's instance only when it names an occurrence, not
// the path that was asked for.
func instanceID(s string) string {
	if strings.HasPrefix(s, "urn:uuid:") {
		return s[len("urn:uuid:"):]
	}
	if strings.HasPrefix(s, "urn:") {
		return s
	}
	tail := s[strings.LastIndexAny(s, "/:")+1:]
	if (isUUID(tail) || opaque(tail) && tail == s) && !strings.HasPrefix(s, "/") {
		return tail
	}
	return ""
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if s[i] != '-' {
				return false
			}
		} else if (c < 'a' || c > 'f') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// headerIDRank rates a header field by its lower-case name.
func headerIDRank(name string) int {
	flat := strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), "_", "")
	has := func(s string) bool { return strings.Contains(flat, s) }
	switch {
	case name == "x-request-id":
		return 93
	case name == "request-id":
		return 92
	case has("clientrequestid"), has("uploadid"), has("parentid"), has("parentspan"):
		return 30
	case flat == "cfrequestid":
		return 46
	case has("correlationrequestid"):
		return 73
	case has("routingrequestid"):
		return 50
	case has("requestid"), has("reqid"), has("requestuuid"), has("requestguid"):
		return 90
	case has("correlationid"):
		return 72
	case name == "x-amzn-trace-id":
		return 47
	case has("traceid"), has("tracetoken"), has("debugid"), has("traceidentifier"):
		return 70
	case name == "x-cloud-trace-context", name == "traceparent" || name == "uber-trace-id":
		return 52
	case strings.HasSuffix(name, "_tid"), strings.HasSuffix(name, "-tid"), slices.ContainsFunc(occurrences(), has):
		return 56
	case flat == "pspreference", strings.HasSuffix(name, "-uuid"), strings.HasSuffix(name, "-rid"):
		return 55
	case flat == "xtransaction", flat == "xtid", flat == "xtrace", flat == "xcallid", flat == "xvercelid", flat == "xrid", flat == "xunique", flat == "xuniqueid":
		return 55
	case flat == "xfbdebug", flat == "xamzid2":
		return 34
	case flat == "xamzcfid", flat == "xamzapigwid", flat == "xazureref", flat == "xmsedgeref", flat == "akamaigrn", flat == "xreferenceerror":
		return 42
	case flat == "cfray":
		return 40
	}
	return 0
}

// occurrences are the things whose ids stand in for a request's.
func occurrences() []string {
	return []string{
		"errorid", "incidentid", "transactionid", "activityid", "logid", "invocationid", "operationid", "messageid", "eventid",
		"callid", "queryid", "trackingid",
	}
}

// idMarks introduce an id within a text.
var idMarks = []struct {
	mark string
	rank int
}{
	{"request id", 64}, {"requestid", 64}, {"request-id", 64}, {"request_id", 64}, {"req_", 63},
	{"correlation id", 61}, {"correlation-id", 61}, {"trace id", 61}, {"traceid", 61}, {"trace_id", 61},
	{"error id", 60}, {"support id", 60}, {"incident id", 60},
	{"reference #", 58}, {"reference id", 58}, {"error reference", 58}, {"reference number", 58},
	{"error code for support", 57}, {"xid", 57}, {"rid:", 57}, {"event id", 57}, {"ray id", 39},
}

// idInText reads "Request ID: 3f6c…" and the like from prose or a page.
func idInText(s string) (string, int) {
	if len(s) > 64<<10 {
		s = s[:64<<10]
	}
	lower := asciiLower(s)
	for _, m := range idMarks {
		at := strings.Index(lower, m.mark)
		if at < 0 {
			continue
		}
		rest := s[at+len(m.mark):]
		if m.mark == "req_" {
			rest = s[at:]
		}
		rest = strings.TrimPrefix(strings.TrimLeft(rest, " \t\r\n"), "is")
		rest = strings.TrimLeft(rest, " \t\r\n:=#[('\"`")
		end := strings.IndexFunc(rest, func(r rune) bool {
			return r > 0x7f || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.=+/|", r)
		})
		if end < 0 {
			end = len(rest)
		}
		id := strings.TrimRight(rest[:end], ".-")
		if len(id) >= 4 && len(id) <= maxRequestID && strings.IndexFunc(id, unicode.IsDigit) >= 0 {
			return id, m.rank
		}
	}
	return "", 0
}

// asciiLower keeps the byte offsets, which strings.ToLower does not.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
