package guess_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/failwell/failwell/contract/guess"
)

const plainBody = `{"error":{"code":"rate_limit_exceeded","message":"Zu viele Anfragen für heute"}}`

func utf16le(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func latin1(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

func packed(t *testing.T, open func(io.Writer) io.WriteCloser, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParseRawUndressesBodies(t *testing.T) {
	t.Parallel()
	zipped := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, plainBody)
	deflated := packed(t, func(w io.Writer) io.WriteCloser {
		f, err := flate.NewWriter(w, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}, plainBody)
	cases := map[string]struct {
		fields string
		body   []byte
	}{
		"plain":                       {"Content-Type: application/json\r\n", []byte(plainBody)},
		"gzip":                        {"Content-Encoding: gzip\r\n", zipped},
		"gzip that curl undid":        {"Content-Encoding: gzip\r\n", []byte(plainBody)},
		"gzip without a field":        {"", zipped},
		"raw deflate":                 {"Content-Encoding: deflate\r\n", deflated},
		"utf-16":                      {"Content-Type: application/json; charset=utf-16\r\n", utf16le(plainBody)},
		"utf-16 without a mark":       {"", utf16le(plainBody)[2:]},
		"byte order mark":             {"", append([]byte("\ufeff"), plainBody...)},
		"latin-1 declared":            {"Content-Type: application/json; charset=iso-8859-1\r\n", latin1(plainBody)},
		"latin-1 undeclared":          {"Content-Type: application/json\r\n", latin1(plainBody)},
		"chunked":                     {"Transfer-Encoding: chunked\r\n", []byte("29\r\n" + plainBody[:0x29] + "\r\n" + "2A;x=y\r\n" + plainBody[0x29:] + "\r\n0\r\n\r\n")},
		"chunked that curl undid":     {"Transfer-Encoding: chunked\r\n", []byte(plainBody)},
		"string within a string":      {"", []byte(`"` + strings.ReplaceAll(plainBody, `"`, `\"`) + `"`)},
		"record separator":            {"", []byte("\x1e" + plainBody + "\n")},
		"leading and trailing blanks": {"", []byte("\r\n\t " + plainBody + " \r\n")},
	}
	for name, c := range cases {
		for _, eol := range []string{"\r\n", "\n"} {
			raw := append([]byte(strings.ReplaceAll("HTTP/1.1 429 Too Many Requests\r\n"+c.fields+"\r\n", "\r\n", eol)), c.body...)
			r, err := guess.ParseRaw(raw)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := guess.Read(r, now)
			if got.Status != 429 || got.Code != "rate_limit_exceeded" || got.Message != "Zu viele Anfragen für heute" {
				t.Errorf("%s: status %d, code %q, message %q", name, got.Status, got.Code, got.Message)
			}
		}
	}
}

func TestParseRawFindsTheResponse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		raw    string
		status int
		body   string
	}{
		"http/1.0":           {"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\nx", 404, "x"},
		"http/2, no reason":  {"HTTP/2 503 \r\na: b\r\n\r\nx", 503, "x"},
		"http/3":             {"HTTP/3 500\na: b\n\nx", 500, "x"},
		"odd status":         {"HTTP/1.1 999 Denied\n\nx", 999, "x"},
		"several blocks":     {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /\r\n\r\nHTTP/2 410\r\n\r\nx", 410, "x"},
		"folded field":       {"HTTP/1.1 400 Bad\r\nA: b\r\n c\r\n\r\nx", 400, "x"},
		"body only":          {"{}", 0, "{}"},
		"text only":          {"Error: out of luck", 0, "Error: out of luck"},
		"header without one": {"content-type: text/plain\ndate: today\n\nx", 0, "x"},
		"pseudo header":      {":status: 418\ncontent-type: text/plain\n\nx", 418, "x"},
		"pasted session":     {"$ curl -i https://x.example.com\nHTTP/1.1 402 Pay\n\nx", 402, "x"},
		"verbose":            {"* Trying 127.0.0.1\n> GET / HTTP/1.1\n>\n< HTTP/1.1 429 Too Many\n< Retry-After: 3\n<\nx", 429, "x"},
		"no body":            {"HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic", 401, ""},
		"empty":              {"", 0, ""},
	}
	for name, c := range cases {
		r, err := guess.ParseRaw([]byte(c.raw))
		if err != nil || r.Status != c.status || string(r.Body) != c.body {
			t.Errorf("%s: %d %q %v, want %d %q", name, r.Status, r.Body, err, c.status, c.body)
		}
	}
	if _, err := guess.ParseRaw([]byte("HTTP/1.1 200 OK\n" + strings.Repeat("a: b\n", 100<<10))); !errors.Is(err, guess.ErrTooLarge) {
		t.Errorf("an endless header gave %v", err)
	}
}

func TestCompressedBombIsBounded(t *testing.T) {
	t.Parallel()
	bomb := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, strings.Repeat("0", 64<<20))
	r, err := guess.ParseRaw(append([]byte("HTTP/1.1 500 Oops\r\n\r\n"), bomb...))
	if err != nil || len(r.Body) > 1<<20+1 {
		t.Fatalf("%d bytes, %v", len(r.Body), err)
	}
}

func TestHeaderNamesMatchInAnyCase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Retry-After", "retry-after", "RETRY-AFTER"} {
		got := guess.Read(guess.Response{Status: 503, Header: map[string][]string{name: {"7"}}}, now)
		if !got.HasRetryAfter || got.RetryAfter.Seconds() != 7 {
			t.Errorf("%s: %v", name, got.RetryAfter)
		}
	}
}

func TestBinaryBodiesSayNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"\x82\xa4code\x05\xa3msg\xa3bad\x00\x01\x02", "\x00\x00\x00\x00\x05hello", "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"} {
		got := guess.Read(guess.Response{Status: 500, Body: []byte(body)}, now)
		if got.Message != "" || got.Code != "" || got.Condition != "internal" || got.Certain {
			t.Errorf("%q was read as %+v", body, got)
		}
	}
}
