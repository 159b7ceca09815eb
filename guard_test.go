package failwell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

const guardContract = `
failwell: 1
api: notes
envelopes:
  standard:
    body: {code: $code, message: $message, request_id: $request_id, details?: {"...": $params, fields?: [{$each: fields, field: $field.name, message: $field.message}]}}
headers:
  process_time: {name: X-Process-Time}
streams: {event: error, ndjson: true}
auth: {schemes: [{in: header, name: Authorization, prefix: Bearer}]}
errors:
  unauthorized: {status: 401, is: [key_unknown], message: No.}
  forbidden: {status: 403, is: [permission_denied], message: No.}
  bad_request: {status: 400, is: [request_malformed], message: Bad.}
  invalid: {status: 422, is: [validation_failed], message: Invalid.}
  media: {status: 415, is: [media_unsupported], params: {media_type: string}, message: Not this type.}
  too_large: {status: 413, is: [body_too_large], params: {max_bytes: integer, actual_bytes: integer}, message: Too large.}
  no_route: {status: 404, is: [route_unknown], message: No such path.}
  missing: {status: 404, is: [resource_missing], params: {id: string}, message: "There is no note $id."}
  method: {status: 405, is: [method_not_allowed], params: {allow: string}, message: Not with this method.}
  slow_down: {status: 429, is: [rate_limited], message: Slow down.}
  timeout: {status: 504, is: [upstream_timeout], params: {timeout_seconds: integer}, message: Took too long.}
  slow_client: {status: 408, is: [client_timeout], message: Too slow.}
  broken: {status: 500, is: [internal], message: Broken.}
  unavailable: {status: 503, is: [unavailable], message: Unavailable.}
operations:
  GET /notes: {}
  POST /notes: {max_body: 64, body: {type: object, required: [text], properties: {text: {type: string, maxLength: 5}}}}
  GET /notes/{id}: {}
  PUT /notes/{id}: {}
  GET /slow: {timeout: 2s}
  GET /files/{path...}: {}
`

type said struct {
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	RequestID string         `json:"request_id"`
	Details   map[string]any `json:"details"`
}

// guarded serves one request through a guard and decodes an error.
func guarded(t *testing.T, g *failwell.Guard, h http.Handler, r *http.Request) (*http.Response, said, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	g.Wrap(h).ServeHTTP(rec, r)
	resp := rec.Result()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("X-Process-Time") == "" {
		t.Errorf("headers of every response are missing: %v", resp.Header)
	}
	var s said
	if resp.StatusCode >= 400 {
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		if s.RequestID != resp.Header.Get("X-Request-Id") {
			t.Errorf("request id %q in the body, %q in the header", s.RequestID, resp.Header.Get("X-Request-Id"))
		}
		f, ok := g.Contract.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, time.Now())
		if !ok || f.Code == nil || f.Code.Name != s.Code || !f.Certain {
			t.Errorf("the contract does not read back its own error: %+v", f)
		}
	}
	return resp, s, string(body)
}

func newGuard(t *testing.T) *failwell.Guard {
	t.Helper()
	c, err := contract.Parse("notes.yaml", []byte(guardContract))
	if err != nil {
		t.Fatal(err)
	}
	return &failwell.Guard{Contract: c, Logger: slog.New(slog.DiscardHandler)}
}

