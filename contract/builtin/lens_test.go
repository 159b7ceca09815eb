package builtin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

// The law of envelopes: what an envelope can carry comes back unchanged, and
// what was read makes the same bytes again. For every code of every contract.
func TestRenderThenDecodeIsIdentity(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c := get(t, name)
		for _, code := range c.Codes {
			t.Run(name+"/"+code.Name, func(t *testing.T) {
				t.Parallel()
				l := lens{contract: c, code: code}
				l.probe()
				l.narrow, l.wide = errorSchema(t, c, code.Envelope, code), errorSchema(t, c, code.Envelope)
				rapid.Check(t, l.check)
			})
		}
	}
}

const canary = "nobody may ever see this"

// lens knows what the envelope of one code carries.
type lens struct {
	contract *contract.Contract
	code     *contract.Code
	// narrow and wide are the schemas of the code's bodies, and of the envelope's.
	narrow, wide *jsonschema.Schema
	// What of a field error comes through, and whether a path is told as one
	// text with dots.
	in, path, dotted, message, fieldCode bool
	list                                 bool
}

// probe sends a field error with recognisable parts and looks for them.
func (l *lens) probe() {
	f := contract.Failure{Code: l.code, Message: "m", Time: time.Unix(0, 0), Fields: []contract.FieldError{{
		In: "pRoBeIn", Path: []string{"pRoBePath", "two"}, Message: "pRoBeMessage", Code: "pRoBeCode",
	}}}
	raw, _, _ := l.contract.AppendError(nil, &f)
	body := string(raw)
	l.list = l.code.Envelope.Carries("fields")
	l.in, l.path = strings.Contains(body, "pRoBeIn"), strings.Contains(body, "pRoBePath")
	l.dotted = strings.Contains(body, "pRoBePath.two")
	l.message, l.fieldCode = strings.Contains(body, "pRoBeMessage"), strings.Contains(body, "pRoBeCode")
}

func (l *lens) carriesParam(x *contract.Param) bool {
	return l.code.Envelope.Carries("params") || l.code.Envelope.Carries("params."+x.Name)
}

// carries reports whether a fact comes through, by a slot or by a parameter.
func (l *lens) carries(fact string) bool {
	return l.code.Envelope.Carries(fact) || slices.ContainsFunc(l.code.Params, func(x *contract.Param) bool {
		return x.From == fact && l.carriesParam(x)
	})
}

func (l *lens) check(t *rapid.T) {
	f, want := l.draw(t)
	body, status, mediaType := l.contract.AppendError(nil, &f)
	if mediaType != l.code.Envelope.MediaType {
		t.Fatalf("media type %q", mediaType)
	}
	if !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	for name, schema := range map[string]*jsonschema.Schema{"code": l.narrow, "envelope": l.wide} {
		if err := schema.Validate(parsed(t, body)); err != nil {
			t.Errorf("against the schema of the %s: %v\n%s", name, err, body)
		}
	}
	if strings.Contains(string(body), canary) {
		t.Fatalf("a parameter that is not declared was sent: %s", body)
	}
	response := contract.Response{Status: status, Header: map[string][]string{"Content-Type": {mediaType}}, Body: body}
	got, ok := l.contract.Decode(response, time.Unix(0, 0))
	if !ok {
		t.Fatalf("not read back: %s", body)
	}
	if want.Message == "" && l.code.Envelope.Carries("message") {
		want.Message = l.contract.MessageOf(&f)
	}
	if got.Envelope != l.code.Envelope.Name || !got.Certain {
		t.Errorf("read through envelope %q, certain %v, as %v\n%s", got.Envelope, got.Certain, got.Why, body)
	}
	if diff := cmp.Diff(want, l.visible(got), compare...); diff != "" {
		t.Errorf("came back otherwise (-sent +read):\n%s\n%s", diff, body)
	}
	again, status2, _ := l.contract.AppendError(nil, &got)
	if string(again) != string(body) || status2 != status {
		t.Errorf("what was read makes other bytes:\n%d %s\n%d %s", status, body, status2, again)
	}
}

var compare = []cmp.Option{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *contract.Code) bool { return a == b }),
	cmp.Comparer(func(a, b contract.Value) bool {
		if number, ok := a.Data.(float64); ok {
			text, isNumber := b.Data.(json.Number)
			back, err := text.Float64()
			return a.Name == b.Name && isNumber && err == nil && back == number
		}
		x, errX := json.Marshal(a.Data)
		y, errY := json.Marshal(b.Data)
		return a.Name == b.Name && errX == nil && errY == nil && string(x) == string(y)
	}),
}

// visible leaves what the body carries by itself.
func (l *lens) visible(got contract.Failure) contract.Failure {
	f := contract.Failure{
		Code: got.Code, Condition: got.Condition, Status: got.Status, Message: got.Message, Params: got.Params, Fields: got.Fields,
	}
	if l.carries("request_id") {
		f.RequestID = got.RequestID
	}
	if l.code.Envelope.Carries("timestamp") {
		f.Time = got.Time
	}
	if l.carries("retry_after") {
		f.RetryAfter, f.HasRetryAfter = got.RetryAfter, got.HasRetryAfter
	}
	return f
}

