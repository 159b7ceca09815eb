package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

// story is what support tells the caller.
type story struct {
	Head string
	// Meaning, Cause and Remedy are the catalogue's.
	Meaning, Cause, Remedy string
	// Fault is who has to act, "" where nobody has.
	Fault condition.Fault
	Retry condition.Retry
	// Again is when the caller may come back, where that was told.
	Again time.Time
	Code  *contract.Code
	// Limit is the one that decided.
	Limit *record.Limit
}

func (c *Console) tell(r *record.Record) story {
	spec := c.Contract()
	s := story{Head: headOf(r)}
	if r.RetryAfter > 0 {
		s.Again = r.Ended.Add(r.RetryAfter)
	}
	for i := range r.Limits {
		if r.Limits[i].Binding && r.Limits[i].Refused {
			s.Limit = &r.Limits[i]
		}
	}
	i := slices.IndexFunc(spec.Codes, func(code *contract.Code) bool { return code.Name == r.Code || r.Code != "" && code.Wire == r.Code })
	switch {
	case i >= 0:
		s.Code = spec.Codes[i]
		x := spec.ExplainFailure(&contract.Failure{Code: s.Code, Condition: r.Condition, Status: r.Status})
		s.Meaning, s.Cause, s.Remedy, s.Fault, s.Retry = x.Meaning, x.Cause, x.Remedy, x.Fault, x.Retry
	case r.Condition != "":
		known, _ := condition.Lookup(r.Condition)
		s.Meaning, s.Remedy, s.Fault, s.Retry = known.Meaning, known.Remedy, known.Fault, known.Retry
	case r.Status >= 400:
		known, _ := condition.Lookup(condition.OfStatus(r.Status))
		s.Meaning, s.Fault = "The service behind the gateway answered so; the gateway passed it on.", known.Fault
		s.Remedy = "Look at the body below, and at the service's own log for the time of this request."
	case r.Status == 0:
		s.Meaning, s.Fault = "The caller closed the connection before there was an answer.", condition.FaultCaller
		s.Remedy = "Where that happens often, compare the caller's timeout with how long the operation takes."
	}
	return s
}

// headOf says in a sentence what became of a request.
func headOf(r *record.Record) string {
	switch {
	case r.Status == 0:
		return "The caller left before there was an answer."
	case r.Code != "" && r.Stage == record.Handling:
		return "The request was let in, and then failed."
	case r.Code != "":
		return "The gateway refused the request."
	case r.Idempotency.State == record.Replayed:
		return "The answer of an earlier request was given once more."
	case r.Status >= 500:
		return "The service behind the gateway failed."
	case r.Status >= 400:
		return "The service behind the gateway refused the request."
	}
	return "The request was answered."
}

// curl is a command that repeats a request, with the key left to whoever runs it.
func (c *Console) curl(r *record.Record) string {
	spec := c.Contract()
	base := spec.BaseURL
	if c.BaseURL != nil {
		base = c.BaseURL()
	}
	hasBody := r.Method != http.MethodGet && r.Method != http.MethodHead && r.Sent != 0
	var b strings.Builder
	b.WriteString("curl -i")
	if r.Method != http.MethodGet {
		b.WriteString(" -X " + quote(r.Method))
	}
	address, headers := quote(strings.TrimSuffix(base, "/")+r.Path), []string{}
	if len(spec.Auth.Schemes) > 0 {
		switch scheme := spec.Auth.Schemes[0]; {
		case scheme.In == "query":
			address += `"?` + scheme.Name + `=$KEY"`
		case scheme.Prefix != "":
			headers = append(headers, `"`+scheme.Name+`: `+strings.TrimSpace(scheme.Prefix)+` $KEY"`)
		default:
			headers = append(headers, `"`+scheme.Name+`: $KEY"`)
		}
	}
	if r.Idempotency.State != "" {
		headers = append(headers, `"`+spec.Idempotency.Header+`: $(uuidgen)"`)
	}
	if hasBody {
		headers = append(headers, quote("Content-Type: application/json"))
	}
	b.WriteString(" " + address)
	for _, h := range headers {
		b.WriteString(" \\\n  -H " + h)
	}
	if hasBody {
		b.WriteString(" \\\n  --data @body.json")
	}
	return b.String()
}

// quote makes one word of a shell of any text: what came from a caller must not
// become a command.
func quote(s string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=", r)
	}
	if s != "" && !strings.ContainsFunc(s, special) {
		return s
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		var b strings.Builder
		for i := range len(s) {
			if ch := s[i]; ch < ' ' || ch == 0x7f || ch == '\'' || ch == '\\' {
				fmt.Fprintf(&b, `\x%02x`, ch)
			} else {
				b.WriteByte(ch)
			}
		}
		return "$'" + b.String() + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// gantt shows the requests of one call on one axis, in units of an SVG's view box.
type gantt struct {
	Rows   []bar
	Height int
	Span   time.Duration
	Ticks  []tickMark
}

type bar struct {
	Record  *record.Record
	Self    bool
	X, W, Y float64
	// Up is the part in which the service behind worked.
	UpX, UpW float64
	After    time.Duration // the beginning, since that of the first
}

type tickMark struct {
	X     float64
	Label string
}

const (
	ganttWidth = 1000.0
	rowHeight  = 26
)

// ganttOf is empty for a request without siblings.
func ganttOf(r *record.Record, siblings []record.Record) gantt {
	if len(siblings) == 0 {
		return gantt{}
	}
	all := []*record.Record{r}
	for i := range siblings {
		all = append(all, &siblings[i])
	}
	slices.SortStableFunc(all, func(a, b *record.Record) int { return cmp.Or(a.Time.Compare(b.Time), a.Ended.Compare(b.Ended)) })
	from, to := all[0].Time, all[0].Time
	for _, x := range all {
		if end := x.Time.Add(x.Took); end.After(to) {
			to = end
		}
	}
	g := gantt{Span: max(to.Sub(from), time.Microsecond), Height: rowHeight * len(all)}
	at := func(d time.Duration) float64 { return ganttWidth * float64(d) / float64(g.Span) }
	for i, x := range all {
		b := bar{Record: x, Self: x == r, Y: float64(i*rowHeight) + 5, After: x.Time.Sub(from)}
		b.X, b.W = at(b.After), max(at(x.Took), 3)
		b.X = min(b.X, ganttWidth-b.W)
		if x.Upstream > 0 {
			b.UpX, b.UpW = b.X+at(min(x.Decided, x.Took)), max(at(min(x.Upstream, x.Took)), 1)
		}
		g.Rows = append(g.Rows, b)
	}
	for i := range 5 {
		g.Ticks = append(g.Ticks, tickMark{ganttWidth * float64(i) / 4, took(g.Span * time.Duration(i) / 4)})
	}
	return g
}
