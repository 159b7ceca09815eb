package jobs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/store"
)

// Every code of the document by its real cause, and each the same by force.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{BackendTimeout: 50 * time.Millisecond})
	open := begin(s, "valid", "translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n"))
	broken := begin(s, "valid", "translate", translate("1\n00:00:01,000 --> 00:00:02\nHello\n"))
	corrupt := begin(s, "valid", "translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n"))
	s.Control("PUT", "corrupt/jobs/jobs/org_main/"+corrupt, "")
	const url = `,"sourceLanguage":"en-US","targetLanguage":"es-ES"}`
	seen := map[string]bool{}
	for _, tc := range []struct {
		name, as, method, path, body string
		status                       int
		code, told                   string
	}{
		{"no key", "", "GET", "/jobs", "", 401, "AUTHENTICATION_FAILED", ""},
		{"no key of ours", "nonsense", "GET", "/jobs", "", 401, "AUTHENTICATION_FAILED", ""},
		{"never issued", "unknown", "GET", "/jobs", "", 401, "INVALID_API_KEY", ""},
		{"expired", "expired", "GET", "/jobs", "", 401, "EXPIRED_API_KEY", ""},
		{"revoked", "revoked", "GET", "/jobs", "", 401, "REVOKED_API_KEY", ""},
		{"blocked", "deactivated", "GET", "/jobs", "", 401, "REVOKED_API_KEY", ""},
		{"somebody else's job", "other", "GET", "/jobs/" + open, "", 403, "AUTHORIZATION_FAILED", ""},
		{"somebody else's result", "other", "GET", "/jobs/" + open + "/result", "", 403, "AUTHORIZATION_FAILED", ""},
		{"somebody else's client", "other", "GET", "/clients/org_main", "", 403, "AUTHORIZATION_FAILED", ""},
		{"suspended", "suspended", "GET", "/jobs", "", 403, "SUSPENDED_ACCOUNT", ""},
		{"permission", "read_only", "POST", "/translate", translate("x"), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"no object", "valid", "POST", "/translate", `[]`, 400, "INVALID_REQUEST", ""},
		{"no input", "valid", "POST", "/translate", `{"sourceLanguage":"en-US","targetLanguage":"es-ES"}`, 400, "INVALID_REQUEST", "needs one of mediaUrl, srtContent, srtUrl"},
		{"two inputs", "valid", "POST", "/translate", `{"srtContent":"x","srtUrl":"https://media.example/a.srt"` + url, 400, "INVALID_REQUEST", ""},
		{"not ended", "valid", "GET", "/jobs/" + open + "/result", "", 400, "INVALID_REQUEST", ""},
		{"missing", "valid", "POST", "/translate", `{"srtContent":"x","sourceLanguage":"en-US"}`, 400, "MISSING_PARAMETER", "targetLanguage"},
		{"missing in another", "valid", "POST", "/clients", `{}`, 400, "MISSING_PARAMETER", "name"},
		{"form of a language", "valid", "POST", "/translate", `{"srtContent":"x","sourceLanguage":"english","targetLanguage":"es-ES"}`, 400, "INVALID_PARAMETER", "sourceLanguage"},
		{"unknown language", "valid", "POST", "/translate", `{"srtContent":"x","sourceLanguage":"en-US","targetLanguage":"xx"}`, 400, "INVALID_PARAMETER", "targetLanguage"},
		{"inside", "valid", "POST", "/translate", `{"mediaUrl":"http://10.0.0.1/a.mp4"` + url, 400, "INVALID_PARAMETER", "private"},
		{"this machine", "valid", "POST", "/translate", `{"srtUrl":"http://localhost/a.srt"` + url, 400, "INVALID_PARAMETER", "srtUrl"},
		{"this machine, by number", "valid", "POST", "/translate", `{"srtUrl":"http://[::ffff:127.0.0.1]/a.srt"` + url, 400, "INVALID_PARAMETER", "srtUrl"},
		{"ftp", "valid", "POST", "/translate", `{"mediaUrl":"ftp://media.example/a.mp4"` + url, 400, "INVALID_PARAMETER", "http://"},
		{"no media", "valid", "POST", "/translate", `{"mediaUrl":"https://media.example/a"` + url, 400, "INVALID_PARAMETER", ".mp4"},
		{"limit", "valid", "GET", "/jobs?limit=101", "", 400, "INVALID_PARAMETER", "limit"},
		{"expired from the start", "valid", "POST", "/clients/org_main/api-keys", `{"name":"k","permissions":[],"expiresAt":"2020-01-01T00:00:00Z"}`, 400, "INVALID_PARAMETER", "future"},
		{"nothing to pay in", "valid", "POST", "/balance/top-ups", `{"amountUsd":0}`, 400, "INVALID_PARAMETER", "amountUsd"},
		{"not JSON", "valid", "POST", "/translate", `{"srtContent":`, 400, "INVALID_FORMAT", ""},
		{"no funds", "broke", "POST", "/translate", translate("x"), 400, "INSUFFICIENT_BALANCE", ""},
		{"unknown route", "valid", "GET", "/nothing", "", 404, "RESOURCE_NOT_FOUND", ""},
		{"unknown upload", "valid", "POST", "/upload/confirm", `{"uploadId":"up_none"}`, 404, "RESOURCE_NOT_FOUND", ""},
		{"unknown job", "valid", "GET", "/jobs/job_none", "", 404, "JOB_NOT_FOUND", ""},
		{"unknown client", "valid", "GET", "/clients/client_none", "", 404, "CLIENT_NOT_FOUND", ""},
		{"unknown key", "valid", "DELETE", "/api-keys/key_none", "", 404, "API_KEY_NOT_FOUND", ""},
		{"corrupt record", "valid", "GET", "/jobs/" + corrupt, "", 500, "INTERNAL_ERROR", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &sandboxtest.Server{T: t, Server: s.Server}
			r := s.Expect(tc.status, tc.code, tc.as, tc.method, "/v1"+tc.path, tc.body)
			if !strings.Contains(r.Body, tc.told) || strings.Contains(r.Body, "corrupt") || strings.Contains(r.Body, s.Key("valid")) {
				t.Errorf("told: %s", r.Body)
			}
			if !seen[tc.code] {
				seen[tc.code] = true
				s.LikeForced(r, "plan_standard", "GET", "/v1/jobs", "")
			}
		})
	}
	s.Forward(time.Minute)
	s.LikeForced(s.Expect(500, "PROCESSING_FAILED", "test", "GET", "/v1/jobs/"+broken+"/result", ""), "test", "GET", "/v1/jobs", "")
	s.Control("PUT", "backend", `{"mode":"down"}`)
	r := s.Expect(500, "EXTERNAL_SERVICE_ERROR", "test", "POST", "/v1/transcribe", `{"mediaUrl":"https://media.example/a.mp3","sourceLanguage":"en-US"}`)
	s.LikeForced(r, "test", "GET", "/v1/jobs", "")
	s.Control("PUT", "backend", `{"mode":"slow"}`)
	s.Expect(500, "EXTERNAL_SERVICE_ERROR", "test", "POST", "/v1/transcribe", `{"mediaUrl":"https://media.example/a.mp3","sourceLanguage":"en-US"}`)
	s.Control("PUT", "maintenance", `{"on":true}`)
	r = s.Expect(503, "SERVICE_UNAVAILABLE", "test", "GET", "/v1/jobs", "")
	s.LikeForced(r, "test", "GET", "/v1/jobs", "")
	s.Control("PUT", "maintenance", `{"on":false}`)
	if r := s.Call("other", "GET", "/v1/jobs", ""); r.Status != 200 {
		t.Errorf("damage to one client's records is another's: %d %s", r.Status, r.Body)
	}
	for _, name := range []string{"PROCESSING_FAILED", "EXTERNAL_SERVICE_ERROR", "SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED", "DATABASE_ERROR"} {
		seen[name] = true // the last two have tests of their own
	}
	for _, code := range s.Contract().Codes {
		if !seen[code.Name] {
			t.Errorf("nothing causes %s", code.Name)
		}
	}
}

