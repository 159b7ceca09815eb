package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Compiled is the part of a contract that a client obeys, as plain data: defaults
// filled in, durations in milliseconds, templates as trees. The generated
// clients carry it and interpret it; they know nothing of YAML.
type Compiled struct {
	API     string `json:"api"`
	Title   string `json:"title"`
	BaseURL string `json:"base_url"`
	// BasePath is the path of BaseURL, without a slash at the end. Operations are
	// found with and without it.
	BasePath string `json:"base_path"`

	// Envelopes are tried in order; of several that match, the one that explains
	// more is taken. Codes are in file order.
	Envelopes []CompiledEnvelope `json:"envelopes"`
	Codes     []CompiledCode     `json:"codes"`
	OpenCodes bool               `json:"open_codes"`
	// CodeByStatus names the code of a failure that carries none.
	CodeByStatus map[int]string `json:"code_by_status"`
	Friendly     [][]TextPart   `json:"friendly"`
	// Timestamp is the form of the slot timestamp.
	Timestamp contract.TimeFormat `json:"timestamp"`

	// Headers name what a client reads; "" where there is none.
	Headers CompiledHeaders `json:"headers"`
	// Secrets are where credentials stand.
	Secrets []CompiledSecret `json:"secrets"`
	Keys    CompiledKeys     `json:"keys"`
	Retry   CompiledRetry    `json:"retry"`
	Streams CompiledStreams  `json:"streams"`
	// Pace is null where responses tell nothing of limits.
	Pace    *CompiledPace     `json:"pace"`
	Partial []CompiledPartial `json:"partial"`
	// Operations are all of the contract's when one of them is special, else none.
	Operations []CompiledOperation `json:"operations"`

	// Conditions and Statuses are the vocabulary: the advice for each condition,
	// and the condition that a bare status suggests. A 4xx that is not listed is
	// request_malformed, a 5xx internal.
	Conditions map[condition.Condition]condition.Retry `json:"conditions"`
	Statuses   map[int]condition.Condition             `json:"statuses"`
}

// TextPart is a string, or {"slot": name}.
type TextPart any

// CompiledEnvelope is one shape of an error.
type CompiledEnvelope struct {
	Name string `json:"name"`
	// Body is null when the body is Text, or is not part of the shape.
	Body *contract.Shape `json:"body"`
	Text *contract.Shape `json:"text"`
	// XML: the values in Text are escaped as XML has it.
	XML       bool             `json:"xml"`
	Headers   []CompiledHeader `json:"headers"`
	Inside    []int            `json:"inside"`
	Successes []string         `json:"successes"`
	// Carries tells which of code, subcode, type and title have a place.
	Carries []string `json:"carries"`
}

// CompiledHeader is a header that is part of an envelope.
type CompiledHeader struct {
	Name  string         `json:"name"`
	Value contract.Shape `json:"value"`
}

// CompiledCode is one entry of the catalogue.
type CompiledCode struct {
	Name     string            `json:"name"`
	Wire     string            `json:"wire"`
	Numeric  bool              `json:"numeric"`
	Status   int               `json:"status"`
	Others   [][2]int          `json:"others"`
	Subcode  string            `json:"subcode"`
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Envelope string            `json:"envelope"`
	Is       []CompiledMeaning `json:"is"`
	// Retry is "" when the status decides.
	Retry    condition.Retry `json:"retry"`
	Params   []CompiledParam `json:"params"`
	Messages [][]TextPart    `json:"messages"`
	Friendly [][]TextPart    `json:"friendly"`
}

// CompiledMeaning is a condition, and the status under which the code means it;
// 0 when that is the code's own.
type CompiledMeaning struct {
	Condition condition.Condition `json:"condition"`
	Status    int                 `json:"status"`
}

// CompiledParam is a public parameter.
type CompiledParam struct {
	Name   string              `json:"name"`
	Type   contract.ParamType  `json:"type"`
	From   string              `json:"from"`
	Format contract.TimeFormat `json:"format"`
	Prefix string              `json:"prefix"`
}

// CompiledHeaders are names of response headers.
type CompiledHeaders struct {
	RequestID string `json:"request_id"`
	Code      string `json:"code"`
	// Reset is on every response where a limit is told of, so that it is a wait
	// only for a failure that is about a limit.
	Reset string `json:"reset"`
}

