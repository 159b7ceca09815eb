package failwell_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

const streaming = `
failwell: 1
api: feed
envelopes: {standard: {body: {error: {code: $code, message: $message}, request_id?: $request_id}}}
streams: {event: fault, ndjson: true}
operations: {GET /feed: {public: true}}
errors:
  down: {status: 503, is: [unavailable], retry: backoff, message: Down.}
  bad: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing], message: Bad.}
  slow: {status: 429, is: [rate_limited], message: Slow.}
  broken: {status: 500, is: [internal], retry: never, message: Broken.}
`

func feed() *contract.Contract { return contract.MustParse([]byte(streaming)) }

func streamOf(kind string, body io.Reader) *http.Response {
	req := httptest.NewRequest(http.MethodGet, "https://feed.example/feed?api_key=topsecret1", nil)
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}, "X-Request-Id": {"req_head"}}, Body: io.NopCloser(body), Request: req}
}

// told writes events down, and how they ended.
func told(c *contract.Contract, resp *http.Response) (out []string, last error) {
	for event, err := range failwell.Events(c, resp) {
		if err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("%s|%s|%s|%v", event.Name, event.Data, event.ID, event.Retry))
	}
	return out, nil
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ sent, want string }{
		"none":               {"", ""},
		"one":                {"data: a\n\n", "message|a||0s"},
		"no blank":           {"data:a\n\n", "message|a||0s"},
		"two blanks":         {"data:  a\n\n", "message| a||0s"},
		"lines":              {"data: a\ndata: b\ndata\n\n", "message|a\nb\n||0s"},
		"named":              {"event: tick\ndata: a\n\nevent:\ndata: b\n\n", "tick|a||0s, message|b||0s"},
		"name of an event":   {"event: gone\n\ndata: a\n\n", "message|a||0s"},
		"id stays":           {"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "message|a|7|0s, message|b|7|0s, message|c||0s"},
		"id with a zero":     {"id: 7\x00\ndata: a\n\n", "message|a||0s"},
		"retry":              {"retry: 1500\ndata: a\n\nretry: soon\ndata: b\n\n", "message|a||1.5s, message|b||0s"},
		"comments":           {": hello\ndata: a\n: there\n\n:\n\n", "message|a||0s"},
		"unknown field":      {"color: red\ndata: a\n\n", "message|a||0s"},
		"empty data":         {"data\n\n", "message|||0s"},
		"CRLF":               {"data: a\r\n\r\ndata: b\r\n\r\n", "message|a||0s, message|b||0s"},
		"CR":                 {"data: a\r\rdata: b\r\r", "message|a||0s, message|b||0s"},
		"mixed":              {"data: a\rdata: b\n\r\ndata: c\n\n", "message|a\nb||0s, message|c||0s"},
		"byte order mark":    {"\xef\xbb\xbfdata: a\n\n", "message|a||0s"},
		"unfinished":         {"data: a\n\ndata: b\n", "message|a||0s"},
		"in a line":          {"data: a\n\ndata: b", "message|a||0s"},
		"error by name only": {"event: error\ndata: a\n\n", "error|a||0s"}, // the contract calls it fault
	} {
		for kind, body := range map[string]io.Reader{
			"at once": strings.NewReader(x.sent), "byte by byte": iotest.OneByteReader(strings.NewReader(x.sent)), "end with data": iotest.DataErrReader(strings.NewReader(x.sent)),
		} {
			got, err := told(feed(), streamOf("text/event-stream; charset=utf-8", body))
			if joined := strings.Join(got, ", "); joined != x.want || err != nil {
				t.Errorf("%s, %s: got %q, %v; want %q", name, kind, joined, err, x.want)
			}
		}
	}
}

