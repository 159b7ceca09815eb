package builtin_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

// A head that is too large is no body that is too large.
func TestLongHeadsAreNotToldAsLongBodies(t *testing.T) {
	t.Parallel()
	about := regexp.MustCompile(`(?i)\b(body|upload|file)`)
	for _, name := range builtin.Names() {
		c := get(t, name)
		of := condition.OfStatus(431)
		code, status := c.For(of)
		if code.Allows(431) {
			status = 431
		}
		f := contract.Failure{Code: code, Condition: of, Status: status, RequestID: "r"}
		body, sent, _ := c.AppendError(nil, &f)
		if said := c.MessageOf(&f) + " " + c.FriendlyOf(&f); about.MatchString(said) {
			t.Errorf("%s: 431 is told as %q", name, said)
		}
		if want := map[bool]int{true: 431, false: 400}[name == "problem"]; sent != want {
			t.Errorf("%s: 431 is sent as %d, want %d: %s", name, sent, want, body)
		}
	}
}

// One second is one second, not one seconds.
func TestUnitsReadWellWithOne(t *testing.T) {
	t.Parallel()
	plural := regexp.MustCompile(`\b1 [a-z]+s\b`)
	for _, name := range builtin.Names() {
		c := get(t, name)
		for _, code := range c.Codes {
			f := contract.Failure{Code: code, RequestID: "r", RetryAfter: time.Second, HasRetryAfter: true}
			for _, x := range code.Params {
				if x.From == "timeout_seconds" || x.From == "window_seconds" {
					f.Params = append(f.Params, contract.Value{Name: x.Name, Data: 1})
				}
			}
			for _, said := range []string{c.MessageOf(&f), c.FriendlyOf(&f)} {
				if plural.MatchString(said) {
					t.Errorf("%s: %s: %q", name, code.Name, said)
				}
			}
		}
	}
}

// What people are told about their input says where it is.
func TestFriendlyTextsNameTheField(t *testing.T) {
	t.Parallel()
	c := get(t, "heppu")
	for _, name := range []string{"invalid_request", "validation_failed"} {
		f := contract.Failure{Code: c.MustCode(name), RequestID: "r", Fields: []contract.FieldError{{Path: []string{"voice", "name"}, Message: "must not be empty"}}}
		if got, want := c.FriendlyOf(&f), "Please check your input: voice.name: must not be empty"; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
