package builtin_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// What RFC 9457 demands of who sends problem details.
func TestProblemsAreSentAsTheRFCSays(t *testing.T) {
	t.Parallel()
	c := get(t, "problem")
	types := map[string]string{}
	// Section 3.2: names of extensions start with a letter, hold letters,
	// digits and underscores, and are three characters or longer.
	extension := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,}$`)
	for _, code := range c.Codes {
		f := c.SampleFailure(code)
		body, status, mediaType := c.AppendError(nil, &f)
		if mediaType != "application/problem+json" { // section 3
			t.Errorf("%s: media type %s", code.Name, mediaType)
		}
		var members map[string]any
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatal(err)
		}
		// Section 3.1.1: type is a URI reference; relative ones have the full path.
		reference, ok := members["type"].(string)
		at, err := url.Parse(reference)
		if !ok || err != nil || !at.IsAbs() && !strings.HasPrefix(reference, "/") {
			t.Errorf("%s: type %v: %v", code.Name, members["type"], err)
		}
		if other, taken := types[reference]; taken {
			t.Errorf("%s and %s share the type %s", code.Name, other, reference)
		}
		types[reference] = code.Name
		// Section 3.1.2: status is that of the response.
		if number, ok := members["status"].(float64); !ok || int(number) != status {
			t.Errorf("%s: status %v in the body of a %d", code.Name, members["status"], status)
		}
		// Section 3.1.3: title does not change from occurrence to occurrence.
		again := f
		again.Message, again.Params = "another", nil
		if second := titleOf(t, c, &again); second == "" || second != members["title"] {
			t.Errorf("%s: title %q, then %q", code.Name, members["title"], second)
		}
		// Section 3.1.4: detail is about this occurrence, for people.
		if members["detail"] != c.MessageOf(&f) || members["detail"] == "" {
			t.Errorf("%s: detail %q", code.Name, members["detail"])
		}
		// Section 3.1.5: instance is a URI reference of the occurrence.
		if members["instance"] != "urn:uuid:"+f.RequestID {
			t.Errorf("%s: instance %v", code.Name, members["instance"])
		}
		for name := range members {
			if !extension.MatchString(name) {
				t.Errorf("%s: %q is no name of an extension", code.Name, name)
			}
		}
	}
}

func titleOf(t *testing.T, c *contract.Contract, f *contract.Failure) string {
	t.Helper()
	body, _, _ := c.AppendError(nil, f)
	var problem struct {
		Title string `json:"title"`
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Fatal(err)
	}
	return problem.Title
}

// What RFC 9457 demands of who reads them. None of it may lose the condition.
func TestProblemsAreReadAsTheRFCSays(t *testing.T) {
	t.Parallel()
	c := get(t, "problem")
	for _, tc := range []struct {
		name, body string
		status     int
		condition  condition.Condition
		code       string
		message    string
	}{
		{"extensions that nobody knows are ignored (3.2)",
			`{"type":"/problems/rate-limited","title":"T","status":429,"detail":"D","code":"rate_limited","horoscope":{"sign":"crab"}}`,
			429, condition.RateLimited, "rate_limited", "D"},
		{"an absent type is about:blank (3.1.1)",
			`{"title":"T","status":402,"detail":"D","code":"payment_required"}`,
			402, condition.PaymentRequired, "payment_required", "D"},
		{"about:blank means what the status says (4.2.1)",
			`{"type":"about:blank","title":"Not Found","status":404}`,
			404, condition.ResourceMissing, "resource_missing", ""},
		{"members of another type than specified are ignored (3.1)",
			`{"type":7,"title":["T"],"status":{"is":429},"detail":{"x":1},"instance":false,"code":"key_expired","errors":"none"}`,
			401, condition.KeyExpired, "key_expired", ""},
		{"the status line counts where the body differs (3.1.2)",
			`{"type":"/problems/resource-missing","title":"T","status":500,"detail":"D","code":"resource_missing"}`,
			404, condition.ResourceMissing, "resource_missing", "D"},
		{"nothing but a status", `{"status":503}`, 503, condition.Unavailable, "unavailable", ""},
		{"a type and members of somebody else",
			`{"type":"https://bank.example/probs/out-of-credit","title":"Not enough credit","detail":"30, needs 50","balance":30}`,
			403, "", "", "30, needs 50"},
	} {
		r := contract.Response{Status: tc.status, Header: map[string][]string{"Content-Type": {"application/problem+json"}}, Body: []byte(tc.body)}
		f, ok := c.Decode(r, now())
		if !ok || f.Status != tc.status || tc.condition != "" && f.Condition != tc.condition {
			t.Errorf("%s: read %v, %d %s", tc.name, ok, f.Status, f.Condition)
		}
		if tc.code != "" && (f.Code == nil || f.Code.Name != tc.code) {
			t.Errorf("%s: code %v, want %s", tc.name, f.Code, tc.code)
		}
		if tc.message != "" && f.Message != tc.message {
			t.Errorf("%s: message %q, want %q", tc.name, f.Message, tc.message)
		}
	}
}

// The list of faults has the form of RFC 9457 section 3: pointers as URI fragments.
func TestProblemsListFaults(t *testing.T) {
	t.Parallel()
	c := get(t, "problem")
	f := contract.Failure{Code: c.MustCode("validation_failed"), RequestID: "id", Fields: []contract.FieldError{
		{In: "body", Path: []string{"items", "0", "a/b"}, Message: "is missing", Code: "required"},
		{Message: "is empty"},
	}}
	body, _, _ := c.AppendError(nil, &f)
	const want = `"errors":[{"detail":"is missing","pointer":"#/items/0/a~1b","in":"body","code":"required"},{"detail":"is empty","pointer":"#"}]`
	if !strings.Contains(string(body), want) {
		t.Errorf("got %s, want %s in it", body, want)
	}
}

// Each type gets a wait where it has one, in the body as in the header.
func TestProblemsCarryTheWait(t *testing.T) {
	t.Parallel()
	c := get(t, "problem")
	f := contract.Failure{Code: c.MustCode("overloaded"), RequestID: "id", RetryAfter: 1500 * time.Millisecond, HasRetryAfter: true}
	body, status, _ := c.AppendError(nil, &f)
	if !strings.Contains(string(body), `"retry_after":2`) || !c.Headers.RetryAfter.On.Holds(status) {
		t.Errorf("%d %s", status, body)
	}
}