func request(method, target, body string, headers ...string) *http.Request {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, target, http.NoBody)
	} else {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

var jsonType = []string{"Content-Type", "application/json"}

func TestGuardRefusals(t *testing.T) {
	secret := errors.New("password is hunter2")
	handler := func(g *failwell.Guard) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /notes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
		mux.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				g.WriteError(w, r, err)
				return
			}
			_, _ = w.Write(b)
		})
		mux.Handle("GET /notes/{id}", g.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
			switch r.PathValue("id") {
			case "panic":
				panic(secret)
			case "cause":
				return fmt.Errorf("wrapped: %w", secret)
			case "condition":
				return failwell.RateLimited
			case "code":
				return g.Contract.MustCode("forbidden")
			case "typed":
				return failwell.New(g.Contract.MustCode("missing"), secret).With("id", "7").With("undeclared", "hunter2")
			case "plain":
				http.Error(w, "hunter2", http.StatusServiceUnavailable)
			case "created":
				w.WriteHeader(http.StatusCreated)
			}
			return nil
		}))
		mux.HandleFunc("PUT /notes/{id}", func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			g.WriteError(w, r, err)
		})
		return mux
	}
	long := strings.Repeat("x", 100)
	for _, tc := range []struct {
		name    string
		request *http.Request
		status  int
		code    string
		details string
	}{
		{"success", request("GET", "/notes", ""), 200, "", ""},
		{"status of the handler", request("GET", "/notes/created", ""), 201, "", ""},
		{"unknown path", request("GET", "/nope", ""), 404, "no_route", ""},
		{"dot segments lead nowhere", request("GET", "/notes/%2e%2e", ""), 404, "no_route", ""},
		{"dot segments below a rest", request("GET", "/files/a/%2e%2e/b", ""), 404, "no_route", ""},
		{"a slash inside a segment", request("GET", "/notes/a%2Fsecrets", ""), 404, "no_route", ""},
		{"a backslash inside a segment", request("GET", "/notes/a%5Csecrets", ""), 404, "no_route", ""},
		{"NUL inside a segment", request("GET", "/notes/a%00", ""), 404, "no_route", ""},
		{"escaped separators below a rest", request("GET", "/files/x%2f..%2f..%2fnotes", ""), 404, "no_route", ""},
		{"an escape that means itself", request("GET", "/notes/%63reated", ""), 201, "", ""},
		{"unknown method", request("DELETE", "/notes", ""), 405, "method", `{"allow":"GET, HEAD, POST"}`},
		{"declared too large", request("POST", "/notes", long, jsonType...), 413, "too_large", `{"actual_bytes":100,"max_bytes":64}`},
		{"wrong media type", request("POST", "/notes", "a=b", "Content-Type", "text/plain"), 415, "media", `{"media_type":"text/plain"}`},
		{"compressed body", request("POST", "/notes", "zzz", "Content-Type", "application/json", "Content-Encoding", "gzip"), 415, "media", `{"media_type":"application/json"}`},
		{"not JSON", request("POST", "/notes", "{", jsonType...), 400, "bad_request", ""},
		{"against the schema", request("POST", "/notes", `{"text":"too long"}`, jsonType...), 422, "invalid", `{"fields":[{"field":"text","message":"must be at most 5 characters"}]}`},
		{"by the schema", request("POST", "/notes", `{"text":"ok"}`, jsonType...), 200, "", ""},
		{"panic", request("GET", "/notes/panic", ""), 500, "broken", ""},
		{"any error", request("GET", "/notes/cause", ""), 500, "broken", ""},
		{"a condition", request("GET", "/notes/condition", ""), 429, "slow_down", ""},
		{"a code", request("GET", "/notes/code", ""), 403, "forbidden", ""},
		{"a typed error", request("GET", "/notes/typed", ""), 404, "missing", `{"id":"7"}`},
		{"net/http's own text", request("GET", "/notes/plain", ""), 503, "unavailable", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var logs bytes.Buffer
			g := newGuard(t)
			g.Logger = slog.New(slog.NewTextHandler(&logs, nil))
			resp, s, body := guarded(t, g, handler(g), tc.request)
			if resp.StatusCode != tc.status || s.Code != tc.code {
				t.Fatalf("got %d %s, want %d %s", resp.StatusCode, body, tc.status, tc.code)
			}
			details := ""
			if s.Details != nil {
				raw, _ := json.Marshal(s.Details)
				details = string(raw)
			}
			if tc.details != "" && details != tc.details {
				t.Errorf("details %s, want %s", details, tc.details)
			}
			if strings.Contains(body, "hunter2") || strings.Contains(fmt.Sprint(resp.Header), "hunter2") {
				t.Errorf("something private got out: %s", body)
			}
			if tc.code == "broken" && !strings.Contains(logs.String(), "hunter2") {
				t.Errorf("the cause is not in the log: %s", &logs)
			}
			if tc.status == 405 && resp.Header.Get("Allow") != "GET, HEAD, POST" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
		})
	}
}

// A body without a declared length is bounded while it is read.
func TestGuardBoundsChunkedBodies(t *testing.T) {
	g := newGuard(t)
	g.MaxBody = 1000
	r := httptest.NewRequest(http.MethodPut, "/notes/1", io.LimitReader(endless{}, 1<<20))
	r.ContentLength = -1
	read := int64(0)
	resp, s, _ := guarded(t, g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		read = n
		g.WriteError(w, r, err)
	}), r)
	if resp.StatusCode != 413 || s.Details["max_bytes"] != 1000.0 || read > 1000 {
		t.Fatalf("%d %+v after %d bytes", resp.StatusCode, s, read)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestGuardRequestID(t *testing.T) {
	g := newGuard(t)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "from the handler")
		fmt.Fprint(w, failwell.RequestID(r.Context()), " ", r.Header.Get("X-Request-Id"))
	})
	for sent, kept := range map[string]bool{"": false, "abc-1.2~_": true, "a b": false, "a\x00b": false, strings.Repeat("x", 129): false, "\xff": false} {
		r := request("GET", "/notes", "")
		if sent != "" {
			r.Header["X-Request-Id"] = []string{sent}
		}
		resp, _, body := guarded(t, g, h, r)
		id := resp.Header.Get("X-Request-Id")
		if (id == sent) != kept || body != id+" "+id || len(resp.Header.Values("X-Request-Id")) != 1 {
			t.Errorf("sent %q, got %q, the handler saw %q", sent, id, body)
		}
	}
	r := request("GET", "/notes", "")
	r.Header["X-Request-Id"] = []string{"one", "two"}
	if resp, _, _ := guarded(t, g, h, r); resp.Header.Get("X-Request-Id") == "one" {
		t.Error("one of two ids was taken")
	}
}

