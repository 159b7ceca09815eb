package failwell_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/failwell/failwell"
)

// TestRefusedUnderKey: what never reached the handler is not kept.
func TestRefusedUnderKey(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
	post := func(path, key, body string) (*http.Response, string) {
		return x.serve("POST", path, strings.NewReader(body), "Idempotency-Key", key, "Content-Type", "application/json")
	}
	resp, text := post("/checked", "k", `{}`)
	code(t, resp, text, 422, "invalid")
	resp, text = post("/checked", "k", `{"n":1}`)
	code(t, resp, text, 200, "")
	resp, text = post("/pay", "a b", "5")
	code(t, resp, text, 422, "invalid")
	if !strings.Contains(text, `"field":"Idempotency-Key"`) {
		t.Errorf("the field is not named: %s", text)
	}
	resp, text = x.serve("POST", "/must", strings.NewReader("5"))
	code(t, resp, text, 422, "invalid")
	if x.worked.Load() != 1 {
		t.Errorf("worked %d times", x.worked.Load())
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestEarlyEnd: a body that ends early reserves nothing when it is small, and
// leaves the outcome unknown when some of it was passed on.
func TestEarlyEnd(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "early", http.StatusBadRequest)
		}
	})
	send := func(size int, early bool) (*http.Response, string) {
		var body io.Reader = strings.NewReader(strings.Repeat("x", size))
		if early {
			body = io.MultiReader(io.LimitReader(body, int64(size/2)), brokenReader{})
		}
		r := httptest.NewRequest(http.MethodPost, "/pay", body)
		r.ContentLength = int64(size)
		r.Header.Set("Idempotency-Key", fmt.Sprint(size))
		rec := httptest.NewRecorder()
		x.Wrap(x.handler).ServeHTTP(rec, r)
		return rec.Result(), rec.Body.String()
	}
	resp, text := send(1000, true)
	code(t, resp, text, 400, "bad_request")
	resp, text = send(1000, false)
	code(t, resp, text, 200, "")
	resp, text = send(100_000, true)
	code(t, resp, text, 400, "")
	resp, text = send(100_000, false)
	code(t, resp, text, 409, "unknown")
	if x.worked.Load() != 2 {
		t.Errorf("worked %d times", x.worked.Load())
	}
}

// TestStreamedFingerprint: large bodies are compared without being held, as far
// as the work has read them.
func TestStreamedFingerprint(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 10_000)
	for name, tc := range map[string]struct {
		work func(r *http.Request)
		next string
		want string
	}{
		"the same":                {readAll, large, ""},
		"one byte other":          {readAll, large[:99_999] + "x", "other"},
		"one byte longer":         {readAll, large + "x", "other"},
		"shorter":                 {readAll, large[:99_999], "other"},
		"small":                   {readAll, "5", "other"},
		"other where it was read": {readSome, "x" + large[1:], "other"},
		"other where it was not":  {readSome, large[:50_000] + "x", ""},
		"not read at all":         {func(*http.Request) {}, "something else", ""},
		"too large":               {readAll, large + large + large, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTill(t, func(w http.ResponseWriter, r *http.Request) {
				tc.work(r)
				io.WriteString(w, "done")
			})
			post := func(body string) (*http.Response, string) {
				return x.serve("POST", "/bounded", struct{ io.Reader }{strings.NewReader(body)}, "Idempotency-Key", "k")
			}
			first, body := post(large)
			resp, text := post(tc.next)
			switch tc.want {
			case "":
				sameAnswer(t, first, body, resp, text)
			case "too_large":
				code(t, resp, text, 413, tc.want)
			default:
				code(t, resp, text, 422, tc.want)
			}
			if x.worked.Load() != 1 {
				t.Errorf("worked %d times", x.worked.Load())
			}
		})
	}
}

func readAll(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func readSome(r *http.Request) { _, _ = io.ReadFull(r.Body, make([]byte, 10)) }

// TestReexecuteLarge: where an unknown outcome is worked on again with a large
// body, the end of another body never arrives.
func TestReexecuteLarge(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 10_000)
	var got string
	status := 504
	x := newTill(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got = string(body)
		if err != nil {
			if _, told := errors.AsType[*failwell.Error](err); !told {
				t.Errorf("got %v", err)
			}
			w.WriteHeader(502)
			return
		}
		w.WriteHeader(status)
	})
	post := func(body string) int {
		resp, _ := x.serve("POST", "/again", struct{ io.Reader }{strings.NewReader(body)}, "Idempotency-Key", "k")
		return resp.StatusCode
	}
	post(large)
	status = 200
	if post(large[:99_999] + "x"); got != large[:99_999] {
		t.Errorf("%d bytes arrived", len(got))
	}
	if s := post(large); s != 200 || got != large {
		t.Errorf("got %d, %d bytes", s, len(got))
	}
	if s := post(large); s != 200 || x.worked.Load() != 3 {
		t.Errorf("got %d, worked %d times", s, x.worked.Load())
	}
}
