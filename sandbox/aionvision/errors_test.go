package aionvision_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox/fault"
)

// bomb is a PNG whose head announces 400 million pixels.
func bomb(t *testing.T) []byte {
	t.Helper()
	data := bytes.Clone(picture(t, 1))
	const head = 16 // the signature, a length and IHDR
	binary.BigEndian.PutUint32(data[head:], 20_000)
	binary.BigEndian.PutUint32(data[head+4:], 20_000)
	binary.BigEndian.PutUint32(data[head+13:], crc32.ChecksumIEEE(data[head-4:head+13]))
	return data
}

// Every code by its real cause, and the same by force.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := start(t)
	whole := picture(t, 1)
	id := s.upload("valid", upload("a.png", whole)).ok(t, 201).text(t, "image_id")
	corrupt := s.upload("valid", upload("b.png", picture(t, 2))).ok(t, 201).text(t, "image_id")
	s.control("corrupt/aionvision/files/org_main/"+corrupt, "")
	film := s.begin("valid", 100)
	done := s.begin("valid", 100).sendAll()
	done.complete("").ok(t, 200)
	unpaid := s.begin("broke", 100).sendAll()
	send := func(parts ...part) func() reply {
		return func() reply { return s.upload("valid", parts...) }
	}
	call := func(as, method, path, body string) func() reply {
		return func() reply { return s.call(as, method, path, body) }
	}
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-20] ^= 1
	seen := map[string]bool{}
	for _, x := range []struct {
		name    string
		call    func() reply
		status  int
		code    string
		of      condition.Condition
		details string
	}{
		{"no key", call("", "GET", "/user-files", ""), 401, "INVALID_API_KEY", condition.KeyUnknown, ""},
		{"a key that is none", call("nonsense", "GET", "/user-files", ""), 401, "INVALID_API_KEY", condition.KeyUnknown, ""},
		{"mistyped", call("malformed", "GET", "/user-files", ""), 401, "INVALID_API_KEY", condition.KeyUnknown, ""},
		{"never issued", call("unknown", "GET", "/user-files", ""), 401, "INVALID_API_KEY", condition.KeyUnknown, ""},
		{"expired", call("expired", "GET", "/user-files", ""), 401, "EXPIRED_API_KEY", condition.KeyExpired, ""},
		{"deactivated", call("deactivated", "GET", "/user-files", ""), 401, "DEACTIVATED_API_KEY", condition.KeyDeactivated, ""},
		{"scope", call("read_only", "POST", "/video-uploads/abort", `{"media_id":"m","upload_id":"u"}`), 403, "AUTHZ_ERROR", condition.PermissionDenied, "map[required_scope:write]"},
		{"no credits", func() reply { return unpaid.complete("") }, 402, "HTTP_402", condition.PaymentRequired, "map[available_credits:0 balance:Video credits required_credits:1]"},
		{"past due", call("unpaid", "GET", "/user-files", ""), 402, "HTTP_402", condition.PaymentRequired, ""},
		{"unknown file", call("valid", "GET", "/user-files/nothing", ""), 404, "HTTP_404", condition.ResourceMissing, "map[resource_id:nothing resource_type:file]"},
		{"somebody else's file", call("other", "GET", "/user-files/"+id, ""), 404, "HTTP_404", condition.ResourceMissing, ""},
		{"unknown path", call("valid", "GET", "/nothing", ""), 404, "HTTP_404", condition.ResourceMissing, ""},
		{"method", call("valid", "PUT", "/user-files", ""), 405, "HTTP_405", condition.MethodNotAllowed, ""},
		{"page", call("valid", "GET", "/user-files?limit=101", ""), 400, "VALIDATION_ERROR", condition.ParameterInvalid, ""},
		{"kind", call("valid", "GET", "/user-files?media_types=image,song", ""), 400, "VALIDATION_ERROR", condition.ParameterInvalid, ""},
		{"no JSON", call("valid", "POST", "/video-uploads/abort", `{"media_id":`), 400, "VALIDATION_ERROR", condition.ParameterInvalid, ""},
		{"no file", send(field("title", "x")), 400, "VALIDATION_ERROR", condition.ParameterInvalid, "map[field:file issue:is missing]"},
		{"empty file", send(upload("a.png", nil)), 400, "VALIDATION_ERROR", condition.ParameterInvalid, "map[field:file issue:is empty]"},
		{"past date", call("valid", "POST", "/api-keys", `{"name":"k","expires_at":"2020-01-01T00:00:00Z"}`), 400, "VALIDATION_ERROR", condition.ParameterInvalid, ""},
		{"storage of one's own", send(field("storage_target", "custom"), upload("a.png", whole)), 422, "HTTP_422", condition.ValidationFailed, ""},
		{"no count", call("valid", "GET", "/uploads/quota-check", ""), 400, "VALIDATION_ERROR", condition.ParameterInvalid, ""},
		{"a count of none", call("valid", "GET", "/uploads/quota-check?file_count=0", ""), 422, "HTTP_422", condition.ValidationFailed, ""},
		{"duplicate", send(upload("c.png", whole)), 409, "HTTP_409", condition.ResourceConflict, "map[existing_id:" + id + "]"},
		{"completed twice", func() reply { return done.complete("") }, 409, "HTTP_409", condition.ResourceConflict, "map[existing_id:" + done.media + "]"},
		{"type of a body", func() reply {
			return s.do(s.request(t.Context(), "valid", "POST", uploadPath, strings.NewReader("x"), "Content-Type", "image/png"))
		}, 415, "HTTP_415", condition.MediaUnsupported, ""},
		{"type of a file", send(upload("a.zip", []byte("PK\x03\x04 and so on"))), 415, "HTTP_415", condition.MediaUnsupported, ""},
		{"damaged", send(upload("d.png", damaged)), 422, "IMAGE_PROCESSING_ERROR", condition.ProcessingFailed, "map[reason:the image is damaged]"},
		{"cut off", send(upload("d.png", whole[:len(whole)/2])), 422, "IMAGE_PROCESSING_ERROR", condition.ProcessingFailed, "map[reason:the image is damaged]"},
		{"no image", send(part{"file", "d", "image/jpeg", []byte("a picture of a harbour")}), 422, "IMAGE_PROCESSING_ERROR", condition.ProcessingFailed, ""},
		{"too many pixels", send(upload("bomb.png", bomb(t))), 422, "IMAGE_PROCESSING_ERROR", condition.ProcessingFailed, "map[reason:the image has more than 25000000 pixels, or none]"},
		{"chunk", func() reply { return film.confirm(2, "x", 1) }, 400, "CHUNK_UPLOAD_ERROR", condition.ChunkRejected, "map[chunk_number:2]"},
		{"file over the plan", func() reply {
			return s.upload("plan_free", upload("a.png", append(bytes.Clone(whole), make([]byte, 25_000_000)...)))
		}, 413, "HTTP_413", condition.BodyTooLarge, "map[actual_bytes:2.5000102e+07 max_bytes:2.5e+07]"},
		{"video over the plan", call("valid", "POST", "/video-uploads/initiate", `{"filename":"a.mp4","content_type":"video/mp4","size_bytes":2000000001}`), 413, "HTTP_413", condition.BodyTooLarge, "map[actual_bytes:2.000000001e+09 max_bytes:2e+09]"},
		{"body over the bound", func() reply {
			r := s.request(t.Context(), "valid", "POST", uploadPath, io.LimitReader(zeros{}, 100_000_001), "Content-Type", "multipart/form-data; boundary=x", "Expect", "100-continue")
			r.ContentLength = 100_000_001
			return s.do(r)
		}, 413, "HTTP_413", condition.BodyTooLarge, "map[actual_bytes:1.00000001e+08 max_bytes:1e+08]"},
		{"storage", func() reply {
			s.begin("plan_free", 999_999_000)
			return s.upload("plan_free", upload("a.txt", bytes.Repeat([]byte("text "), 200)))
		}, 413, "STORAGE_QUOTA_EXCEEDED", condition.StorageExhausted, ""},
		{"corrupt record", call("valid", "GET", "/user-files/"+corrupt, ""), 500, "HTTP_500", condition.Internal, ""},
		{"maintenance", func() reply {
			s.control("maintenance", `{"on":true}`)
			defer s.control("maintenance", `{"on":false}`)
			return s.call("valid", "GET", "/user-files/"+id, "")
		}, 503, "HTTP_503", condition.Unavailable, ""},
		{"provider down", s.behind("down"), 503, "VLM_PROVIDER_ERROR", condition.DependencyFailed, "map[provider:google]"},
		{"provider broken", s.behind("broken"), 503, "VLM_PROVIDER_ERROR", condition.DependencyFailed, "map[provider:google]"},
		{"provider hangs", s.behind("slow"), 503, "TIMEOUT", condition.UpstreamTimeout, "map[timeout_seconds:2]"},
	} {
		s.advance(10 * time.Second) // the rate is none of this test's
		got := x.call()
		got.is(t, x.status, x.code, x.of)
		if details := fmt.Sprint(got.get(t, "error", "details")); x.details != "" && details != x.details {
			t.Errorf("%s: details %s, want %s", x.name, details, x.details)
		}
		if strings.Contains(got.body, s.Key("valid")) || strings.Contains(got.body, "org_") {
			t.Errorf("%s: something private got out: %s", x.name, got.body)
		}
		if !seen[x.code] {
			s.likeForced(got)
		}
		seen[x.code] = true
	}
	for _, code := range []string{"RATE_LIMIT_ERROR", "USAGE_LIMIT_EXCEEDED", "CONCURRENT_UPLOAD_LIMIT_EXCEEDED", "MEMORY_LIMIT_EXCEEDED"} {
		seen[code] = true // which have tests of their own
	}
	for _, code := range s.Contract().Codes {
		if !code.Beyond && !seen[code.Name] {
			t.Errorf("nothing causes %s", code.Name)
		}
	}
}

