package builtin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

// gate is what decides about a repetition.
type gate struct {
	Code          *contract.Code
	Condition     string
	Retry         string
	Status, Items int
	RetryAfter    time.Duration
	HasRetryAfter bool
	OK            bool
}

func gateOf(f *contract.Failure, ok bool) gate {
	if !ok {
		return gate{}
	}
	return gate{f.Code, string(f.Condition), string(f.Retry), f.Status, len(f.Items), f.RetryAfter, f.HasRetryAfter, ok}
}

// A glance decides as a thorough reading does, whatever was glanced at before:
// bodies come again under other statuses and with other headers, and damaged.
func TestAGlanceDecidesAsDecodeDoes(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		c := get(t, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				glanceLikeDecode(t, c)
			})
		})
	}
}

func glanceLikeDecode(t *rapid.T, c *contract.Contract) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var bodies [][]byte
	for range rapid.IntRange(1, 3).Draw(t, "kinds") {
		f := c.SampleFailure(rapid.SampledFrom(c.Codes).Draw(t, "code"))
		body, _, _ := c.AppendError(nil, &f)
		if at := rapid.IntRange(0, 3*len(body)).Draw(t, "damage"); at < len(body) {
			body[at] = rapid.SampledFrom([]byte("\"\\{}[],:0 e\x00\xff")).Draw(t, "byte")
		}
		bodies = append(bodies, body)
	}
	statuses := []int{200, 207, 400, 429, 500, 503}
	for range 8 {
		r := contract.Response{Body: rapid.SampledFrom(bodies).Draw(t, "body"), Status: rapid.SampledFrom(statuses).Draw(t, "status")}
		header := http.Header{}
		for _, h := range c.Client.Hints {
			if value := rapid.SampledFrom([]string{"", "", "3", "0", "1796040003", "Mon, 30 Nov 2026 12:00:09 GMT"}).Draw(t, "hint"); value != "" && h.Header != "" {
				header.Set(h.Header, value)
			}
		}
		if rapid.Bool().Draw(t, "dated") {
			header.Set("Date", "Mon, 30 Nov 2026 11:59:59 GMT")
		}
		r.Header = header
		f, ok := c.Decode(r, contract.ServerTime(header, now))
		glance := c.Glance(r, now)
		if diff := cmp.Diff(gateOf(&f, ok), gateOf(glance, glance != nil), cmp.Comparer(func(a, b *contract.Code) bool { return a == b })); diff != "" {
			t.Fatalf("%d %v %s\n(-decoded +glanced)\n%s", r.Status, header, r.Body, diff)
		}
	}
}
