package guess_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/failwell/failwell/contract/guess"
)

// sound checks what holds for every result.
func sound(t *testing.T, r guess.Result) {
	t.Helper()
	for name, s := range map[string]struct {
		text  string
		limit int
	}{
		"code": {r.Code, 128}, "type": {r.Type, 128}, "message": {r.Message, 4 << 10}, "request id": {r.RequestID, 200}, "param": {r.Param, 256},
	} {
		if !utf8.ValidString(s.text) || len(s.text) > s.limit || strings.IndexFunc(s.text, unicode.IsControl) >= 0 {
			t.Fatalf("%s is unsound: %d bytes, %q", name, len(s.text), s.text[:min(len(s.text), 200)])
		}
	}
	if len(r.Fields) > 100 || len(r.Why) > 20 {
		t.Fatalf("%d fields, %d reasons", len(r.Fields), len(r.Why))
	}
	for _, f := range r.Fields {
		if !utf8.ValidString(f.Name) || !utf8.ValidString(f.Message) || len(f.Name) > 256 || len(f.Message) > 4<<10 {
			t.Fatalf("field is unsound: %.200q", f.Name)
		}
	}
	if r.RetryAfter < 0 || (!r.HasRetryAfter && r.RetryAfter != 0) {
		t.Fatalf("wait %v, %v", r.RetryAfter, r.HasRetryAfter)
	}
	if !r.Failed && (r.Condition != "" || r.Code != "" || r.Message != "" || r.Certain) {
		t.Fatalf("a success with a failure's members: %+v", r)
	}
}

func FuzzParseRaw(f *testing.F) {
	for _, e := range corpus(f) {
		f.Add([]byte(e.raw))
	}
	f.Add([]byte("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := guess.ParseRaw(raw)
		if err != nil {
			return
		}
		first := guess.Read(r, now)
		sound(t, first)
		if again := guess.Read(r, now); !reflect.DeepEqual(first, again) {
			t.Fatalf("two readings differ:\n%+v\n%+v", first, again)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, e := range corpus(f) {
		if r, err := guess.ParseRaw([]byte(e.raw)); err == nil {
			f.Add(r.Status, "content-type", "application/json", r.Body)
		}
	}
	f.Add(429, "Retry-After", "1e9", []byte(`{"errors":{"a":{"_errors":[{"message":"x"}]}}}`))
	f.Add(401, "WWW-Authenticate", `Bearer error="invalid_token`, []byte(nil))
	f.Fuzz(func(t *testing.T, status int, name, value string, body []byte) {
		r := guess.Response{Status: status, Header: map[string][]string{name: {value}}, Body: body}
		first := guess.Read(r, now)
		sound(t, first)
		if again := guess.Read(r, now); !reflect.DeepEqual(first, again) {
			t.Fatalf("two readings differ:\n%+v\n%+v", first, again)
		}
	})
}

// hostile bodies of 10 MB each: what they have in common is that a careless
// reader is quadratic or recursive on them.
func hostile() map[string][]byte {
	const size = 10 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, size)
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], rng.Uint64())
	}
	line := func(s string) []byte { return bytes.Repeat([]byte(s), size/len(s)) }
	return map[string][]byte{
		"noise":            noise,
		"open brackets":    line("["),
		"open objects":     line(`{"error":`),
		"nested escapes":   append([]byte(`{"message":"`), line(`\"{`)...),
		"many members":     append([]byte(`{`), line(`"a":1,`)...),
		"many field lists": append([]byte(`{"errors":[`), line(`{"field":"a","message":"b is required"},`)...),
		"open tags":        line("<a>"),
		"open page":        append([]byte("<html>"), line("<p>error ")...),
		"digits":           line("try again in 1 "),
		"words":            line("rate limit not found "),
		"events":           line("event: error\ndata: {}\n\n"),
		"lines":            line("{}\n"),
		"pairs":            line("error=a&"),
		"quotes":           line("'a' "),
		"utf-16":           append([]byte{0xff, 0xfe}, line("{\x00")...),
		"keyed lines":      line("a: b\n"),
		"blanks":           line(" "),
		"numbers":          line("1"),
		"header lines":     line("a: b\r\n"),
	}
}

func TestHostileBodiesAreReadInBoundedTime(t *testing.T) {
	t.Parallel()
	for name, body := range hostile() {
		for _, status := range []int{200, 400} {
			start := time.Now()
			sound(t, guess.Read(guess.Response{Status: status, Body: body}, now))
			// The promise is 100 ms. What is quadratic takes minutes; a loaded machine
			// under the race detector, some seconds.
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s under %d took %v", name, status, took)
			}
		}
		if _, err := guess.ParseRaw(body); err != nil && name != "header lines" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkReadTypicalJSON(b *testing.B) {
	r, err := guess.ParseRaw([]byte("HTTP/2 429\r\ncontent-type: application/json\r\nretry-after: 20\r\nx-request-id: req_1234567890\r\n\r\n" +
		`{"error":{"message":"Rate limit reached for requests. Please try again in 20s.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		guess.Read(r, now)
	}
}

func BenchmarkReadTenMegabytes(b *testing.B) {
	for name, body := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				guess.Read(guess.Response{Status: 500, Body: body}, now)
			}
		})
	}
}
