package hume_test

import (
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
)

// Every code of the document by its real cause, and the same by force.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{BodyTimeout: 50 * time.Millisecond})
	open := run(s, "valid", `{"text":["x"]}`)
	broken := run(s, "valid", `{"text":["x"]}`)
	foreign := run(s, "other", `{"text":["x"]}`)
	s.Control("PUT", "corrupt/hume/jobs/org_main/"+broken, "")
	seen := map[string]bool{}
	for name, tc := range map[string]struct {
		as, method, path, body string
		status                 int
		code, told             string
	}{
		"no key":               {"", "GET", "", "", 401, "unauthorized", "InvalidApiKey"},
		"no key of ours":       {"nonsense", "GET", "", "", 401, "unauthorized", ""},
		"mistyped":             {"malformed", "GET", "", "", 401, "unauthorized", ""},
		"never issued":         {"unknown", "GET", "", "", 401, "unauthorized", ""},
		"revoked":              {"revoked", "GET", "", "", 401, "unauthorized", ""},
		"expired":              {"expired", "GET", "", "", 401, "unauthorized", ""},
		"not JSON":             {"valid", "POST", "", `{"text":`, 400, "bad_request", ""},
		"unknown model":        {"valid", "POST", "", `{"models":{"voice":{}},"text":["x"]}`, 400, "bad_request", "voice"},
		"unknown granularity":  {"valid", "POST", "", `{"models":{"language":{"granularity":"page"}},"text":["x"]}`, 400, "bad_request", "granularity"},
		"wrong type":           {"valid", "POST", "", `{"text":"x"}`, 400, "bad_request", "text"},
		"nothing to measure":   {"valid", "POST", "", `{}`, 400, "bad_request", "is required"},
		"no body":              {"valid", "POST", "", "", 400, "bad_request", ""},
		"an address of a file": {"valid", "POST", "", `{"urls":["file:///etc/passwd"]}`, 400, "bad_request", "urls"},
		"too many":             {"valid", "POST", "", `{"text":["` + strings.Repeat(`x","`, 100) + `x"]}`, 400, "bad_request", "100"},
		"unknown state":        {"valid", "GET", "?status=DONE", "", 400, "bad_request", "status"},
		"unknown order":        {"valid", "GET", "?sort_by=name", "", 400, "bad_request", ""},
		"unknown direction":    {"valid", "GET", "?direction=up", "", 400, "bad_request", ""},
		"unknown job":          {"valid", "GET", "/7e0b3bd2-64ff-4f8a-a3a4-5d9d8ffb6cf0", "", 404, "not_found", ""},
		"a very long id":       {"valid", "GET", "/" + strings.Repeat("a", 2000), "", 404, "not_found", ""},
		"somebody else's":      {"valid", "GET", "/" + foreign, "", 404, "not_found", ""},
		"unknown route":        {"valid", "GET", "/a/b/c", "", 404, "not_found", ""},
		"too early":            {"valid", "GET", "/" + open + "/predictions", "", 409, "conflict", "QUEUED"},
		"too early, artifacts": {"valid", "GET", "/" + open + "/artifacts", "", 409, "conflict", "QUEUED"},
		"corrupt record":       {"valid", "GET", "/" + broken, "", 500, "internal_server_error", ""},
		"another method":       {"valid", "PUT", "", "", 405, "method_not_allowed", "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sandboxtest.Server{T: t, Server: s.Server}
			r := s.Expect(tc.status, tc.code, tc.as, tc.method, jobs+tc.path, tc.body)
			seen[tc.code] = true
			if !strings.Contains(r.Body, tc.told) || strings.Contains(r.Body, "corrupt") || strings.Contains(r.Body, s.Key("valid")) {
				t.Errorf("told: %s", r.Body)
			}
		})
	}
	for name, tc := range map[string]struct{ method, path, body, code string }{
		"bad_request": {"GET", "?status=DONE", "", ""}, "not_found": {"GET", "/" + foreign, "", ""}, "conflict": {"GET", "/" + open + "/predictions", "", ""},
		"internal_server_error": {"GET", "/" + broken, "", ""},
	} {
		r := s.Call("valid", tc.method, jobs+tc.path, tc.body)
		s.LikeForced(r, "valid", "GET", jobs, "")
		if r.Code() != name {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	s.LikeForced(s.Call("revoked", "GET", jobs, ""), "valid", "GET", jobs, "")
	own := []string{"request_timeout", "too_many_requests", "service_unavailable"} // have tests of their own
	for _, code := range s.Contract().Codes {
		if !code.Beyond && !seen[code.Name] && !slices.Contains(own, code.Name) {
			t.Errorf("nothing causes %s", code.Name)
		}
	}
	// Damage to one account's records is nobody else's.
	if r := s.Call("other", "POST", jobs, `{"text":["x"]}`); r.Status != 200 {
		t.Errorf("another account: %d %s", r.Status, r.Body)
	}
	if r := s.Call("other", "GET", jobs, ""); r.Status != 200 {
		t.Errorf("another account's list: %d %s", r.Status, r.Body)
	}
}

// A caller who stops in the middle of a body is told so, whatever the body.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{BodyTimeout: 50 * time.Millisecond})
	for _, mediaType := range []string{"application/json", "multipart/form-data; boundary=x"} {
		body, rest := io.Pipe()
		go func() {
			io.WriteString(rest, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nThe beginning")
		}()
		r, err := s.Try("valid", "POST", jobs, body, "Content-Type", mediaType)
		rest.Close()
		if err != nil {
			t.Fatal(err)
		}
		s.Check(r, 408, "request_timeout")
		s.LikeForced(r, "valid", "GET", jobs, "")
	}
}

func TestMaintenance(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	s.Control("PUT", "maintenance", `{"on":true}`)
	r := s.Expect(503, "service_unavailable", "valid", "GET", jobs, "")
	if r.Header.Get("Retry-After") != "30" {
		t.Errorf("%v", r.Header)
	}
	s.LikeForced(r, "valid", "GET", jobs, "")
	s.Control("PUT", "maintenance", `{"on":false}`)
	if r := s.Call("valid", "GET", jobs, ""); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// The queue takes two hundred jobs that have not ended, of all accounts.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	for i, as := range []string{"valid", "test", "other", "plan_standard"} {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if r := s.Call(as, "POST", jobs, `{"text":["x"]}`); r.Status != 200 {
					t.Errorf("%d: %d %s", i, r.Status, r.Body)
				}
			})
		}
		wg.Wait()
	}
	r := s.Expect(503, "service_unavailable", "valid", "POST", jobs, `{"text":["x"]}`)
	if r.Failure.RetryAfter != time.Second {
		t.Errorf("wait %v", r.Failure.RetryAfter)
	}
	s.Forward(2 * time.Second)
	run(s, "valid", `{"text":["x"]}`)
}

