package builtin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

// now is when the samples are read.
func now() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC) }

// An answer in each shape that the documents show is read as what it is.
func TestSamplesAreRead(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		for _, s := range d.Samples {
			f, ok := c.Decode(s.response(), now())
			if !ok {
				t.Errorf("%s: no failure", s.About)
				continue
			}
			if diff := cmp.Diff(s.expected(c), reading(&f), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", s.About, diff)
			}
			if !f.Certain || f.Code != nil && c.RetryFor(f.Code, f.Status) != f.Retry {
				t.Errorf("%s: certain %v, retry %s: %v", s.About, f.Certain, f.Retry, f.Why)
			}
		}
	})
}

func (s *sample) response() contract.Response {
	h := map[string][]string{"Content-Type": {"application/json"}}
	for name, v := range s.Headers {
		h[name] = []string{v}
	}
	return contract.Response{Status: s.Status, Header: h, Body: []byte(s.Body)}
}

// A reading is a failure as plain text, so that a difference can be read.
func reading(f *contract.Failure) map[string]string {
	out := map[string]string{
		"status": fmt.Sprint(f.Status), "envelope": f.Envelope, "condition": string(f.Condition),
		"message": f.Message, "type": f.Type, "request id": f.RequestID, "retry after": f.RetryAfter.String(),
	}
	if f.Code != nil {
		out["code"] = f.Code.Name
	}
	if !f.Time.IsZero() {
		out["time"] = f.Time.Format(time.RFC3339)
	}
	for _, v := range f.Params {
		out["param "+v.Name] = plain(v.Data)
	}
	for i, x := range f.Fields {
		out[fmt.Sprint("field ", i)] = fmt.Sprint(x.In, x.Path, x.Message, x.Code)
	}
	return out
}

func plain(v any) string {
	if at, ok := v.(time.Time); ok {
		return at.Format(time.RFC3339)
	}
	raw, err := json.Marshal(v)
	return fmt.Sprint(string(raw), err)
}

func (s *sample) expected(c *contract.Contract) map[string]string {
	f := contract.Failure{
		Status: s.Status, Envelope: s.Envelope, Code: c.MustCode(s.Code), Condition: s.Condition, Message: s.Message,
		Type: s.Type, RequestID: s.RequestID, Time: s.Time, RetryAfter: s.RetryAfter,
	}
	for name, v := range s.Params {
		f.Params = append(f.Params, contract.Value{Name: name, Data: v})
	}
	for _, x := range s.Fields {
		f.Fields = append(f.Fields, contract.FieldError{In: x.In, Path: x.Path, Message: x.Message, Code: x.Code})
	}
	return reading(&f)
}

// What a code's page and explain show as an example can be read as one: values
// are of the kind that the API sends, and a limit blames no field.
func TestSamplesOfCodesAreBelievable(t *testing.T) {
	t.Parallel()
	for _, api := range builtin.Names() {
		c, err := builtin.Get(api)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range c.Codes {
			body := string(c.Sample(code).Body)
			if strings.Contains(body, "example") {
				t.Errorf("%s %s: %s: give each parameter an example", api, code.Name, body)
			}
			if code.Is != nil && code.Is[0].Condition == condition.RateLimited && strings.Contains(body, "is missing") {
				t.Errorf("%s %s: a limit blames a field: %s", api, code.Name, body)
			}
		}
	}
}