// failing is a store whose disk stops to take anything.
type failing struct {
	store.Memory

	full atomic.Bool
}

func (f *failing) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if f.full.Load() {
		return 0, errors.Join(store.ErrUnavailable, errors.New("no space left on device"))
	}
	return f.Memory.Swap(ctx, key, old, value, ttl)
}

func TestDatabaseError(t *testing.T) {
	t.Parallel()
	disk := &failing{Memory: store.Memory{Clock: sandboxtest.Began}}
	s := sandboxtest.Start(t, "jobs", sandbox.Options{Store: disk})
	disk.full.Store(true)
	r := s.Expect(500, "DATABASE_ERROR", "valid", "POST", "/v1/clients", `{"name":"Studio"}`)
	s.Expect(500, "DATABASE_ERROR", "valid", "POST", "/v1/upload/init", "")
	if strings.Contains(r.Body, "device") {
		t.Errorf("something private got out: %s", r.Body)
	}
	s.LikeForced(r, "valid", "GET", "/v1/jobs", "")
	disk.full.Store(false)
	if r := s.Call("valid", "POST", "/v1/clients", `{"name":"Studio"}`); r.Status != 201 {
		t.Errorf("with room again: %d %s", r.Status, r.Body)
	}
}

// A hundred jobs that have not ended are all that the queue takes.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	s.Call("valid", "POST", "/v1/balance/top-ups", `{"amountUsd":1000}`)
	for _, as := range []string{"valid", "test"} {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if r := s.Call(as, "POST", "/v1/translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n")); r.Status != 202 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			})
		}
		wg.Wait()
	}
	r := s.Expect(503, "SERVICE_UNAVAILABLE", "live", "POST", "/v1/translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n"))
	before := s.Call("live", "GET", "/v1/balance", "")
	if !strings.Contains(before.Body, `"balanceUsd":1000`) {
		t.Errorf("who was refused has paid, or others have not: %s", before.Body)
	}
	s.Forward(r.Failure.RetryAfter * 2)
	begin(s, "live", "translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n"))
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	for range 60 {
		if r := s.Call("valid", "GET", "/v1/jobs", ""); r.Status != 200 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	}
	s.LikeForced(s.Expect(429, "RATE_LIMIT_EXCEEDED", "valid", "GET", "/v1/jobs", ""), "test", "GET", "/v1/jobs", "")
}

func TestForced(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	for _, code := range s.Contract().Codes {
		s.Expect(code.Status, code.Name, "valid", "GET", "/v1/balance", "", fault.Header, code.Name)
	}
}

func TestWrongMediaType(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{BodyTimeout: 50 * time.Millisecond})
	r := s.Call("valid", "POST", "/v1/translate", "hello", "Content-Type", "text/plain")
	s.Check(r, 400, "INVALID_FORMAT")
	body, rest := io.Pipe()
	defer rest.Close()
	go io.WriteString(rest, `{"srt`)
	r, err := s.Try("valid", http.MethodPost, "/v1/translate", body, "Content-Type", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	s.Check(r, 408, "INVALID_REQUEST")
}