// draw makes up a failure, and what of it should come back.
func (l *lens) draw(t *rapid.T) (f, want contract.Failure) {
	f.Code = l.code
	l.drawStatus(t, &f)
	want.Code = l.code
	want.Status = f.Status
	if want.Status == 0 {
		want.Status = l.code.StatusOf(f.Condition)
	}
	want.Condition = l.code.Condition(want.Status)
	f.Message = wild().Draw(t, "message")
	if l.code.Envelope.Carries("message") {
		want.Message = f.Message
	}
	f.RequestID = wild().Draw(t, "request id")
	if slices.Contains(l.code.Envelope.Requires, "request_id") {
		f.RequestID += "!" // never empty
	}
	if l.carries("request_id") {
		want.RequestID = f.RequestID
	}
	f.Time = instant(t, "time")
	if l.code.Envelope.Carries("timestamp") {
		want.Time = f.Time
	}
	if f.HasRetryAfter = rapid.Bool().Draw(t, "waits"); f.HasRetryAfter {
		f.RetryAfter = time.Duration(rapid.IntRange(0, 1e7).Draw(t, "wait")) * time.Second
	}
	if l.carries("retry_after") {
		want.RetryAfter, want.HasRetryAfter = f.RetryAfter, f.HasRetryAfter
	}
	f.Fields, want.Fields = l.drawFields(t)
	f.Params, want.Params = l.drawParams(t)
	return f, want
}

func (l *lens) drawStatus(t *rapid.T, f *contract.Failure) {
	switch n := rapid.IntRange(-1-len(l.code.Others), len(l.code.Is)).Draw(t, "status"); {
	case n < -1:
		f.Status = l.code.Others[-n-2].From
	case n > 0:
		f.Condition = l.code.Is[n-1].Condition
	default:
		f.Condition = condition.Unknown
	}
}

// Generators are made anew each time: rapid's are not safe for parallel tests.

// wild is any text, with more than its share of what breaks JSON.
func wild() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\"\\/\x00\x1f\u007f\u2028\u2029<>&${}.,~#\n\t\ufeff\U0001f600"))), 0, 24, -1)
}

// step has no dot, and is not empty: a dotted path cannot tell more.
func step() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("abz019-_\"\\ é\x01~/#[]")), 1, 8, -1)
}

func instant(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, label), 0).UTC()
}

func (l *lens) drawFields(t *rapid.T) (sent, read []contract.FieldError) {
	most := 1
	if l.list {
		most = 4
	}
	for range rapid.IntRange(0, most).Draw(t, "fields") {
		steps := wild()
		if l.dotted {
			steps = step()
		}
		x := contract.FieldError{
			In:      wild().Draw(t, "in"),
			Path:    rapid.SliceOfN(steps, 0, 4).Draw(t, "path"),
			Message: wild().Draw(t, "field message"),
			Code:    wild().Draw(t, "field code"),
		}
		sent = append(sent, x)
		var y contract.FieldError
		if l.in {
			y.In = x.In
		}
		if l.path {
			y.Path = x.Path
		}
		if l.message {
			y.Message = x.Message
		}
		if l.fieldCode {
			y.Code = x.Code
		}
		if l.list || len(y.Path) > 0 || y.Message != "" {
			read = append(read, y)
		}
	}
	return sent, read
}

func (l *lens) drawParams(t *rapid.T) (sent, read []contract.Value) {
	sent = append(sent, contract.Value{Name: "undeclared", Data: canary})
	for _, x := range l.code.Params {
		switch x.From {
		case "request_id", "retry_after", "field", "issue":
			continue // the failure itself has them
		}
		if !x.Required && !rapid.Bool().Draw(t, "has "+x.Name) {
			continue
		}
		v := contract.Value{Name: x.Name, Data: value(t, x)}
		if l.carriesParam(x) {
			read = append(read, v)
		}
		if rapid.Bool().Draw(t, "by fact") {
			v.Name = x.From
		}
		sent = append(sent, v)
	}
	slices.SortFunc(read, func(a, b contract.Value) int { return strings.Compare(a.Name, b.Name) })
	return sent, read
}

func value(t *rapid.T, x *contract.Param) any {
	switch x.Type {
	case contract.TypeInteger:
		return rapid.Int64().Draw(t, x.Name)
	case contract.TypeNumber:
		return rapid.OneOf(rapid.Float64Range(-1e300, 1e300), rapid.Float64Range(0, 100)).Draw(t, x.Name)
	case contract.TypeBoolean:
		return rapid.Bool().Draw(t, x.Name)
	case contract.TypeTime:
		return instant(t, x.Name)
	case contract.TypeArray:
		return []any{wild().Draw(t, "any"), json.Number("1.0")}
	case contract.TypeAny, contract.TypeObject:
		return map[string]any{"list": []any{wild().Draw(t, "any"), json.Number("1.0"), true, nil}}
	case contract.TypeString:
		return wild().Draw(t, x.Name)
	}
	t.Fatalf("no values of type %q", x.Type)
	return nil
}