// Sixty calls are let in, the next one is when it was told.
func TestRate(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	for range 60 {
		if r := s.Call("valid", "GET", jobs, ""); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	r := s.Expect(429, "too_many_requests", "valid", "GET", jobs, "")
	s.LikeForced(r, "test", "GET", jobs, "")
	if r.Failure.RetryAfter <= 0 {
		t.Fatalf("%+v", r.Failure)
	}
	s.Forward(r.Failure.RetryAfter - time.Millisecond)
	s.Expect(429, "too_many_requests", "valid", "GET", jobs, "")
	s.Forward(time.Second)
	if r := s.Call("valid", "GET", jobs, ""); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Every code can be had by asking for it, on a call that would succeed.
func TestForced(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	for _, code := range s.Contract().Codes {
		s.Expect(code.Status, code.Name, "valid", "GET", jobs, "", fault.Header, code.Name)
	}
	r := s.Expect(400, "bad_request", "valid", "GET", jobs, "", fault.Header, "not_fuond")
	if !strings.Contains(r.Body, "not_found") {
		t.Errorf("no hint: %s", r.Body)
	}
}

func TestBrokenForms(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	s.Check(upload{{"json", "", `{"models":`}, {"file", "a.txt", "x"}}.send(s), 400, "bad_request")
	s.Check(upload{{"json", "", `{"models":{"voice":{}}}`}, {"file", "a.txt", "x"}}.send(s), 400, "bad_request")
	s.Check(upload{{"json", "", `{"text":[1]}`}}.send(s), 400, "bad_request")
	s.Check(upload{{"json", "", `{}`}}.send(s), 400, "bad_request")
	for name, body := range map[string]string{
		"no boundary in it": "hello", "breaks off in the head": "--x\r\nContent-Disp", "breaks off in a file": "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc",
		"has no last boundary": "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nabc\r\n--x",
	} {
		r, err := s.Try("valid", "POST", jobs, strings.NewReader(body), "Content-Type", "multipart/form-data; boundary=x")
		if err != nil {
			t.Fatal(err)
		}
		if r.Code() != "bad_request" {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	r, err := s.Try("valid", "POST", jobs, strings.NewReader("<x/>"), "Content-Type", "application/xml")
	if err != nil {
		t.Fatal(err)
	}
	s.Check(r, 415, "unsupported_media_type")
	s.LikeForced(r, "valid", "GET", jobs, "")
}
