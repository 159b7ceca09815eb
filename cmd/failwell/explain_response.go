package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/guess"
)

// What is read of stdin: no response that a person looks at is longer. The rest
// is drained up to a bound, so that the program that writes does not complain.
const (
	maxResponse = contract.MaxErrorBody + 512<<10
	maxDrained  = 64 << 20
)

// responseJSON is what explain --json prints of a response. Absent is null.
type responseJSON struct {
	Condition   *string     `json:"condition"`
	Code        *string     `json:"code"`
	Status      *int        `json:"status"`
	Message     *string     `json:"message"`
	RequestID   *string     `json:"request_id"`
	Param       *string     `json:"param"`
	Fields      []fieldJSON `json:"fields"`
	RetryAfterS *float64    `json:"retry_after_s"`
	Retry       *string     `json:"retry"`
	Retryable   bool        `json:"retryable"`
	Certain     bool        `json:"certain"`
}

type fieldJSON struct {
	Field   *string `json:"field"`
	Message *string `json:"message"`
}

func (x *explainCmd) response(c *console, now time.Time) error {
	var spec *contract.Contract
	if x.Contract != "" {
		var err error
		if spec, err = loadContract(x.Contract); err != nil {
			return err
		}
	}
	text, err := c.readResponse()
	if err != nil {
		return err
	}
	raw, err := guess.ParseRaw(text)
	if err != nil {
		return fmt.Errorf("the response cannot be read: %w", err)
	}
	f, failed := spec.Decode(contract.Response(raw), contract.ServerTime(raw.Header, now))
	told := spec.ExplainFailure(&f)
	if !failed {
		return x.noFailure(c, raw.Status, &told)
	}
	if x.JSON {
		return c.json(jsonOf(&told, &f))
	}
	return c.showFailure(&told)
}

func (c *console) readResponse() ([]byte, error) {
	const hint = "pipe one in, as in: curl -i URL | failwell explain; or name a code: failwell explain CODE"
	if isTerminal(c.stdin) {
		return nil, usage(hint, "there is no code and no response to explain")
	}
	text, err := io.ReadAll(io.LimitReader(c.stdin, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("reading stdin: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, usage(hint, "stdin holds no response")
	}
	if len(text) == maxResponse {
		if _, err := io.CopyN(io.Discard, c.stdin, maxDrained); err != nil && err != io.EOF { //nolint:errorlint // CopyN returns it bare
			return nil, fmt.Errorf("reading stdin: %w", err)
		}
	}
	return text, nil
}

func (x *explainCmd) noFailure(c *console, status int, told *contract.Explanation) error {
	known := status >= 100 && status < 400
	if x.JSON {
		out := responseJSON{RequestID: orNull(told.RequestID), Certain: known}
		if status != 0 {
			out.Status = &status
		}
		return c.json(out)
	}
	if !known {
		return c.print("this is not a failure, as far as can be seen: no status line and nothing that looks like an error\n")
	}
	return c.printf("this is not a failure: %d %s\n", status, strings.ToLower(http.StatusText(status)))
}

// jsonOf takes code and message as they were sent, not as a contract would.
func jsonOf(x *contract.Explanation, f *contract.Failure) responseJSON {
	out := responseJSON{
		Condition: orNull(string(x.Condition)), Code: orNull(f.WireCode), Message: orNull(f.Message), RequestID: orNull(x.RequestID),
		Param: orNull(x.Param), Retry: orNull(string(x.Retry)), Retryable: x.Retryable, Certain: x.Certain,
	}
	if x.Status != 0 {
		out.Status = &x.Status
	}
	if x.HasRetryAfter {
		seconds := x.RetryAfter.Seconds()
		out.RetryAfterS = &seconds
	}
	for _, f := range issues(x) {
		out.Fields = append(out.Fields, fieldJSON{orNull(f.Name()), orNull(f.Message)})
	}
	return out
}

// issues are the faults of fields that say more than the parameter's name.
func issues(x *contract.Explanation) []contract.FieldError {
	if len(x.Fields) == 1 && x.Fields[0].Message == "" && x.Fields[0].Code == "" {
		return nil
	}
	return x.Fields
}

func (c *console) showFailure(x *contract.Explanation) error {
	p := c.painterFor(c.stdout)
	title := p.status(x.Status)
	var titleSb134 strings.Builder
	for _, s := range []string{p.bold(x.Code), p.faint(string(x.Condition))} {
		if s != "" {
			titleSb134.WriteString("  " + s)
		}
	}
	title += titleSb134.String()
	if err := c.print(title + "\n"); err != nil {
		return err
	}
	var fields []string
	for _, f := range issues(x) {
		s := strings.TrimSpace(f.Name() + "  " + f.Message)
		if f.Code != "" {
			s += " (" + f.Code + ")"
		}
		fields = append(fields, s)
	}
	sure := "yes"
	if !x.Certain {
		sure = "no"
		if len(x.Why) > 0 {
			sure += ": " + strings.Join(x.Why, "; ")
		}
	}
	return c.pairs(p, [][2]string{
		{"message", x.Message}, {"what happened", x.Meaning}, {"cause", x.Cause}, {"whose fault", whoActs(x.Fault)}, {"what to do", x.Remedy},
		{"send again", advice(x)}, {"parameter", x.Param}, {"fields", strings.Join(fields, "\n")}, {"request id", x.RequestID},
		{"for end users", x.Friendly}, {"contract", position(x)}, {"certain", sure},
	})
}

func position(x *contract.Explanation) string {
	if x.Pos.File == "" {
		return x.API
	}
	return fmt.Sprintf("%s, %s:%d", x.API, x.Pos.File, x.Pos.Line)
}