func TestStreamsEndInErrors(t *testing.T) {
	t.Parallel()
	const sse, ndjson = "text/event-stream", "application/x-ndjson"
	const down = `{"error":{"code":"down","message":"Key topsecret1."},"request_id":"req_7"}`
	c := feed()
	for name, x := range map[string]struct {
		contract       *contract.Contract
		kind, sent     string
		breaks         error
		before         int // events or lines that came through
		is             error
		requestID      string
		retry          failwell.Retry
		origin         failwell.Origin
		message, cause string
	}{
		"terminal event":      {c, sse, "data: 1\n\nevent: fault\ndata: " + down + "\n\ndata: 2\n\n", nil, 1, c.MustCode("down"), "req_7", failwell.RetryBackoff, failwell.FromServer, "Key [redacted].", ""},
		"event of no shape":   {c, sse, "event: fault\ndata: out of order\n\n", nil, 0, nil, "", failwell.RetryNever, failwell.FromServer, "out of order", ""},
		"no contract":         {nil, sse, "event: error\ndata: " + `{"error":{"code":"rate_limit_exceeded","message":"Too many calls."}}` + "\n\n", nil, 0, failwell.RateLimited, "req_head", failwell.RetryAfterWait, failwell.FromServer, "Too many calls.", ""},
		"connection breaks":   {c, sse, "data: 1\n\ndata: 2\n", io.ErrUnexpectedEOF, 1, failwell.UpstreamUnreachable, "req_head", failwell.RetryBackoff, failwell.FromClient, "", "unexpected EOF"},
		"last line":           {c, ndjson, "{\"n\":1}\n" + down + "\n", nil, 1, c.MustCode("down"), "req_7", failwell.RetryBackoff, failwell.FromServer, "Key [redacted].", ""},
		"last line, no end":   {c, ndjson, "{\"n\":1}\n" + down, nil, 1, failwell.Unavailable, "req_7", failwell.RetryBackoff, failwell.FromServer, "Key [redacted].", ""},
		"last, then it broke": {c, ndjson, down + "\n{\"half", io.ErrUnexpectedEOF, 0, failwell.Unavailable, "req_7", failwell.RetryBackoff, failwell.FromServer, "Key [redacted].", ""},
		"lines break":         {c, ndjson, "{\"n\":1}\n{\"half", io.ErrUnexpectedEOF, 1, io.ErrUnexpectedEOF, "req_head", failwell.RetryBackoff, failwell.FromClient, "", "unexpected EOF"},
		"another type":        {c, "application/json", "{}", nil, 0, failwell.ErrNoStream, "req_head", failwell.RetryNever, failwell.FromClient, "", "the response is no such stream: it is application/json, not text/event-stream"},
		"line too long":       {c, ndjson, strings.Repeat("x", failwell.MaxEvent+5000), nil, 0, failwell.ErrEventTooLong, "req_head", failwell.RetryNever, failwell.FromClient, "", "an event of the stream is too long"},
		"event too long":      {c, sse, strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 17), nil, 0, failwell.ErrEventTooLong, "req_head", failwell.RetryNever, failwell.FromClient, "", "an event of the stream is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var body io.Reader = strings.NewReader(x.sent)
			if x.breaks != nil {
				body = io.MultiReader(body, iotest.ErrReader(x.breaks))
			}
			open := &closing{Reader: body}
			resp := streamOf(x.kind, nil)
			resp.Body = open
			came := 0
			var err error
			if x.kind == ndjson {
				for _, last := range failwell.Lines(x.contract, resp) {
					if err = last; err == nil {
						came++
					}
				}
			} else {
				var events []string
				events, err = told(x.contract, resp)
				came = len(events)
			}
			e := wanted(t, err)
			cause := ""
			if e.Unwrap() != nil {
				cause = e.Unwrap().Error()
			}
			if came != x.before || x.is != nil && !errors.Is(e, x.is) || e.RequestID != x.requestID && x.requestID != "" || e.Retry != x.retry || e.Origin != x.origin || e.Message != x.message || cause != x.cause {
				t.Errorf("after %d: %+v, cause %q", came, e, cause)
			}
			if e.Method != http.MethodGet || e.URL != "https://feed.example/feed?api_key=redacted" || !open.closed {
				t.Errorf("%s %s, closed %v", e.Method, e.URL, open.closed)
			}
		})
	}
}

// A line that looks like an error is one only when nothing follows.
func TestLinesThatLookLikeErrors(t *testing.T) {
	t.Parallel()
	const item = `{"error":{"code":"down","message":"m"}}`
	resp := streamOf("application/jsonl", strings.NewReader("\n"+item+"\r\n"+item+"\n\n{\"n\":1}\n  \n"))
	var got []string
	for line, err := range failwell.Lines(feed(), resp) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(line))
	}
	if want := item + " " + item + ` {"n":1}`; strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

// What Guard writes when a handler fails in the middle of its stream is read as
// the error that it was.
func TestStreamsOfGuard(t *testing.T) {
	t.Parallel()
	c := feed()
	guard := &failwell.Guard{Contract: c, Logger: slog.New(slog.DiscardHandler)}
	for _, kind := range []string{"text/event-stream", "application/x-ndjson"} {
		server := httptest.NewServer(guard.Wrap(guard.HandleFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, map[string]string{"text/event-stream": "data: 1\n\ndata: half", "application/x-ndjson": "{\"n\":1}\n"}[kind])
			_ = http.NewResponseController(w).Flush()
			return failwell.New(c.MustCode("down"), errors.New("private"))
		})))
		t.Cleanup(server.Close)
		client := &http.Client{Transport: &failwell.Transport{Contract: c}, Timeout: time.Minute}
		resp, err := client.Get(server.URL + "/feed")
		if err := failwell.Check(resp, err); err != nil {
			t.Fatal(err)
		}
		var last error
		if kind == "text/event-stream" {
			_, last = told(c, resp)
		} else {
			for _, err := range failwell.Lines(c, resp) {
				last = err
			}
		}
		e := wanted(t, last)
		if !errors.Is(e, c.MustCode("down")) || e.Message != "Down." || e.RequestID != resp.Header.Get("X-Request-Id") {
			t.Errorf("%s: %+v", kind, e)
		}
	}
}

func TestEventsOfAFailure(t *testing.T) {
	t.Parallel()
	resp, body := response(http.StatusServiceUnavailable, "application/json", `{"error":{"code":"down","message":"m"}}`)
	if events, err := told(feed(), resp); len(events) > 0 || !errors.Is(err, failwell.Unavailable) || !body.closed {
		t.Errorf("%v, %v, closed %v", events, err, body.closed)
	}
}

// FuzzEvents: how a stream is cut into reads changes nothing.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\r\n\r\nid: 1\rdata\n\n", uint8(1))
	f.Add("\xef\xbb\xbfevent: fault\ndata: {}\n\n", uint8(3))
	c := feed()
	f.Fuzz(func(t *testing.T, sent string, size uint8) {
		want, wantErr := told(c, streamOf("text/event-stream", strings.NewReader(sent)))
		got, err := told(c, streamOf("text/event-stream", &morsels{strings.NewReader(sent), int(size%7) + 1}))
		if strings.Join(got, "\n") != strings.Join(want, "\n") || (err == nil) != (wantErr == nil) {
			t.Errorf("in pieces %q, %v; at once %q, %v", got, err, want, wantErr)
		}
	})
}

// morsels reads a few bytes at a time.
type morsels struct {
	io.Reader
	most int
}

func (p *morsels) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), p.most)]) }
