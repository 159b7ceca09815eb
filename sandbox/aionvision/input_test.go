package aionvision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
)

// Each member of each body, with values of every other kind, is refused or taken
// at its word: never a fault of ours.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	s := start(t)
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	values := []string{`null`, `true`, `-1`, `0`, `1e300`, `1.5`, `99999999999999999999999`, `""`, `"\u0000"`, `"../../x"`, `[]`, `{}`, `[null]`, deep, `"` + strings.Repeat("x", 5000) + `"`}
	for _, o := range s.Contract().Operations {
		sample := map[string]json.RawMessage{}
		if o.Body == nil {
			continue
		}
		text, err := json.Marshal(o.Sample)
		if err == nil {
			err = json.Unmarshal(text, &sample)
		}
		if err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
		path := strings.NewReplacer("{id}", "nothing").Replace(strings.TrimPrefix(o.Path, "/api/v2"))
		for member, was := range sample {
			for _, value := range values {
				sample[member] = json.RawMessage(value)
				s.advance(time.Second)
				if got := s.call("plan_enterprise", o.Method, path, object(sample)); got.status >= 500 {
					t.Errorf("%s with %s: %.40s: %d %s", o.ID, member, value, got.status, got.body)
				}
			}
			sample[member] = was
		}
		for _, body := range append(values, `{"a":`, "\xff", `{} {}`) {
			s.advance(time.Second)
			if got := s.call("plan_enterprise", o.Method, path, body); got.status >= 500 {
				t.Errorf("%s with %.40s: %d %s", o.ID, body, got.status, got.body)
			}
		}
	}
}

// object writes members as they are: encoding/json takes no deep nesting.
func object(members map[string]json.RawMessage) string {
	var out strings.Builder
	for name, value := range members {
		fmt.Fprintf(&out, ",%q:%s", name, value)
	}
	return "{" + strings.TrimPrefix(out.String(), ",") + "}"
}

