package gen_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// sent is a response that both languages read.
type sent struct {
	Package string      `json:"package"`
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"` // each character is a byte

	api      *contract.Contract
	what     string
	response contract.Response
}

// read is what a language makes of it.
type read struct {
	Name      string         `json:"name"`
	Wire      string         `json:"wire"`
	Condition string         `json:"condition"`
	Status    int            `json:"status"`
	Message   string         `json:"message"`
	Friendly  string         `json:"friendly"`
	Type      string         `json:"type"`
	RequestID string         `json:"request_id"`
	QuotedID  string         `json:"quoted_id"`
	Retry     string         `json:"retry"`
	Wait      *time.Duration `json:"wait"`
	Time      string         `json:"time"`
	Fields    []readField    `json:"fields"`
	Params    map[string]any `json:"params"`
	Envelope  string         `json:"envelope"`
	Certain   bool           `json:"certain"`
}

type readField struct {
	In      string   `json:"in"`
	Path    []string `json:"path"`
	Message string   `json:"message"`
	Code    string   `json:"code"`
}

// Whatever Go writes by a contract, Python reads as Go does: every code of every
// contract, under its own and under other statuses, with odd texts, and with codes
// that the catalogue lacks.
func TestPythonReadsAsGoDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := tidyContracts(t)
	text, err := os.ReadFile("testdata/shapes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if all["shapes"], err = contract.Parse("shapes.yaml", text); err != nil {
		t.Fatal(err)
	}
	var cases []sent
	for name, c := range all {
		files, err := gen.Python(c, gen.Options{Package: name + "_client"})
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, files)
		cases = append(cases, samplesOf(c, name+"_client")...)
	}
	var in bytes.Buffer
	for i := range cases {
		line, err := json.Marshal(&cases[i])
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	script, err := filepath.Abs("testdata/python_decode.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), pythonTool(t, "python"), script)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(cases) || len(cases) < 500 {
		t.Fatalf("%d answers to %d cases", len(lines), len(cases))
	}
	for i := range cases {
		var got *read
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		want := readInGo(t, &cases[i])
		if want != nil && got != nil && want.Name == "" {
			// What a code means that is in no catalogue is guessed from its words, and
			// a client brings fewer of them along.
			want.Condition, got.Condition = "", ""
		}
		if want != nil && got != nil && want.Envelope == "" {
			want.Message, got.Message = "", "" // and takes less care of blanks
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %d %s\n%s", cases[i].what, cases[i].Status, cases[i].response.Body, diff)
		}
	}
}

func samplesOf(c *contract.Contract, name string) []sent {
	var out []sent
	add := func(what string, s contract.Sample, status int, body []byte) {
		x := sent{Package: name, Status: status, api: c, what: c.API + ", " + what, response: contract.Response{Status: status, Header: map[string][]string{}, Body: body}}
		for _, h := range append(s.Headers, contract.HeaderValue{Name: "Content-Type", Value: s.MediaType}) {
			x.Headers = append(x.Headers, [2]string{h.Name, h.Value})
			x.response.Header[h.Name] = []string{h.Value}
		}
		runes := make([]rune, len(body))
		for i, b := range body {
			runes[i] = rune(b)
		}
		x.Body = string(runes)
		out = append(out, x)
	}
	for _, code := range c.Codes {
		s := c.Sample(code)
		add(code.Name, s, s.Status, s.Body)
		for _, status := range []int{200, 400, 409, 413, 429, 500, 503} {
			add(fmt.Sprintf("%s under %d", code.Name, status), s, status, s.Body)
		}
		if code.Wire != "" && !code.Numeric {
			add("unknown instead of "+code.Name, s, s.Status, bytes.Replace(s.Body, []byte(code.Wire), []byte("unheard_of"), 1))
		}
		f := c.SampleFailure(code)
		f.Params, f.Fields, f.RequestID, f.HasRetryAfter = nil, nil, "", false
		bare, status, mediaType := c.AppendError(nil, &f)
		add(code.Name+" without a fact", contract.Sample{MediaType: mediaType}, status, bare)
		f = c.SampleFailure(code)
		f.Message = "Überraschung: \"]}{'\\ \u2028 &<>"
		f.Fields = []contract.FieldError{
			{In: "body", Path: []string{"a", "0", "b/~c"}, Message: "first", Code: "x"}, {In: "query", Path: []string{"a"}, Message: "second", Code: "y"},
		}
		odd, status, mediaType := c.AppendError(nil, &f)
		add(code.Name+" with odd texts", contract.Sample{MediaType: mediaType}, status, odd)
	}
	return out
}

func readInGo(t *testing.T, x *sent) *read {
	t.Helper()
	f, ok := x.api.Decode(x.response, time.Unix(1772712000, 0).UTC())
	if !ok || x.Status < 400 && f.Envelope == "" && len(f.Items) == 0 {
		return nil
	}
	r := &read{
		Wire: f.WireCode, Condition: string(f.Condition), Status: f.Status, Message: x.api.MessageOf(&f), Friendly: x.api.FriendlyOf(&f), Type: f.Type,
		RequestID: f.RequestID, QuotedID: f.QuotedID, Retry: string(f.Retry), Fields: []readField{}, Params: map[string]any{}, Envelope: f.Envelope, Certain: f.Certain,
	}
	if f.Code != nil {
		r.Name = f.Code.Name
	}
	if f.HasRetryAfter {
		r.Wait = &f.RetryAfter
	}
	if !f.Time.IsZero() {
		r.Time = f.Time.Format("2006-01-02T15:04:05Z")
	}
	for _, field := range f.Fields {
		r.Fields = append(r.Fields, readField{field.In, append([]string{}, field.Path...), field.Message, field.Code})
	}
	for _, v := range f.Params {
		if wait, ok := v.Data.(time.Duration); ok {
			v.Data = wait.Seconds()
		}
		r.Params[v.Name] = v.Data
	}
	text, err := json.Marshal(r.Params)
	if err != nil {
		t.Fatal(err)
	}
	r.Params = nil // as JSON has them
	if err := json.Unmarshal(text, &r.Params); err != nil {
		t.Fatal(err)
	}
	return r
}
