// Package sandboxtest calls sandboxes in tests of their stand-ins, and insists
// that whatever goes wrong is told as the contract has it.
package sandboxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

// Server is a sandbox whose time stands still until somebody sets it forward.
type Server struct {
	*testing.T
	*sandbox.Server
}

// Began is when the time of a sandbox begins.
func Began() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

// Start runs a sandbox until the test ends; the clock and the logger may be left out.
func Start(t *testing.T, api string, o sandbox.Options) *Server {
	t.Helper()
	if o.Clock == nil {
		o.Clock = Began
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{t, sandbox.Start(t, api, o)}
}

// Forward sets the clock forward; what falls due on the way is done then.
func (s *Server) Forward(d time.Duration) {
	s.Helper()
	if err := s.Advance(s.Context(), d); err != nil {
		s.Fatal(err)
	}
}

// Reply is an answer, and what it tells when it is an error.
type Reply struct {
	Status  int
	Header  http.Header
	Body    string
	Failure contract.Failure
}

// Code is the name of the error, "" for a success.
func (r *Reply) Code() string {
	if r.Failure.Code == nil {
		return ""
	}
	return r.Failure.Code.Name
}

// Decode reads the body into a value.
func Decode[T any](t *testing.T, r Reply) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), &value); err != nil {
		t.Fatalf("%v in %d %s", err, r.Status, r.Body)
	}
	return value
}