// Forms that are none, and paths that lead elsewhere.
func TestOddForms(t *testing.T) {
	t.Parallel()
	s := start(t)
	data := picture(t, 1)
	many := make([]part, 40)
	for i := range many {
		many[i] = field("x", "y")
	}
	for name, parts := range map[string][]part{
		"two files":       {upload("a.png", data), upload("b.png", data)},
		"long title":      {field("title", strings.Repeat("é", 256)), upload("a.png", data)},
		"title of nulls":  {field("title", "\x00"), upload("a.png", data)},
		"long field":      {field("other", strings.Repeat("x", 70_000)), upload("a.png", data)},
		"many tags":       {field("tags", strings.Repeat("x,", 41)), upload("a.png", data)},
		"long tag":        {field("tags", strings.Repeat("x", 51)), upload("a.png", data)},
		"no bool":         {field("auto_describe", "perhaps"), upload("a.png", data)},
		"unknown storage": {field("storage_target", "moon"), upload("a.png", data)},
		"many parts":      many,
		"long name":       {upload(strings.Repeat("x", 256)+".png", data)},
	} {
		s.advance(10 * time.Second)
		if got := s.upload("valid", parts...); got.status != 400 || got.failure.Code.Name != "VALIDATION_ERROR" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, contentType := range []string{"multipart/form-data", "multipart/form-data; boundary=", `multipart/form-data; boundary="` + strings.Repeat("x", 100) + `"`} {
		r := s.request(t.Context(), "valid", "POST", uploadPath, strings.NewReader("--x--"), "Content-Type", contentType)
		if got := s.do(r); got.status != 400 && got.status != 415 {
			t.Errorf("%s: %d %s", contentType, got.status, got.body)
		}
	}
	body, contentType := form(t, upload("a.txt", []byte("words\n")))
	endless := s.request(t.Context(), "valid", "POST", uploadPath, bytes.NewReader(bytes.TrimSuffix(body, []byte("--\r\n"))), "Content-Type", contentType)
	if got := s.do(endless); got.status != 400 {
		t.Errorf("a form without its last boundary: %d %s", got.status, got.body)
	}
	unknown := s.request(t.Context(), "valid", "POST", uploadPath, struct{ *bytes.Reader }{bytes.NewReader(body)}, "Content-Type", contentType)
	unknown.ContentLength = -1
	s.do(unknown).ok(t, 201)
	if used := s.used("org_main", "storage"); used != 6 {
		t.Errorf("a file of 6 bytes in a body of unknown length counts %d", used)
	}
	for _, id := range []string{"..", "%2e%2e", "..%2forg_other%2fx", "%00", strings.Repeat("x", 2000), "%ff", "a%2fb"} {
		s.advance(10 * time.Second)
		if got := s.call("valid", "GET", "/user-files/"+id, ""); got.status != 404 {
			t.Errorf("%s: %d %s", id, got.status, got.body)
		}
	}
	for name, value := range map[string]string{"path": "../../a.mp4", "backslash": `..\\a.mp4`, "dots": "..", "blank": " ", "control": `a\u0007.mp4`} {
		got := s.call("valid", "POST", "/video-uploads/initiate", `{"filename":"`+value+`","content_type":"video/mp4","size_bytes":1}`)
		if got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	for _, size := range []string{"0", "-1", "1.5", "1e300", "9007199254740992", `"1"`} {
		s.advance(10 * time.Second)
		s.call("valid", "POST", "/video-uploads/initiate", `{"filename":"a","content_type":"video/mp4","size_bytes":`+size+`}`).is(t, 400, "VALIDATION_ERROR", condition.ParameterInvalid)
	}
}

// Nobody reaches what belongs to another account, by any call.
func TestAccountsAreApart(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.upload("plan_enterprise", upload("a.png", picture(t, 1))).ok(t, 201).text(t, "image_id")
	f := s.begin("plan_enterprise", 100)
	f.send(1).ok(t, 200)
	done := s.begin("plan_enterprise", 100).sendAll()
	job := done.complete("").ok(t, 200).text(t, "analysis_job_id")
	chat := s.call("plan_enterprise", "POST", "/chat/sessions", `{}`).ok(t, 200).text(t, "session_id")
	chunk := fmt.Sprintf(`{%s,"chunk_number":1,"etag":"x","size_bytes":100}`, f.names())
	for _, x := range [][3]string{
		{"GET", "/user-files/" + image, ""},
		{"PATCH", "/user-files/" + image, `{"title":"mine"}`},
		{"DELETE", "/user-files/" + image, ""},
		{"GET", "/user-files/" + done.media, ""},
		{"GET", "/video-uploads/progress/" + f.media, ""},
		{"POST", "/video-uploads/chunks/confirm", chunk},
		{"POST", "/video-uploads/chunks/retry", chunk},
		{"POST", "/video-uploads/complete", "{" + f.names() + "}"},
		{"POST", "/video-uploads/abort", "{" + f.names() + "}"},
		{"GET", "/video-analysis/jobs/" + job, ""},
		{"POST", "/video-analysis/jobs/" + job + "/retry", fmt.Sprintf(`{"media_id":%q}`, done.media)},
		{"GET", "/chat/sessions/" + chat, ""},
		{"POST", "/chat/sessions/" + chat + "/messages", `{"message":"hello"}`},
	} {
		if got := s.call("other", x[0], x[1], x[2]); got.status != 404 || strings.Contains(got.body, "enterprise") {
			t.Errorf("%s %s: %d %s", x[0], x[1], got.status, got.body)
		}
	}
	if left := s.used("org_other", "video_credits"); left != 100 {
		t.Errorf("calls that found nothing cost %d credits", 100-left)
	}
}

// breaking is a store whose writes fail from some time on, as in a crash.
type breaking struct {
	store.Memory

	left atomic.Int64 // writes that still succeed
	// ledgers: those of limits fail as well. What a call holds of the storage for
	// its body is a lease then, which ends with the crash.
	ledgers atomic.Bool
}

func (b *breaking) broken(key string) bool {
	return (b.ledgers.Load() || strings.HasPrefix(key, "sandbox/")) && b.left.Add(-1) < 0
}

func (b *breaking) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if b.broken(key) {
		return 0, store.ErrUnavailable
	}
	return b.Memory.Swap(ctx, key, old, value, ttl)
}

func (b *breaking) Delete(ctx context.Context, key string, old store.Version) error {
	if b.broken(key) {
		return store.ErrUnavailable
	}
	return b.Memory.Delete(ctx, key, old)
}

// Wherever a call breaks off, what it took is free again at the end of its life.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	b := &breaking{}
	b.left.Store(1 << 40)
	s := &server{T: t, store: b}
	s.Server = sandbox.Start(t, "aionvision", sandbox.Options{
		Clock: beginning, Logger: slog.New(slog.DiscardHandler),
		OpenStore: func(clock func() time.Time) (store.Store, error) {
			b.Clock = clock
			return b, nil
		},
	})
	data := picture(t, 1)
	resident := s.upload("valid", upload("resident.png", picture(t, 2))).ok(t, 201).text(t, "image_id")
	taken := s.used("org_main", "storage")
	var f *film
	var id string
	for name, x := range map[string]struct{ before, call func() }{
		"initiate": {func() {}, func() {
			s.call("valid", "POST", "/video-uploads/initiate", `{"filename":"a.mp4","content_type":"video/mp4","size_bytes":1000}`)
		}},
		"abort": {func() { f = s.begin("valid", 1000) }, func() {
			s.call("valid", "POST", "/video-uploads/abort", "{"+f.names()+"}")
		}},
		"complete": {func() { f = s.begin("valid", 1000).sendAll() }, func() { f.complete("") }},
		"upload":   {func() {}, func() { s.upload("valid", upload("a.png", data)) }},
		"delete": {func() { id = s.upload("valid", upload("a.png", data)).ok(t, 201).text(t, "image_id") }, func() {
			s.call("valid", "DELETE", "/user-files/"+id, "")
		}},
	} {
		b.ledgers.Store(name != "upload")
		for writes := range 8 {
			s.advance(time.Hour)
			x.before()
			b.left.Store(int64(writes))
			x.call()
			b.left.Store(1 << 40)
			s.advance(8 * time.Hour)
			list := s.call("valid", "GET", "/user-files", "").ok(t, 200)
			for _, shown := range list.get(t, "files").([]any) { // what came to be after all
				if id := fmt.Sprint(shown.(map[string]any)["id"]); id != resident {
					s.call("valid", "DELETE", "/user-files/"+id, "").ok(t, http.StatusNoContent)
				}
			}
			s.advance(8 * time.Hour)
			if used := s.used("org_main", "storage"); used != taken {
				t.Errorf("%s, broken off after %d writes: %d bytes of storage are taken, want %d", name, writes, used, taken)
			}
			if n := s.records("files/") + s.records("due/"); n != 1 {
				t.Errorf("%s, broken off after %d writes, leaves %d records", name, writes, n-1)
			}
		}
	}
	s.upload("valid", upload("a.png", data)).ok(t, 201)
	for range 20 {
		s.begin("valid", 1000) // no place is left taken either
	}
}

