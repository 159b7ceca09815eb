package conform_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// report has a rule that is kept, one that is broken twice, once with all it
// can tell, and one that was not checked.
func report() *conform.Report {
	rule := func(id string, severity conform.Severity, line int) conform.Rule {
		return conform.Rule{
			ID: id, Group: "shape", Title: "title of " + id, Severity: severity, Promise: "promise of " + id,
			Pos: contract.Position{File: "api/shop.yaml", Line: line},
		}
	}
	return &conform.Report{
		Kind: "server", Target: "http://127.0.0.1:1", API: "shop", File: "api/shop.yaml", Requests: 7, Took: 1500 * time.Millisecond,
		Checks: []conform.Check{
			{Rule: rule("kept-rule", conform.Error, 3), Tried: 4},
			{Rule: rule("odd-rule", conform.Warning, 5), Tried: 1, Findings: []conform.Finding{{Subject: "GET /odd", Seen: "odd"}}},
			{Rule: rule("broken-rule", conform.Error, 8), Tried: 2, Findings: []conform.Finding{
				{Subject: "GET /a", Seen: "a <b> & \x00\ufffe c"},
				{
					Subject: "POST /b", Seen: "500", Promise: "503", Pos: contract.Position{File: "api/shop.yaml", Line: 21},
					Reproduce: "curl -i 'http://127.0.0.1:1/b'", Evidence: []conform.Event{{At: 250 * time.Millisecond, What: "POST /b: 500"}},
				},
			}},
			{Rule: rule("other-rule", conform.Error, 9), Skipped: "no key was given"},
		},
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	r := report()
	if r.Kept() || r.Found() != 3 || r.Checked() != 3 || r.Skipped() != 1 {
		t.Errorf("kept %v, found %d, checked %d, skipped %d", r.Kept(), r.Found(), r.Checked(), r.Skipped())
	}
	if list := r.Broken(); len(list) != 2 || list[0].ID != "broken-rule" || list[1].ID != "odd-rule" {
		t.Errorf("broken, errors first: %v", list)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{"check":"server","target":"http://127.0.0.1:1","api":"shop","contract":"api/shop.yaml","kept":false,"findings":3,"checked":3,"skipped":1,` +
		`"requests":7,"seconds":1.5,"rules":[` +
		`{"id":"kept-rule","group":"shape","title":"title of kept-rule","severity":"error","promise":"promise of kept-rule",` +
		`"file":"api/shop.yaml","line":3,"state":"kept","tried":4},`
	if !strings.HasPrefix(b.String(), want) {
		t.Errorf("got %s", b.String())
	}
	for _, part := range []string{
		`{"subject":"POST /b","promise":"503","seen":"500","file":"api/shop.yaml","line":21,"reproduce":"curl -i 'http://127.0.0.1:1/b'","evidence":[{"seconds":0.25,"what":"POST /b: 500"}]}`,
		`"state":"skipped","why":"no key was given","tried":0`,
		`a <b> & \u0000`,
	} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("%s is not in %s", part, b.String())
		}
	}
}

// TestJUnit reads the report back as CI systems do.
func TestJUnit(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := report().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Class   string `xml:"classname,attr"`
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Skipped *struct {
					Message string `xml:"message,attr"`
				} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if got.Tests != 4 || got.Failures != 2 || got.Skipped != 1 || len(got.Suites) != 1 || len(got.Suites[0].Cases) != 4 {
		t.Fatalf("got %+v", got)
	}
	cases := got.Suites[0].Cases
	if got.Suites[0].Name != "failwell check server shop" || cases[0].Class != "failwell.server.shape" || cases[0].Failure != nil {
		t.Errorf("got %+v", got.Suites[0])
	}
	failure := cases[2].Failure
	if failure == nil || failure.Message != "GET /a: a <b> & \ufffd\ufffd c" || !strings.Contains(failure.Text, "curl -i 'http://127.0.0.1:1/b'") ||
		!strings.Contains(failure.Text, "503 (api/shop.yaml:21)") {
		t.Errorf("got %+v", failure)
	}
	if cases[3].Skipped == nil || cases[3].Skipped.Message != "no key was given" {
		t.Errorf("got %+v", cases[3])
	}
}

// No report of a run that was stopped looks like one of a run that went well.
func TestStoppedReports(t *testing.T) {
	t.Parallel()
	r := &conform.Report{Kind: "server", API: "shop", Stopped: true, Done: 3, All: 9}
	if r.Kept() {
		t.Error("it is said to be kept")
	}
	for name, x := range map[string]struct {
		write func(io.Writer) error
		want  []string
	}{
		"JSON":  {r.WriteJSON, []string{`"kept":false`, `"stopped":{"done":3,"all":9}`}},
		"JUnit": {r.WriteJUnit, []string{`errors="1"`, `<testcase classname="failwell.server" name="the check comes to its end" time="0.000">`, `<error message="stopped after 3 of 9 planned requests"`}},
		"SARIF": {r.WriteSARIF, []string{`"executionSuccessful": false`, `"text": "stopped after 3 of 9 planned requests"`}},
	} {
		var b bytes.Buffer
		if err := x.write(&b); err != nil {
			t.Fatal(err)
		}
		for _, part := range x.want {
			if !strings.Contains(b.String(), part) {
				t.Errorf("%s: %s is not in %s", name, part, b.String())
			}
		}
	}
	if r = report(); strings.Contains(r.StoppedAfter(), "runs") || r.Stopped {
		t.Errorf("%+v", r)
	}
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	var got struct {
		Version string `json:"version"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						ID   string `json:"id"`
						Name string `json:"name"`
					} `json:"rules"`
				} `json:"driver"`
			} `json:"tool"`
			Results []struct {
				RuleID       string            `json:"ruleId"`
				RuleIndex    int               `json:"ruleIndex"`
				Level        string            `json:"level"`
				Fingerprints map[string]string `json:"partialFingerprints"`
				Locations    []struct {
					Physical struct {
						Artifact struct {
							URI string `json:"uri"`
						} `json:"artifactLocation"`
						Region struct {
							StartLine int `json:"startLine"`
						} `json:"region"`
					} `json:"physicalLocation"`
				} `json:"locations"`
			} `json:"results"`
		} `json:"runs"`
	}
	var b bytes.Buffer
	if err := report().WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || len(got.Runs) != 1 || len(got.Runs[0].Results) != 3 {
		t.Fatalf("got %s", b.String())
	}
	run := got.Runs[0]
	for i, want := range []struct {
		rule, level string
		line        int
	}{{"odd-rule", "warning", 5}, {"broken-rule", "error", 8}, {"broken-rule", "error", 21}} {
		x := run.Results[i]
		where := x.Locations[0].Physical
		if x.RuleID != want.rule || run.Tool.Driver.Rules[x.RuleIndex].ID != want.rule || x.Level != want.level ||
			where.Region.StartLine != want.line || where.Artifact.URI != "api/shop.yaml" {
			t.Errorf("result %d is %+v, want %+v", i, x, want)
		}
	}
	if run.Tool.Driver.Rules[2].Name != "BrokenRule" {
		t.Errorf("named %q", run.Tool.Driver.Rules[2].Name)
	}
	seen := map[string]bool{}
	for _, x := range run.Results {
		seen[x.Fingerprints["failwell/v1"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("fingerprints are not different: %v", seen)
	}
}