// Call makes a call with JSON as the key of that name, or with that key; "" is
// none. Headers come in pairs.
func (s *Server) Call(as, method, path, body string, headers ...string) Reply {
	s.Helper()
	if body != "" {
		headers = append([]string{"Content-Type", "application/json"}, headers...)
	}
	out, err := s.Try(as, method, path, strings.NewReader(body), headers...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// Try is Call with any body, where the wire may break. It may be called from
// any goroutine.
func (s *Server) Try(as, method, path string, body io.Reader, headers ...string) (Reply, error) {
	address := path
	if !strings.HasPrefix(path, "http://") {
		address = s.Origin + path
	}
	request, err := http.NewRequestWithContext(s.Context(), method, address, body)
	if err != nil {
		return Reply{}, err
	}
	if key, ok := s.Keys()[as]; ok {
		as = key
	}
	if scheme := s.Contract().Auth.Schemes[0]; as != "" {
		value := as
		if scheme.Prefix != "" {
			value = strings.TrimSpace(scheme.Prefix) + " " + as
		}
		request.Header.Set(scheme.Name, value)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Reply{}, err //nolint:wrapcheck // the test looks at what the wire says
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	out := Reply{Status: response.StatusCode, Header: response.Header, Body: string(data)}
	if out.Status >= http.StatusBadRequest && err == nil && !strings.HasPrefix(path, "/_files/") && !strings.HasPrefix(path, "http://") {
		f, ok := s.Contract().Decode(contract.Response{Status: out.Status, Header: response.Header, Body: data}, s.Now())
		if !ok || f.Code == nil || !f.Certain || f.RequestID == "" {
			s.Errorf("%s %s: not an error of the contract: %d %s", method, path, out.Status, data)
		}
		out.Failure = f
		Rendered(s.T, s.Contract(), &f, out.Body)
	}
	return out, err //nolint:wrapcheck // as above
}

// Control changes something below /_sandbox/.
func (s *Server) Control(method, path, body string) {
	s.Helper()
	if r := s.Call("", method, "/_sandbox/"+path, body); r.Status >= http.StatusBadRequest {
		s.Fatalf("%s /_sandbox/%s: %d %s", method, path, r.Status, r.Body)
	}
}

// Expect is Call that must end in an error with that status and code.
func (s *Server) Expect(status int, code, as, method, path, body string, headers ...string) Reply {
	s.Helper()
	r := s.Call(as, method, path, body, headers...)
	s.Check(r, status, code)
	return r
}

// Check tells when an answer is another one.
func (s *Server) Check(r Reply, status int, code string) {
	s.Helper()
	if r.Status != status || r.Code() != code {
		s.Errorf("got %d %s, want %d %s: %s", r.Status, r.Code(), status, code, r.Body)
	}
}

// LikeForced checks that an error that had a cause and the same one when it is
// forced look alike: status, headers and the shape of the body. Ids, times and
// the values of parameters are left out.
func (s *Server) LikeForced(caused Reply, as, method, path, body string, headers ...string) {
	s.Helper()
	forced := s.Call(as, method, path, body, append(headers, fault.Header, caused.Code())...)
	Alike(s.T, caused, forced)
}

// Rendered checks that an error is to the byte what its contract makes of it.
func Rendered(t *testing.T, c *contract.Contract, f *contract.Failure, body string) {
	t.Helper()
	if f.Code == nil {
		return
	}
	if again, _, _ := c.AppendError(nil, f); string(again) != body {
		t.Errorf("%s: the contract has it otherwise:\n%s\n%s", f.Code.Name, body, again)
	}
}

// Alike checks that an error that had a cause and one that was forced are the
// same, to the order of members: code, status, headers and body. Left out are ids
// and times, and what an error tells about its occurrence.
func Alike(t *testing.T, caused, forced Reply) {
	t.Helper()
	if caused.Failure.Code == nil || caused.Failure.Code != forced.Failure.Code {
		t.Errorf("got %d %s by force: %s, want %d %s", forced.Status, forced.Code(), forced.Body, caused.Status, caused.Code())
		return
	}
	a, b := shape(t, caused), shape(t, forced)
	if a != b {
		t.Errorf("%s by its cause and by force differ:\n%s\n%s", caused.Code(), a, b)
	}
}

// shape is an answer without what differs from call to call.
func shape(t *testing.T, r Reply) string {
	t.Helper()
	h := r.Header.Clone()
	for name := range h {
		switch name {
		case "Date", "Content-Length", "Connection", "Retry-After", "Allow", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset":
			h.Del(name)
		case "X-Request-Id", "X-Process-Time":
			h[name] = []string{"*"}
		}
	}
	headers, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var body strings.Builder
	if err := blank(&body, []byte(r.Body), fixed(&r)); err != nil {
		t.Fatalf("%v in %d %s", err, r.Status, r.Body)
	}
	return fmt.Sprint(r.Status, " ", string(headers), " ", body.String())
}

// fixed reports whether the message of a code is always the same.
func fixed(r *Reply) bool {
	return !slices.ContainsFunc(r.Failure.Code.Messages, func(m *contract.Text) bool { return len(m.Names()) > 0 })
}

// blank writes a value of JSON without what an error tells about one occurrence;
// its message stays where it is a fixed one.
func blank(out *strings.Builder, value []byte, fixed bool) error {
	if value = bytes.TrimSpace(value); len(value) == 0 || value[0] != '{' {
		out.Write(value)
		return nil
	}
	members := json.NewDecoder(bytes.NewReader(value))
	if _, err := members.Token(); err != nil {
		return err //nolint:wrapcheck // shape shows the text
	}
	out.WriteByte('{')
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return err //nolint:wrapcheck // as above
		}
		var member json.RawMessage
		if err := members.Decode(&member); err != nil {
			return err //nolint:wrapcheck // as above
		}
		if name == "param" { // which field, where it was one
			continue
		}
		fmt.Fprintf(out, "%q:", name)
		switch {
		case name == "message" && fixed:
			out.Write(member)
		case slices.Contains([]any{
			"message", "timestamp", "request_id", "retry_after", "reset_at", "details", "detail", "errors", "state", "allow", "max_bytes",
			"resource_id", "resource_type",
		}, any(name)):
			out.WriteByte('*')
		default:
			if err := blank(out, member, fixed); err != nil {
				return err
			}
		}
		out.WriteByte(',')
	}
	out.WriteByte('}')
	return nil
}