// Behind somebody who keeps the limits, the stand-in keeps none.
func TestOpen(t *testing.T) {
	t.Parallel()
	s := &server{T: t}
	s.Server = sandbox.Start(t, "aionvision", sandbox.Options{Clock: beginning, Logger: slog.New(slog.DiscardHandler), Open: true})
	as := func(account, method, path, body string) reply {
		return s.do(s.request(t.Context(), "", method, path, strings.NewReader(body), "Content-Type", "application/json", sandbox.AccountHeader, account))
	}
	made := as("a/b", "POST", "/video-uploads/initiate", `{"filename":"a.mp4","content_type":"video/mp4","size_bytes":100}`).ok(t, 201)
	f := &film{server: s, media: made.text(t, "media_id"), upload: made.text(t, "upload_id"), size: 100, chunk: 1000}
	for account, status := range map[string]int{"a/b": 200, "a": 404, "b": 404, "a%2Fb": 404} {
		if got := as(account, "GET", "/video-uploads/progress/"+f.media, ""); got.status != status {
			t.Errorf("%s: %d %s", account, got.status, got.body)
		}
	}
	if got := as("a", "GET", "/video-uploads/progress/b/"+f.media, ""); got.status != 404 {
		t.Errorf("an account whose name begins like another's: %d", got.status)
	}
	body, contentType := form(t, upload("a.png", picture(t, 1)))
	s.do(s.request(t.Context(), "", "POST", uploadPath, bytes.NewReader(body), "Content-Type", contentType, sandbox.AccountHeader, "a/b")).ok(t, 201)
	for account, count := range map[string]string{"a/b": "1", "a": "0"} {
		if got := as(account, "GET", "/user-files", ""); got.text(t, "total_count") != count {
			t.Errorf("%s sees %s", account, got.body)
		}
	}
	as("a/b", "POST", "/video-uploads/abort", "{"+f.names()+"}").ok(t, 200)
	as("nobody", "GET", "/uploads/quota-check?file_count=1", "").ok(t, 200)
}
