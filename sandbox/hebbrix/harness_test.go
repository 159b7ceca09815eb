package hebbrix_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/store/storetest"
)

type server struct {
	*testing.T
	*sandbox.Server
}

func start(t *testing.T, o sandbox.Options) *server {
	t.Helper()
	at := storetest.ClockAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	o.Clock, o.Logger = at.Now, slog.New(slog.DiscardHandler)
	return &server{T: t, Server: sandbox.Start(t, "hebbrix", o)}
}

// advance sets the clock forward; what falls due on the way is done then.
func (s *server) advance(d time.Duration) {
	s.Helper()
	if err := s.Advance(s.Context(), d); err != nil {
		s.Fatal(err)
	}
}

type reply struct {
	status  int
	header  http.Header
	body    string
	failure contract.Failure
}

// decode reads the body into a value.
func decode[T any](t *testing.T, r reply) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		t.Fatalf("%v in %d %s", err, r.status, r.body)
	}
	return value
}

// call makes a call with JSON.
func (s *server) call(as, method, path, body string, headers ...string) reply {
	s.Helper()
	out, err := s.try(as, method, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// try makes a call as the key of that name and reads what came of it.
func (s *server) try(as, method, path string, body io.Reader, headers ...string) (reply, error) {
	request, err := http.NewRequestWithContext(s.Context(), method, s.Origin+path, body)
	if err != nil {
		return reply{}, err
	}
	if key := s.Keys()[as]; key != "" {
		as = key
	}
	if as != "" {
		request.Header.Set("Authorization", "Bearer "+as)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	out := reply{status: response.StatusCode, header: response.Header, body: string(data)}
	if out.status >= 400 {
		f, ok := s.Contract().Decode(contract.Response{Status: out.status, Header: response.Header, Body: data}, s.Now())
		if !ok || f.Code == nil || !f.Certain || f.RequestID == "" {
			s.Errorf("%s %s: not an error of the contract: %d %s", method, path, out.status, data)
		}
		out.failure = f
		sandboxtest.Rendered(s.T, s.Contract(), &f, out.body)
	}
	return out, err
}

// likeForced checks that an error looks the same by force.
func (s *server) likeForced(caused reply) {
	s.Helper()
	told := func(r reply) sandboxtest.Reply {
		return sandboxtest.Reply{Status: r.status, Header: r.header, Body: r.body, Failure: r.failure}
	}
	forced := s.call("plan_enterprise", "GET", "/v1/usage", "", fault.Header, caused.failure.Code.Name)
	sandboxtest.Alike(s.T, told(caused), told(forced))
}

// part of a form; name is that of a file, "" for a field.
type part struct{ field, name, text string }

func form(t *testing.T, parts ...part) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		create := w.CreateFormField
		if p.name != "" {
			create = func(field string) (io.Writer, error) { return w.CreateFormFile(field, p.name) }
		}
		into, err := create(p.field)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(into, p.text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (s *server) upload(as string, parts ...part) reply {
	s.Helper()
	body, contentType := form(s.T, parts...)
	out, err := s.try(as, "POST", "/v1/documents/upload", body, "Content-Type", contentType)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// remember keeps a text and returns its id; it can be found at once.
func (s *server) remember(as, body string) string {
	s.Helper()
	r := s.call(as, "POST", "/v1/memories", strings.Replace(body, "{", `{"wait_for_index":true,`, 1))
	got := decode[struct{ Results []struct{ ID string } }](s.T, r)
	if r.status != 201 || len(got.Results) == 0 {
		s.Fatalf("%d %s", r.status, r.body)
	}
	return got.Results[0].ID
}

// collection makes one and returns its id.
func (s *server) collection(as, name string) string {
	s.Helper()
	r := s.call(as, "POST", "/v1/collections", `{"name":"`+name+`"}`)
	if r.status != 201 {
		s.Fatalf("%d %s", r.status, r.body)
	}
	return decode[struct{ ID string }](s.T, r).ID
}

// document uploads a file and returns the document's id.
func (s *server) document(as, name, text string, more ...part) string {
	s.Helper()
	r := s.upload(as, append([]part{{"file", name, text}}, more...)...)
	if r.status != 201 {
		s.Fatalf("%d %s", r.status, r.body)
	}
	return decode[struct{ Document struct{ ID string } }](s.T, r).Document.ID
}
