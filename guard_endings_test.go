package failwell_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell"
)

// TestKeyedEndings goes through what a handler can do, what the caller gets, and
// what a repetition gets.
func TestKeyedEndings(t *testing.T) {
	t.Parallel()
	text := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			if status != http.StatusNoContent && status != http.StatusNotModified {
				fmt.Fprintf(w, "answer %d", status)
			}
		}
	}
	long := strings.Repeat("0123456789abcdef", 4<<10) // 64 KiB
	const again = "works again"
	for name, tc := range map[string]struct {
		work   http.HandlerFunc
		status int
		// next is the code that a repetition gets, "" for a replay.
		next string
	}{
		"200":                    {text(200), 200, ""},
		"201":                    {text(201, "Location", "/pay/1", "Etag", `"1"`), 201, ""},
		"204":                    {text(204), 204, ""},
		"303":                    {text(303, "Location", "/elsewhere"), 303, ""},
		"304":                    {text(304), 304, ""},
		"400":                    {text(400), 400, ""},
		"404 in a moment":        {text(404, "Retry-After", "5"), 404, ""},
		"409":                    {text(409), 409, ""},
		"422":                    {text(422), 422, ""},
		"500":                    {text(500), 500, ""},
		"501":                    {text(501), 501, ""},
		"408":                    {text(408), 408, again},
		"425":                    {text(425), 425, again},
		"429":                    {text(429), 429, again},
		"503 with a Retry-After": {text(503, "Retry-After", "5"), 503, again},
		"503 without":            {text(503), 503, "unknown"},
		"502":                    {text(502), 502, "unknown"},
		"504":                    {text(504), 504, "unknown"},
		"507":                    {text(507), 507, "unknown"},
		"nothing said":           {func(http.ResponseWriter, *http.Request) {}, 200, ""},
		"a plain error":          {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }, 404, ""},
		"a status and no body":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 403, ""},
		"no content type":        {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, 200, ""},
		"a panic":                {func(http.ResponseWriter, *http.Request) { panic("oops") }, 500, ""},
		"a panic in the middle":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half"); panic("oops") }, 500, ""},
		"an abort":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, -1, "unknown"},
		"an abort in the middle": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half"); panic(http.ErrAbortHandler) }, -1, "unknown"},
		"less than announced":    {text(200, "Content-Length", "100"), 200, "unknown"},
		"as announced":           {text(200, "Content-Length", "10"), 200, ""},
		"not done":               {func(w http.ResponseWriter, r *http.Request) { failwell.NotDone(r.Context()); text(502)(w, r) }, 502, again},
		"long":                   {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, long) }, 200, ""},
		"long, in pieces":        {pieces(long, 1000), 200, ""},
		"too long":               {pieces(long+long, 1000), 200, "gone"},
		"too long, at once":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, long+long) }, 200, "gone"},
		"events":                 {flushed("text/event-stream"), 200, "gone"},
		"lines":                  {flushed("application/x-ndjson; charset=utf-8"), 200, "gone"},
		"too long, of a 502":     {headed(502, pieces(long+long, 1000)), 502, "unknown"},
		"lines by another name":  {flushed("application/ndjson"), 200, "gone"},
		"events of a 504":        {headed(504, flushed("text/event-stream"), "Content-Type", "text/event-stream"), 504, "unknown"},
		"too long, of a 429":     {headed(429, pieces(long+long, 1000)), 429, again},
		"flushed, and soon over": {flushed("application/json"), 200, ""},
		"trailers": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "4")
		}, 200, "gone"},
		"an unannounced trailer": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "body")
			w.Header().Set(http.TrailerPrefix+"X-Sum", "4")
		}, 200, "gone"},
		"body after 204":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); io.WriteString(w, "more") }, 204, ""},
		"the work's own contract": {nil, 404, ""},
		"an upstream timed out":   {nil, 504, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var x *till
			work := tc.work
			switch name {
			case "the work's own contract":
				work = func(w http.ResponseWriter, r *http.Request) {
					x.WriteError(w, r, failwell.FromCondition(failwell.ResourceMissing, nil))
				}
			case "an upstream timed out":
				work = func(w http.ResponseWriter, r *http.Request) {
					x.WriteError(w, r, failwell.FromCondition(failwell.UpstreamTimeout, nil))
				}
			}
			x = newTill(t, work)
			first, body := x.pay("k", "5")
			if first.StatusCode != tc.status {
				t.Fatalf("got %d %q, want %d", first.StatusCode, body, tc.status)
			}
			resp, replayed := x.pay("k", "5")
			switch tc.next {
			case "":
				sameAnswer(t, first, body, resp, replayed)
				if x.worked.Load() != 1 {
					t.Errorf("worked %d times", x.worked.Load())
				}
			case again:
				if x.worked.Load() != 2 || resp.StatusCode != tc.status || resp.Header.Get("X-Replay") != "" {
					t.Errorf("worked %d times, got %d %q", x.worked.Load(), resp.StatusCode, replayed)
				}
				return
			default:
				code(t, resp, replayed, 409, tc.next)
				if x.worked.Load() != 1 {
					t.Errorf("worked %d times", x.worked.Load())
				}
			}
			resp, replayed = x.pay("k", "6")
			code(t, resp, replayed, 422, "other")
		})
	}
}

// headed says a status and headers before the work does.
func headed(status int, work http.HandlerFunc, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		work(w, r)
	}
}

func pieces(body string, size int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for rest := body; rest != ""; {
			n := min(size, len(rest))
			io.WriteString(w, rest[:n])
			rest = rest[n:]
		}
	}
}

func flushed(contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, "data: 1\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		io.WriteString(w, "data: 2\n\n")
	}
}

// sameAnswer: a replay has the status, the bytes and the kept headers of the
// first answer, and its request id.
func sameAnswer(t testing.TB, first *http.Response, body string, second *http.Response, replayed string) {
	t.Helper()
	if second.StatusCode != first.StatusCode || replayed != body {
		t.Errorf("replayed as %d %.80q, first %d %.80q", second.StatusCode, replayed, first.StatusCode, body)
	}
	for _, name := range []string{"Content-Type", "Location", "Etag", "X-Request-Id", "X-Kept", "X-Code", "Content-Length"} {
		a, b := first.Header.Values(name), second.Header.Values(name)
		if name == "Content-Length" && (len(a) == 0 || first.StatusCode == 304) {
			continue
		}
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s: %q, first %q", name, b, a)
		}
	}
	if second.Header.Get("X-Replay") != "yes" || first.Header.Get("X-Replay") != "" {
		t.Errorf("marked as replays: first %q, second %q", first.Header.Get("X-Replay"), second.Header.Get("X-Replay"))
	}
	if second.Header.Get("X-Process-Time") == "" {
		t.Error("the replay has no process time")
	}
}
