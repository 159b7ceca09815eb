// Package sandboxtest calls sandboxes in tests of their stand-ins, and insists
// that whatever goes wrong is told as the contract has it.
package sandboxtest

import (
	"encoding/json"
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
	s.Check(forced, caused.Status, caused.Code())
	a, b := shape(s.T, caused), shape(s.T, forced)
	if a != b {
		s.Errorf("%s by its cause and by force differ:\n%s\n%s", caused.Code(), a, b)
	}
}

// shape is an answer without what differs from call to call.
func shape(t *testing.T, r Reply) string {
	t.Helper()
	h := r.Header.Clone()
	for name := range h {
		switch name {
		case "Date", "Content-Length":
			h.Del(name)
		case "X-Request-Id", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Retry-After", "X-Process-Time":
			h[name] = []string{"*"}
		}
	}
	var body any
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		t.Fatalf("%v in %d %s", err, r.Status, r.Body)
	}
	text, err := json.Marshal([]any{r.Status, h, blank(body, fixed(&r))})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fixed reports whether the message of a code is always the same.
func fixed(r *Reply) bool {
	return !slices.ContainsFunc(r.Failure.Code.Messages, func(m *contract.Text) bool { return len(m.Names()) > 0 })
}

// blank takes out what an error tells about one occurrence; its message stays
// where it is a fixed one.
func blank(value any, fixed bool) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			switch name {
			case "message":
				if !fixed {
					v[name] = "*"
				}
			case "timestamp", "request_id", "retry_after", "details", "errors", "state", "resource_id", "resource_type":
				v[name] = "*"
			default:
				v[name] = blank(member, fixed)
			}
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i], fixed)
		}
	}
	return value
}
