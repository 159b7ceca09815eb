package aionvision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

func beginning() time.Time { return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC) }

type server struct {
	*testing.T
	*sandbox.Server

	store store.Store
}

// start runs a stand-in on memory that the test can look into.
func start(t *testing.T) *server {
	t.Helper()
	s := &server{T: t}
	s.Server = sandbox.Start(t, "aionvision", sandbox.Options{
		Clock: beginning, Logger: slog.New(slog.DiscardHandler), BackendTimeout: 2 * time.Second,
		OpenStore: func(clock func() time.Time) (store.Store, error) {
			s.store = &store.Memory{Clock: clock}
			return s.store, nil
		},
	})
	return s
}

// advance sets the clock forward; what falls due on the way is done then.
func (s *server) advance(d time.Duration) {
	s.Helper()
	if err := s.Advance(s.Context(), d); err != nil {
		s.Fatal(err)
	}
}

// used is how much of a limit of the account is used, or left of a balance.
func (s *server) used(account, name string) int64 {
	s.Helper()
	look := &admission.Controller{Contract: s.Contract(), Store: s.store, Clock: s.Now, StoreTimeout: time.Second}
	all, err := look.Usage(s.Context(), account)
	if err != nil {
		s.Fatal(err)
	}
	for i := range all {
		if x := &all[i]; x.Name == name {
			if name == "video_credits" {
				return x.Remaining
			}
			return x.Used
		}
	}
	s.Fatalf("%s has no %s: %v", account, name, all)
	return 0
}

type reply struct {
	status  int
	header  http.Header
	body    string
	failure contract.Failure
}

// get reads a member of the body.
func (r reply) get(t *testing.T, path ...string) any {
	t.Helper()
	var at any
	if err := json.Unmarshal([]byte(r.body), &at); err != nil {
		t.Fatalf("%v in %d %s", err, r.status, r.body)
	}
	for _, name := range path {
		object, ok := at.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %s", path, r.body)
		}
		at = object[name]
	}
	return at
}

func (r reply) text(t *testing.T, path ...string) string {
	t.Helper()
	return fmt.Sprint(r.get(t, path...))
}

// is checks status and code of an error.
func (r reply) is(t *testing.T, status int, code string, of condition.Condition) {
	t.Helper()
	if r.status != status || r.failure.Code == nil || r.failure.Code.Name != code || r.failure.Condition != of {
		t.Errorf("got %d %s (%s), want %d %s (%s)", r.status, r.body, r.failure.Condition, status, code, of)
	}
}

// ok checks that a call succeeded.
func (r reply) ok(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %d %s, want %d", r.status, r.body, status)
	}
	return r
}

// request makes a request as the key of that name.
func (s *server) request(ctx context.Context, as, method, path string, body io.Reader, headers ...string) *http.Request {
	s.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = s.URL + path
	}
	if strings.HasPrefix(path, "/_sandbox/") {
		url = s.Origin + path
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		s.Fatal(err)
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
	return request
}

func (s *server) do(request *http.Request) reply {
	s.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Error(err)
		return reply{}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.Error(err)
	}
	out := reply{status: response.StatusCode, header: response.Header, body: string(data)}
	if out.status >= 400 && !strings.Contains(request.URL.Path, "/_files/") {
		f, ok := s.Contract().Decode(contract.Response{Status: out.status, Header: response.Header, Body: data}, s.Now())
		if !ok || f.Code == nil || !f.Certain || f.RequestID == "" {
			s.Errorf("%s %s: not an error of the contract: %d %s", request.Method, request.URL, out.status, data)
		}
		out.failure = f
		sandboxtest.Rendered(s.T, s.Contract(), &f, out.body)
	}
	return out
}

// told is the answer as package sandboxtest has it.
func (r reply) told() sandboxtest.Reply {
	return sandboxtest.Reply{Status: r.status, Header: r.header, Body: r.body, Failure: r.failure}
}

// call makes a call with JSON.
func (s *server) call(as, method, path, body string) reply {
	s.Helper()
	if body == "" {
		return s.do(s.request(s.Context(), as, method, path, http.NoBody))
	}
	return s.do(s.request(s.Context(), as, method, path, strings.NewReader(body), "Content-Type", "application/json"))
}

func (s *server) control(path, body string) {
	s.Helper()
	s.call("", http.MethodPut, "/_sandbox/"+path, body).ok(s.T, http.StatusNoContent)
}

// part of a form; name is that of a file, "" for a field.
type part struct {
	field, name, mediaType string
	data                   []byte
}

func field(name, value string) part { return part{field: name, data: []byte(value)} }

func upload(name string, data []byte) part {
	return part{field: "file", name: name, mediaType: "application/octet-stream", data: data}
}

func form(t *testing.T, parts ...part) (body []byte, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, p := range parts {
		head := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.field)}}
		if p.name != "" {
			head.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.field, p.name))
			head.Set("Content-Type", p.mediaType)
		}
		into, err := w.CreatePart(head)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := into.Write(p.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), w.FormDataContentType()
}

const uploadPath = "/user-files/upload/stream"

func (s *server) upload(as string, parts ...part) reply {
	s.Helper()
	body, contentType := form(s.T, parts...)
	return s.do(s.request(s.Context(), as, http.MethodPost, uploadPath, bytes.NewReader(body), "Content-Type", contentType))
}

// picture is a PNG of one colour; other numbers make other files.
func picture(t *testing.T, number int) []byte {
	t.Helper()
	of := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			of.Set(x, y, color.RGBA{B: 200, A: 255})
		}
	}
	of.Set(0, 0, color.RGBA{R: uint8(number), G: uint8(number >> 8), A: 255})
	var out bytes.Buffer
	if err := png.Encode(&out, of); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// records counts what the stand-in keeps below a prefix.
func (s *server) records(prefix string) (n int) {
	s.Helper()
	for _, err := range store.All(s.Context(), s.store, "sandbox/aionvision/"+prefix, 0) {
		if err != nil {
			s.Fatal(err)
		}
		n++
	}
	return n
}
