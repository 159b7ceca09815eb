package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// A sample is what the API would send: it reads back as the code it was made of.
func TestSamplesReadBack(t *testing.T) {
	t.Parallel()
	c := shop(t)
	for _, code := range c.Codes {
		t.Run(code.Name, func(t *testing.T) {
			t.Parallel()
			s := c.Sample(code)
			h := http.Header{}
			for _, x := range s.Headers {
				h.Set(x.Name, x.Value)
			}
			f, ok := c.Decode(contract.Response{Status: s.Status, Header: h, Body: s.Body}, noon)
			if !ok || f.Code != code || !f.Certain {
				t.Fatalf("%s read back as %v, certain %v", s.Body, f.Code, f.Certain)
			}
			if strings.Contains(string(s.Body), "$") {
				t.Errorf("%s has a place that nothing filled", s.Body)
			}
			if code.Retry == condition.AfterWait && (!f.HasRetryAfter || f.RetryAfter != 30*time.Second) {
				t.Errorf("the wait is %v (%v) in %s %v, want 30s", f.RetryAfter, f.HasRetryAfter, s.Body, s.Headers)
			}
		})
	}
}

func TestExplainSaysWhatEachCodeMeans(t *testing.T) {
	t.Parallel()
	c := shop(t)
	for _, code := range c.Codes {
		x := c.Explain(code)
		if x.Name != code.Name || x.Code != code.Wire || x.Status != code.Status || x.Retry != code.Retry || !x.Certain || x.Pos != code.Pos || x.API != "shop" {
			t.Errorf("%s is explained as %+v", code.Name, x)
		}
		silent := len(code.Is) == 0 && code.Status < 400 // nobody says what it means
		if !silent && (x.Meaning == "" || x.Remedy == "" || x.Fault == "") || len(x.Sample.Body) == 0 {
			t.Errorf("%s lacks meaning, remedy, fault or sample: %+v", code.Name, x)
		}
		if x.RequestID != "" || x.HasRetryAfter || x.Fields != nil || x.Param != "" {
			t.Errorf("%s is explained with made-up values: %+v", code.Name, x)
		}
	}
}

func TestExplainAFailure(t *testing.T) {
	t.Parallel()
	c := shop(t)
	f := contract.Failure{Code: c.MustCode("slow_down"), Status: 429, RequestID: "abc", RetryAfter: time.Second, HasRetryAfter: true, Certain: true}
	x := c.ExplainFailure(&f)
	if x.Retry != condition.AfterWait || !x.Retryable || x.RetryAfter != time.Second || x.RequestID != "abc" || x.Fault != condition.FaultCaller || x.Retries == nil || x.Message == "" {
		t.Errorf("got %+v", x)
	}
}

func TestExplainWithoutAContract(t *testing.T) {
	t.Parallel()
	known, _ := condition.Lookup(condition.UpstreamTimeout)
	var c *contract.Contract
	x := c.ExplainFailure(&contract.Failure{Status: 504, Condition: condition.UpstreamTimeout, WireCode: "E17", Why: []string{"the status"}})
	want := contract.Explanation{
		Code: "E17", Condition: condition.UpstreamTimeout, Status: 504, Meaning: known.Meaning, Remedy: known.Remedy,
		Fault: condition.FaultUpstream, Retry: known.Retry, Retryable: true, Why: []string{"the status"},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
}

func TestTheParameterToBlame(t *testing.T) {
	t.Parallel()
	field := func(path ...string) contract.FieldError { return contract.FieldError{Path: path} }
	for name, tc := range map[string]struct {
		f    contract.Failure
		want string
	}{
		"none":       {contract.Failure{}, ""},
		"one":        {contract.Failure{Fields: []contract.FieldError{field("items", "0", "id")}}, "items.0.id"},
		"one, twice": {contract.Failure{Fields: []contract.FieldError{field("a"), field("a")}}, "a"},
		"several":    {contract.Failure{Fields: []contract.FieldError{field("a"), field("b")}}, ""},
		"named":      {contract.Failure{Params: []contract.Value{{Name: "param", Data: "c"}}, Fields: []contract.FieldError{field("a"), field("b")}}, "c"},
		"not a name": {contract.Failure{Params: []contract.Value{{Name: "param", Data: 7}}}, ""},
	} {
		if got := (*contract.Contract)(nil).ExplainFailure(&tc.f).Param; got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