// A handler that ignores its context is answered for, once, and what it says
// later is refused.
func TestGuardTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		late := make(chan error, 1)
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(3 * time.Second)
			_, err := w.Write([]byte("late"))
			late <- err
		})
		resp, s, _ := guarded(t, g, h, request("GET", "/slow", ""))
		if resp.StatusCode != 504 || s.Details["timeout_seconds"] != 2.0 {
			t.Fatalf("%d %+v", resp.StatusCode, s)
		}
		if err := <-late; err == nil {
			t.Error("a late write was accepted")
		}
	})
}

// A handler that began in time may take as long as it likes.
func TestGuardTimeoutEndsWithTheHead(t *testing.T) {
	for _, cooperative := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t)
			g.Cooperative = cooperative
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				w.WriteHeader(200)
				time.Sleep(5 * time.Second)
				if r.Context().Err() == nil {
					fmt.Fprint(w, "done")
				}
			})
			if resp, _, body := guarded(t, g, h, request("GET", "/slow", "")); resp.StatusCode != 200 || body != "done" {
				t.Fatalf("%d %q", resp.StatusCode, body)
			}
		})
	}
}

func TestGuardTimeoutCooperative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		g.Cooperative = true
		h := g.HandleFunc(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return context.Cause(r.Context())
		})
		if resp, s, _ := guarded(t, g, h, request("GET", "/slow", "")); resp.StatusCode != 504 || s.Code != "timeout" {
			t.Fatalf("%d %+v", resp.StatusCode, s)
		}
	})
}

// A stream that breaks ends with an error of the same contract.
func TestGuardStreams(t *testing.T) {
	for _, tc := range []struct{ mediaType, sent, want string }{
		{"text/event-stream", "data: 1\n\n", "data: 1\n\nevent: error\ndata: {\"code\":\"broken\""},
		{"text/event-stream", "data: 1\n", "data: 1\n\nevent: error\ndata: {\"code\":\"broken\""},
		{"text/event-stream", "data: 1", "data: 1\n\nevent: error\ndata: {\"code\":\"broken\""},
		{"application/x-ndjson", "{}\n", "{}\n{\"code\":\"broken\""},
		{"application/x-ndjson", "{", "{\n{\"code\":\"broken\""},
		{"Text/Event-Stream ; charset=utf-8", "data: 1\n", "data: 1\n\nevent: error\ndata: {\"code\":\"broken\""},
		{"application/jsonl", "{}\n", "{}\n{\"code\":\"broken\""},
		{"application/ndjson; charset=utf-8", "{}\n", "{}\n{\"code\":\"broken\""},
		{"application/json-lines", "{}\n", "{}\n{\"code\":\"broken\""},
		{"application/jsonlines", "{}\n", "{}\n{\"code\":\"broken\""},
	} {
		g := newGuard(t)
		rec := httptest.NewRecorder()
		g.Wrap(g.HandleFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", tc.mediaType)
			fmt.Fprint(w, tc.sent)
			return errors.New("lost")
		})).ServeHTTP(rec, request("GET", "/notes", ""))
		if got := rec.Body.String(); !strings.HasPrefix(got, tc.want) || strings.Contains(got, "lost") {
			t.Errorf("%s: %q", tc.mediaType, got)
		}
	}
}

// Any other response that breaks off is cut, so that nobody takes it for whole.
func TestGuardCutsOff(t *testing.T) {
	g := newGuard(t)
	defer func() {
		if r := recover(); r != any(http.ErrAbortHandler) {
			t.Fatalf("recovered %v", r)
		}
	}()
	g.Wrap(g.HandleFunc(func(w http.ResponseWriter, _ *http.Request) error {
		fmt.Fprint(w, "half")
		return errors.New("lost")
	})).ServeHTTP(httptest.NewRecorder(), request("GET", "/notes", ""))
}

func TestGuardOnDone(t *testing.T) {
	g := newGuard(t)
	var got failwell.Outcome
	g.OnDone = func(_ *http.Request, o failwell.Outcome) { got = o }
	guarded(t, g, http.NotFoundHandler(), request("GET", "/notes/1", ""))
	if got.Status != 404 || got.Code == nil || got.RequestID == "" || got.Operation == nil || got.Bytes == 0 {
		t.Fatalf("%+v", got)
	}
}

func TestConditionsAreSentByTheContract(t *testing.T) {
	g := newGuard(t)
	for _, e := range condition.All() {
		code, status := g.Contract.For(e.Condition)
		resp, s, _ := guarded(t, g, g.HandleFunc(func(http.ResponseWriter, *http.Request) error { return e.Condition }), request("GET", "/notes", ""))
		if resp.StatusCode != status || s.Code != code.Name {
			t.Errorf("%s: %d %s, want %d %s", e.Condition, resp.StatusCode, s.Code, status, code.Name)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	c, err := contract.Parse("notes.yaml", []byte(guardContract))
	if err != nil {
		b.Fatal(err)
	}
	g := &failwell.Guard{Contract: c}
	h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	r := request("GET", "/notes/7", "")
	w := discard{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