// likeForced checks that an error looks the same by force.
func (s *server) likeForced(caused reply) {
	s.Helper()
	forced := s.do(s.request(s.Context(), "plan_enterprise", "GET", "/user-files", http.NoBody, fault.Header, caused.failure.Code.Name))
	sandboxtest.Alike(s.T, caused.told(), forced.told())
}

// behind sends a new file while the provider is in a mode.
func (s *server) behind(mode string) func() reply {
	return func() reply {
		s.control("backend", fmt.Sprintf(`{"mode":%q}`, mode))
		defer s.control("backend", `{"mode":"up"}`)
		got := s.upload("valid", upload("new.png", picture(s.T, 99)))
		if list := s.call("valid", "GET", "/user-files", ""); strings.Contains(list.body, "new.png") {
			s.Errorf("a file that was not described is there: %s", list.body)
		}
		return got
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 10 {
		if got := s.call("plan_free", "GET", "/user-files", "").ok(t, 200); got.header.Get("X-RateLimit-Remaining") != fmt.Sprint(9-i) {
			t.Errorf("after %d calls: %v", i+1, got.header)
		}
	}
	got := s.call("plan_free", "GET", "/user-files", "")
	got.is(t, 429, "RATE_LIMIT_ERROR", condition.RateLimited)
	s.likeForced(got)
	if got.header.Get("Retry-After") != "6" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	s.advance(6 * time.Second)
	s.call("plan_free", "GET", "/user-files", "").ok(t, 200)
}

// A month's allowance is used up by uploads and messages, and comes back.
func TestMonth(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 15 {
		s.upload("plan_free", upload("a.png", picture(t, i))).ok(t, 201)
		s.advance(time.Minute)
	}
	got := s.upload("plan_free", upload("a.png", picture(t, 15)))
	got.is(t, 429, "USAGE_LIMIT_EXCEEDED", condition.QuotaExhausted)
	s.likeForced(got)
	if got.get(t, "error", "details", "monthly_limit") != 15.0 || got.text(t, "error", "details", "reset_date") != "2026-12-01T00:00:00Z" {
		t.Error(got.body)
	}
	check := s.call("plan_free", "POST", "/usage/check", `{"item_count":1e0}`).ok(t, 200)
	if check.text(t, "can_proceed") != "false" || check.text(t, "current_usage") != "15" || check.text(t, "available_credits") != "0" {
		t.Error(check.body)
	}
	check = s.call("plan_free", "GET", "/uploads/quota-check?file_count=3", "").ok(t, 200)
	if check.text(t, "can_proceed") != "false" || check.text(t, "prepaid_credits") != "100" || check.text(t, "max_concurrent_uploads") != "10" {
		t.Error(check.body)
	}
	chat := s.call("plan_free", "POST", "/chat/sessions", "").ok(t, 200).text(t, "session_id")
	for i := range 11 {
		s.advance(time.Minute)
		got = s.call("plan_free", "POST", "/chat/sessions/"+chat+"/messages", `{"message":"hello"}`)
		if i < 10 {
			got.ok(t, 200)
		}
	}
	got.is(t, 429, "USAGE_LIMIT_EXCEEDED", condition.QuotaExhausted)
	s.advance(29 * 24 * time.Hour)
	s.upload("plan_free", upload("a.png", picture(t, 15))).ok(t, 201)
	s.call("plan_free", "POST", "/chat/sessions/"+chat+"/messages", `{"message":"hello"}`).ok(t, 200)
	if got := s.call("plan_free", "POST", "/usage/check", ""); got.text(t, "can_proceed") != "true" || got.text(t, "required_credits") != "1" {
		t.Error(got.body)
	}
	if got := s.call("plan_free", "GET", "/uploads/quota-check?file_count=11", ""); got.text(t, "can_proceed") != "false" || !strings.Contains(got.text(t, "message"), "10 files") {
		t.Error(got.body)
	}
}

// held is an upload that has announced its length and sends nothing yet.
type held struct {
	*io.PipeWriter

	done chan reply // closed without an answer when it was cut off
}

// hold returns when the stand-in reads.
func (s *server) hold(as string, length int64) held {
	s.Helper()
	reader, writer := io.Pipe()
	h := held{writer, make(chan reply, 1)}
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(s.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	r := s.request(ctx, as, "POST", uploadPath, reader, "Content-Type", "multipart/form-data; boundary=x", "Expect", "100-continue")
	r.ContentLength = length
	go func() {
		defer close(h.done)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err == nil {
			h.done <- reply{status: response.StatusCode, body: string(data)}
		}
	}()
	<-reading
	return h
}

// Uploads at once are bounded by their number in a plan.
func TestConcurrentUploads(t *testing.T) {
	t.Parallel()
	s := start(t)
	const form = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nslow\r\n--x--\r\n"
	var running []held
	for range 10 {
		running = append(running, s.hold("plan_free", int64(len(form))))
	}
	s.advance(time.Second * 7)
	got := s.upload("plan_free", upload("a.png", picture(t, 1)))
	got.is(t, 429, "CONCURRENT_UPLOAD_LIMIT_EXCEEDED", condition.ConcurrencyExceeded)
	s.likeForced(got)
	if details := fmt.Sprint(got.get(t, "error", "details")); details != "map[active:10 limit:10]" {
		t.Errorf("details %s", details)
	}
	s.upload("other", upload("a.png", picture(t, 1))).ok(t, 201) // others are not touched
	for _, h := range running {
		if _, err := io.WriteString(h, form); err != nil {
			t.Error(err)
		}
		if got := <-h.done; got.status != 400 || !strings.Contains(got.body, "is missing") { // there was no file
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	s.advance(time.Minute)
	s.upload("plan_free", upload("a.png", picture(t, 1))).ok(t, 201)
}

// Videos that are on their way are bounded as well, whoever is first.
func TestConcurrentVideos(t *testing.T) {
	t.Parallel()
	s := start(t)
	statuses := make(chan int, 30)
	for range cap(statuses) {
		go func() {
			got := s.call("valid", "POST", "/video-uploads/initiate", `{"filename":"a.mp4","content_type":"video/mp4","size_bytes":100}`)
			if got.status == 429 {
				got.is(t, 429, "CONCURRENT_UPLOAD_LIMIT_EXCEEDED", condition.ConcurrencyExceeded)
			}
			statuses <- got.status
		}()
	}
	count := map[int]int{}
	for range cap(statuses) {
		count[<-statuses]++
	}
	if count[201] != 20 || count[429] != 10 {
		t.Fatalf("by status: %v, the plan has 20 at once", count)
	}
	if used := s.used("org_main", "storage"); used != 2000 {
		t.Errorf("the storage holds %d bytes for 20 videos", used)
	}
	s.advance(6 * time.Hour)
	s.begin("valid", 100).sendAll().complete(`,"auto_analyze":false`).ok(t, 200)
}

// Memory is bounded over all accounts, by what uploads announce.
func TestMemory(t *testing.T) {
	t.Parallel()
	s := start(t)
	running := []held{s.hold("plan_enterprise", 100_000_000), s.hold("plan_professional", 100_000_000)}
	big := s.request(t.Context(), "valid", "POST", uploadPath, io.LimitReader(zeros{}, 90_000_000), "Content-Type", "multipart/form-data; boundary=x", "Expect", "100-continue")
	big.ContentLength = 90_000_000
	got := s.do(big)
	got.is(t, 503, "MEMORY_LIMIT_EXCEEDED", condition.Overloaded)
	s.likeForced(got)
	if details := fmt.Sprint(got.get(t, "error", "details")); details != "map[in_use_bytes:2e+08 limit_bytes:2.68435456e+08]" || got.header.Get("Retry-After") != "1" {
		t.Errorf("details %s, Retry-After %q", details, got.header.Get("Retry-After"))
	}
	s.upload("valid", upload("a.png", picture(t, 1))).ok(t, 201) // a small one fits
	for _, h := range running {
		_ = h.CloseWithError(io.ErrUnexpectedEOF) // its caller is gone
		<-h.done
	}
	// The stand-in notices on its own.
	for deadline := time.Now().Add(10 * time.Second); ; {
		used := s.used("org_enterprise", "concurrency") + s.used("org_professional", "storage")
		if used == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what was held is still counted: %d", used)
		}
	}
	s.upload("valid", upload("b.txt", bytes.Repeat([]byte("words "), 1_000_000))).ok(t, 201)
	let := s.hold("plan_enterprise", 100_000_000)
	again := s.hold("plan_professional", 100_000_000)
	_ = let.CloseWithError(io.ErrUnexpectedEOF)
	_ = again.CloseWithError(io.ErrUnexpectedEOF)
}

// An analysis fails as its provider does, and can be repeated a few times.
func TestAnalysisFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	f := s.begin("plan_enterprise", 100).sendAll()
	s.control("backend", `{"mode":"slow"}`)
	job := f.complete(`,"analysis_provider":"anthropic"`).ok(t, 200).text(t, "analysis_job_id")
	again := func() reply {
		return s.call("plan_enterprise", "POST", "/video-analysis/jobs/"+job+"/retry", fmt.Sprintf(`{"media_id":%q}`, f.media))
	}
	again().is(t, 422, "HTTP_422", condition.ValidationFailed) // it has not failed yet
	state := func(want, code string) {
		t.Helper()
		s.advance(5 * time.Second)
		got := s.call("plan_enterprise", "GET", "/video-analysis/jobs/"+job, "").ok(t, 200)
		if got.text(t, "status") != want || got.text(t, "error_code") != code {
			t.Errorf("want %s %s: %s", want, code, got.body)
		}
	}
	state("failed", "TIMEOUT")
	for i, mode := range []string{"down", "broken", "down"} {
		s.control("backend", fmt.Sprintf(`{"mode":%q}`, mode))
		if got := again().ok(t, 202); got.text(t, "retry_count") != fmt.Sprint(i+1) {
			t.Error(got.body)
		}
		state("failed", "VLM_PROVIDER_ERROR")
	}
	again().is(t, 422, "HTTP_422", condition.ValidationFailed) // as often as it can be
	if left := s.used("org_enterprise", "video_credits"); left != 96 {
		t.Errorf("%d credits are left of 100, after a video and three repetitions", left)
	}
	s.call("other", "POST", "/video-analysis/jobs/"+job+"/retry", fmt.Sprintf(`{"media_id":%q}`, f.media)).is(t, 404, "HTTP_404", condition.ResourceMissing)
	s.control("backend", `{"mode":"up"}`)
	second := s.begin("plan_enterprise", 100).sendAll()
	s.control("backend", `{"mode":"down"}`)
	job = second.complete("").ok(t, 200).text(t, "analysis_job_id")
	state("failed", "VLM_PROVIDER_ERROR")
	s.control("backend", `{"mode":"up"}`)
	f = second
	again().ok(t, 202)
	state("completed", "<nil>")
}