// CompiledSecret is where a credential stands: In is header or query.
type CompiledSecret struct {
	In     string `json:"in"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
}

// CompiledKeys says where idempotency keys are honoured; no Header: nowhere.
type CompiledKeys struct {
	Header  string   `json:"header"`
	Methods []string `json:"methods"`
}

// CompiledRetry is when and how often a call is repeated.
type CompiledRetry struct {
	Attempts int `json:"attempts"`
	// TimeoutMs bounds an attempt; 0: nothing does.
	TimeoutMs float64 `json:"timeout_ms"`
	FirstMs   float64 `json:"first_ms"`
	Factor    float64 `json:"factor"`
	// CapMs bounds a growing wait before jitter; 0: nothing does.
	CapMs float64 `json:"cap_ms"`
	// Low and High bound the factor of jitter, AddMs what is added. High 0: no factor.
	Low   float64        `json:"low"`
	High  float64        `json:"high"`
	AddMs float64        `json:"add_ms"`
	Hints []CompiledHint `json:"hints"`
	// MaxWaitMs is the longest hint that is waited for; 0 is the client's default.
	MaxWaitMs    float64         `json:"max_wait_ms"`
	DefaultWaits map[int]float64 `json:"default_waits_ms"`
	Network      condition.Retry `json:"network"`
	// ByStatus is asked in order, for failures whose code has no advice.
	ByStatus []CompiledAdvice `json:"by_status"`
}

// CompiledHint is where a wait stands: in a header, or at a path in the body.
type CompiledHint struct {
	Header string   `json:"header"`
	Body   []string `json:"body"`
	Unit   string   `json:"unit"`
}

// CompiledAdvice is the advice for a range of statuses.
type CompiledAdvice struct {
	From  int             `json:"from"`
	To    int             `json:"to"`
	Retry condition.Retry `json:"retry"`
}

// CompiledStreams says how a stream tells of a failure.
type CompiledStreams struct {
	Event  string `json:"event"`
	NDJSON bool   `json:"ndjson"`
}

// CompiledPartial says where a body holds failures of single items.
type CompiledPartial struct {
	Statuses [][2]int `json:"statuses"`
	Items    []string `json:"items"`
	Error    []string `json:"error"`
	ID       []string `json:"id"`
}

// CompiledOperation is a pattern in net/http.ServeMux syntax.
type CompiledOperation struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// Safe: repeating does no harm. Unkeyed: no idempotency key is honoured.
	Safe    bool `json:"safe"`
	Unkeyed bool `json:"unkeyed"`
	// Limited: it has a rate of its own, which its responses tell of.
	Limited bool `json:"limited"`
}

// Compile takes out of a contract what a client obeys.
func Compile(c *contract.Contract) *Compiled {
	d := &Compiled{
		API: c.API, Title: c.Title, BaseURL: c.BaseURL, OpenCodes: c.OpenCodes, Timestamp: c.Timestamp,
		Envelopes: []CompiledEnvelope{}, Codes: []CompiledCode{}, CodeByStatus: map[int]string{}, Friendly: texts(c.Friendly),
		Headers: CompiledHeaders{c.Headers.RequestID.Name, c.Headers.Code, c.Headers.RateLimit.Reset},
		Secrets: []CompiledSecret{}, Keys: CompiledKeys{c.Idempotency.Header, filled(c.Idempotency.Methods)},
		Retry: retryOf(&c.Client), Streams: CompiledStreams{c.Streams.Event, c.Streams.NDJSON}, Pace: paceOf(c),
		Partial: []CompiledPartial{}, Operations: []CompiledOperation{},
		Conditions: map[condition.Condition]condition.Retry{}, Statuses: map[int]condition.Condition{},
	}
	if base, err := url.Parse(c.BaseURL); err == nil {
		d.BasePath = strings.TrimSuffix(base.Path, "/")
	}
	for _, e := range c.Envelopes {
		d.Envelopes = append(d.Envelopes, envelopeOf(e))
	}
	for _, code := range c.Codes {
		d.Codes = append(d.Codes, codeOf(code))
	}
	for _, s := range c.Statuses {
		if s.Code != nil {
			d.CodeByStatus[s.Status] = s.Code.Name
		}
	}
	for _, s := range c.Auth.Schemes {
		d.Secrets = append(d.Secrets, CompiledSecret{s.In, s.Name, s.Prefix})
	}
	for i := range c.Partial {
		x := &c.Partial[i]
		d.Partial = append(d.Partial, CompiledPartial{ranges(x.Statuses), filled(x.Items), filled(x.Error), filled(x.ID)})
	}
	d.operations(c.Operations)
	d.vocabulary()
	return d
}

func envelopeOf(e *contract.Envelope) CompiledEnvelope {
	mediaType, _, _ := strings.Cut(e.MediaType, ";")
	out := CompiledEnvelope{
		Name: e.Name, Headers: []CompiledHeader{}, Inside: filled(e.Inside), Successes: filled(e.Successes), Carries: []string{},
		XML: strings.HasSuffix(mediaType, "/xml") || strings.HasSuffix(mediaType, "+xml"),
	}
	if body, ok := e.Body(); ok {
		out.Body = &body
	}
	if text, ok := e.Text(); ok {
		out.Text = &text
	}
	for _, h := range e.Headers {
		out.Headers = append(out.Headers, CompiledHeader{h.Name, h.Shape()})
	}
	for _, slot := range []string{"code", "subcode", "type", "title"} {
		if e.Carries(slot) {
			out.Carries = append(out.Carries, slot)
		}
	}
	return out
}

func codeOf(c *contract.Code) CompiledCode {
	out := CompiledCode{
		Name: c.Name, Wire: c.Wire, Numeric: c.Numeric, Status: c.Status, Others: ranges(c.Others),
		Subcode: c.Subcode, Type: c.Type, Title: c.Title, Is: []CompiledMeaning{}, Retry: c.Retry,
		Params: []CompiledParam{}, Messages: texts(c.Messages), Friendly: texts(c.Friendly),
	}
	if c.Envelope != nil {
		out.Envelope = c.Envelope.Name
	}
	for _, m := range c.Is {
		out.Is = append(out.Is, CompiledMeaning{m.Condition, m.Status})
	}
	for _, x := range c.Params {
		out.Params = append(out.Params, CompiledParam{x.Name, x.Type, x.From, x.Format, x.Prefix})
	}
	return out
}

func retryOf(r *contract.ClientRules) CompiledRetry {
	b := r.Backoff
	out := CompiledRetry{
		Attempts: r.Attempts, TimeoutMs: ms(r.Timeout), FirstMs: ms(b.First), Factor: b.Factor, CapMs: ms(b.Cap),
		Low: b.Jitter.Low, High: b.Jitter.High, AddMs: ms(b.Jitter.Add), Hints: []CompiledHint{}, MaxWaitMs: ms(r.MaxHint),
		DefaultWaits: map[int]float64{}, Network: r.Network, ByStatus: []CompiledAdvice{},
	}
	for _, h := range r.Hints {
		out.Hints = append(out.Hints, CompiledHint{h.Header, filled(h.Body), string(h.Unit)})
	}
	for status, wait := range r.DefaultWaits {
		out.DefaultWaits[status] = ms(wait)
	}
	for _, a := range r.ByStatus {
		out.ByStatus = append(out.ByStatus, CompiledAdvice{a.Statuses.From, a.Statuses.To, a.Retry})
	}
	return out
}

func (d *Compiled) operations(all []*contract.Operation) {
	special := false
	for _, o := range all {
		unkeyed := o.Idempotency == "off"
		limited := d.Pace != nil && len(o.Rates) > 0
		special = special || o.Safe || unkeyed || limited
		d.Operations = append(d.Operations, CompiledOperation{o.Method, o.Path, o.Safe, unkeyed, limited})
	}
	if !special {
		d.Operations = []CompiledOperation{}
	}
}

func (d *Compiled) vocabulary() {
	for _, e := range condition.All() {
		d.Conditions[e.Condition] = e.Retry
	}
	for status := 400; status < 600; status++ {
		of := condition.OfStatus(status)
		if of != condition.OfStatus(499) && status < 500 || of != condition.OfStatus(599) && status >= 500 {
			d.Statuses[status] = of
		}
	}
}

func texts(all []*contract.Text) [][]TextPart {
	out := make([][]TextPart, 0, len(all))
	for _, t := range all {
		parts := []TextPart{}
		for _, p := range t.Parts() {
			if p.Name != "" {
				parts = append(parts, map[string]string{"slot": p.Name})
			} else {
				parts = append(parts, p.Literal)
			}
		}
		out = append(out, parts)
	}
	return out
}

func ranges(all []contract.StatusRange) [][2]int {
	out := make([][2]int, 0, len(all))
	for _, r := range all {
		out = append(out, [2]int{r.From, r.To})
	}
	return out
}

// filled makes a missing list an empty one: null would be a third state.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// JSON is the compiled contract as a file, for clients in further languages.
func JSON(c *contract.Contract) ([]File, error) {
	text, err := marshal(Compile(c), "  ")
	if err != nil {
		return nil, err
	}
	return []File{{Name: strings.Join(words(c.API), "-") + ".json", Data: text}}, nil
}

func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	return b.Bytes(), nil
}
