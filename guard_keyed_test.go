package failwell_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

const keyedContract = `
failwell: 1
api: pay
envelopes:
  standard:
    body: {code: $code, message: $message, request_id: $request_id, details?: {fields?: [{$each: fields, field: $field.name, message: $field.message}]}}
headers: {process_time: {name: X-Process-Time}, code: X-Code}
streams: {event: error, ndjson: true}
idempotency: {header: Idempotency-Key, keep: 1h, lease: 6s, wait: 2s, max_response: 100KiB, headers: [X-Kept], replayed: {name: X-Replay, value: "yes"}}
errors:
  unauthorized: {status: 401, is: [key_unknown], message: No.}
  unpaid: {status: 402, is: [payment_required], message: Pay.}
  forbidden: {status: 403, is: [permission_denied], message: No.}
  bad_request: {status: 400, is: [request_malformed], message: Bad.}
  invalid: {status: 422, is: [validation_failed, parameter_invalid], message: Invalid.}
  media: {status: 415, is: [media_unsupported], message: Not this type.}
  too_large: {status: 413, is: [body_too_large], message: Too large.}
  no_route: {status: 404, is: [route_unknown], message: No such path.}
  missing: {status: 404, is: [resource_missing], message: Nothing.}
  method: {status: 405, is: [method_not_allowed], message: Not with this method.}
  slow_down: {status: 429, is: [rate_limited], message: Slow down.}
  timeout: {status: 504, is: [upstream_timeout], message: Took too long.}
  unreachable: {status: 502, is: [upstream_unreachable], message: Unreachable.}
  slow_client: {status: 408, is: [client_timeout], message: Too slow.}
  broken: {status: 500, is: [internal], message: Broken.}
  unavailable: {status: 503, is: [unavailable], message: Unavailable.}
  running: {status: 409, is: [idempotency_in_progress], message: Still running.}
  unknown: {status: 409, is: [idempotency_outcome_unknown], message: Nobody knows.}
  gone: {status: 409, is: [idempotency_not_replayable], message: Not kept.}
  other: {status: 422, is: [idempotency_mismatch], message: The key is taken.}
operations:
  POST /pay: {}
  PUT /slow: {timeout: 2s}
  POST /checked: {body: {type: object, required: [n]}}
  POST /again: {unknown: reexecute}
  POST /ask: {unknown: reconcile, reconcile: /done/$key}
  POST /must: {idempotency: required}
  POST /bounded: {max_body: 200KB}
  GET /pay: {}
`

// till is a guard around a handler that counts how often it worked.
type till struct {
	*failwell.Guard
	t       testing.TB
	handler http.Handler
	worked  atomic.Int64
	done    func(failwell.Outcome)
}

func newTill(t testing.TB, work http.HandlerFunc, settings ...string) *till {
	t.Helper()
	text := keyedContract
	for i := 0; i+1 < len(settings); i += 2 {
		text = strings.Replace(text, settings[i], settings[i+1], 1)
	}
	c, err := contract.Parse("pay.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	x := &till{t: t}
	x.Guard = &failwell.Guard{
		Contract: c, Logger: slog.New(slog.DiscardHandler),
		Admission: &admission.Controller{Contract: c, Store: &store.Memory{}, StoreTimeout: time.Second},
		OnDone: func(_ *http.Request, o failwell.Outcome) {
			if x.done != nil {
				x.done(o)
			}
		},
	}
	x.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.worked.Add(1)
		work(w, r)
	})
	return x
}

// serve makes a request; headers come in pairs.
func (x *till) serve(method, path string, body io.Reader, headers ...string) (resp *http.Response, text string) {
	x.t.Helper()
	r := httptest.NewRequest(method, path, body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint,err113 // the sentinel itself is thrown
				panic(p)
			} else if p != nil {
				rec.Header().Set("X-Aborted", "1")
				rec.Code = -1
			}
		}()
		x.Wrap(x.handler).ServeHTTP(rec, r)
	}()
	if rec.Code == -1 {
		return &http.Response{StatusCode: -1, Header: rec.Header()}, rec.Body.String()
	}
	resp = rec.Result()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return resp, string(data)
}

func (x *till) pay(key, body string, headers ...string) (*http.Response, string) {
	x.t.Helper()
	return x.serve(http.MethodPost, "/pay", strings.NewReader(body), append([]string{"Idempotency-Key", key}, headers...)...)
}

func code(t testing.TB, resp *http.Response, text string, status int, code string) {
	t.Helper()
	if resp.StatusCode != status || code != "" && !strings.Contains(text, `"code":"`+code+`"`) {
		t.Errorf("got %d %q, want %d %s", resp.StatusCode, text, status, code)
	}
}

// TestSpellingsOfAPath: a repetition may encode its path in another way.
func TestSpellingsOfAPath(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "paid") })
	for _, path := range []string{"/pay", "/p%61y", "/%70%61%79"} {
		resp, text := x.serve(http.MethodPost, path, strings.NewReader("5"), "Idempotency-Key", "k")
		if resp.StatusCode != 200 || text != "paid" || x.worked.Load() != 1 {
			t.Errorf("%s: %d %q, worked %d times", path, resp.StatusCode, text, x.worked.Load())
		}
	}
}

// TestGuardsOwnHeadersAreNotKept: what the guard adds to an answer is not in its
// record, also where the head has gone out before that is made.
func TestGuardsOwnHeadersAreNotKept(t *testing.T) {
	t.Parallel()
	for _, length := range []int{10, 40 << 10} {
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Kept", "a")
			for range length / 10 {
				io.WriteString(w, "0123456789")
			}
		}, "headers: [X-Kept]", "headers: [X-Kept, X-Process-Time]")
		if resp, _ := x.pay("k", "5"); resp.Header.Get("X-Process-Time") == "" {
			t.Fatalf("%d bytes: the guard adds nothing", length)
		}
		page, err := x.Admission.Store.Scan(t.Context(), "idempotency/", "", 2)
		if err != nil || len(page) != 1 || !bytes.Contains(page[0].Value, []byte("X-Kept")) || bytes.Contains(page[0].Value, []byte("X-Process-Time")) {
			t.Errorf("%d bytes: %d records, %v, or other headers than X-Kept", length, len(page), err)
		}
	}
}

// TestKeptHeaders: what belongs to the answer is replayed, what belongs to the
// moment or the caller is not; and nobody but the guard marks a replay.
func TestKeptHeaders(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"X-Kept", "Etag", "Set-Cookie", "Date", "Server", "X-Replay", "X-Request-Id", "Content-Language", "Link"} {
			w.Header().Add(name, "a")
		}
		w.Header().Add("Link", "b")
		io.WriteString(w, "fine")
	})
	var outcomes []failwell.Outcome
	x.done = func(o failwell.Outcome) { outcomes = append(outcomes, o) }
	first, body := x.pay("k", "5")
	second, replayed := x.pay("k", "5")
	sameAnswer(t, first, body, second, replayed)
	for name, want := range map[string]string{"Set-Cookie": "", "Server": "", "Content-Language": "a", "Link": "a,b"} {
		if got := strings.Join(second.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(outcomes) != 2 || outcomes[0].ReplayOf != "" || outcomes[1].ReplayOf != outcomes[0].RequestID || outcomes[1].RequestID == outcomes[0].RequestID {
		t.Errorf("outcomes %+v", outcomes)
	}
}

// TestConcurrentDuplicates: of many callers with one key, one is worked for.
func TestConcurrentDuplicates(t *testing.T) {
	t.Parallel()
	for _, inFlight := range []string{"reject", "wait"} {
		release := make(chan struct{})
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			<-release
			io.WriteString(w, "paid")
		}, "wait: 2s", "wait: 20s, in_flight: "+inFlight)
		var all sync.WaitGroup
		var paid, running atomic.Int64
		const callers = 64
		done := make(chan struct{}, callers)
		for range callers {
			all.Go(func() {
				resp, text := x.pay("k", "5")
				switch {
				case resp.StatusCode == 200 && text == "paid":
					paid.Add(1)
				case resp.StatusCode == 409 && strings.Contains(text, "running") && resp.Header.Get("Retry-After") == "1":
					running.Add(1)
				default:
					t.Errorf("got %d %q, Retry-After %q", resp.StatusCode, text, resp.Header.Get("Retry-After"))
				}
				done <- struct{}{}
			})
		}
		if inFlight == "reject" {
			for range callers - 1 {
				<-done
			}
		}
		close(release)
		all.Wait()
		want := map[string]int64{"reject": 1, "wait": callers}[inFlight]
		if paid.Load() != want || running.Load() != callers-want || x.worked.Load() != 1 {
			t.Errorf("%s: %d paid, %d running, worked %d times", inFlight, paid.Load(), running.Load(), x.worked.Load())
		}
	}
}

// TestCallerLeaves: the work goes on when its caller has left, and the answer is
// there for whoever asks again.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	x := newTill(t, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		if err := r.Context().Err(); err != nil {
			t.Errorf("the work was ended: %v", err)
		}
		w.Write(make([]byte, 60<<10))
	})
	ended := make(chan struct{}, 2)
	gone := make(chan struct{})
	inner := x.Wrap(x.handler)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(gone) })
		inner.ServeHTTP(w, r)
		ended <- struct{}{}
	}))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 1\r\n\r\n5")
	<-started
	conn.Close()
	<-gone
	close(finish)
	<-ended
	resp, text := x.pay("k", "5")
	if resp.StatusCode != 200 || len(text) != 60<<10 || x.worked.Load() != 1 {
		t.Errorf("got %d, %d bytes, worked %d times", resp.StatusCode, len(text), x.worked.Load())
	}
}

// TestLifetime: the end of the server ends work that has no caller any more.
func TestLifetime(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"lifetime", "the request's own end"} {
		endOf(t, by)
	}
}

func endOf(t *testing.T, by string) {
	t.Helper()
	lifetime, end := context.WithCancelCause(t.Context())
	over := failwell.FromCondition(failwell.Unavailable, errors.New("shutting down"))
	var x *till
	x = newTill(t, func(w http.ResponseWriter, r *http.Request) {
		end(over)
		<-r.Context().Done()
		x.WriteError(w, r, context.Cause(r.Context()))
	})
	ctx := context.Background()
	if by == "lifetime" {
		x.Lifetime = lifetime
	} else {
		ctx = lifetime
	}
	r := httptest.NewRequestWithContext(ctx, "POST", "/pay", http.NoBody)
	r.Header.Set("Idempotency-Key", "k")
	rec := httptest.NewRecorder()
	x.Wrap(x.handler).ServeHTTP(rec, r)
	if rec.Code != 503 {
		t.Errorf("%s: got %d %s", by, rec.Code, rec.Body)
	}
	resp, text := x.serve("POST", "/pay", http.NoBody, "Idempotency-Key", "k")
	code(t, resp, text, 409, "unknown")
}

// TestHandlerTimesOut: whoever repeats a call that was answered for while its
// handler still works is told that it is under way, and then that nobody knows.
func TestHandlerTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(10 * time.Second)
			io.WriteString(w, "late")
		})
		put := func() (*http.Response, string) {
			return x.serve("PUT", "/slow", strings.NewReader("5"), "Idempotency-Key", "k")
		}
		resp, text := put()
		code(t, resp, text, 504, "timeout")
		resp, text = put()
		code(t, resp, text, 409, "running")
		time.Sleep(9 * time.Second)
		resp, text = put()
		code(t, resp, text, 409, "unknown")
		if x.worked.Load() != 1 || x.Admission.Reserved() != 0 {
			t.Errorf("worked %d times, %d reserved", x.worked.Load(), x.Admission.Reserved())
		}
		time.Sleep(10 * time.Second)
	})
}

// TestSlowAnswer: an answer that is flushed and does not end soon is passed on as
// it comes, but for its last byte, and kept all the same.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		saw := make(chan int, 1)
		rec := &watched{ResponseRecorder: httptest.NewRecorder(), saw: saw}
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			for i, piece := range []string{"first", "second"} {
				io.WriteString(w, piece)
				_ = http.NewResponseController(w).Flush()
				if n, want := <-saw, len("firstsecond"[:5+6*i])-1; n != want {
					t.Errorf("%d bytes were passed on, want %d", n, want)
				}
			}
		})
		r := httptest.NewRequest(http.MethodPost, "/pay", strings.NewReader("5"))
		r.Header.Set("Idempotency-Key", "k")
		x.Wrap(x.handler).ServeHTTP(rec, r)
		if rec.Body.String() != "firstsecond" {
			t.Errorf("got %q", rec.Body)
		}
		if resp, text := x.pay("k", "5"); resp.StatusCode != 200 || text != "firstsecond" || x.worked.Load() != 1 {
			t.Errorf("then %d %q, worked %d times", resp.StatusCode, text, x.worked.Load())
		}
	})
}

// TestSlowRefusal: one that says nothing final is passed on whole.
func TestSlowRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		saw := make(chan int, 1)
		rec := &watched{ResponseRecorder: httptest.NewRecorder(), saw: saw}
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "{}")
			_ = http.NewResponseController(w).Flush()
			if n := <-saw; n != 2 {
				t.Errorf("%d bytes were passed on", n)
			}
		})
		r := httptest.NewRequest(http.MethodPost, "/pay", strings.NewReader("5"))
		r.Header.Set("Idempotency-Key", "k")
		x.Wrap(x.handler).ServeHTTP(rec, r)
		resp, text := x.pay("k", "5")
		code(t, resp, text, 409, "unknown")
	})
}

type watched struct {
	*httptest.ResponseRecorder
	saw chan int
}

func (w *watched) Flush() { w.saw <- w.Body.Len() }

// TestEarlyHints: what comes before the answer is passed on at once.
func TestEarlyHints(t *testing.T) {
	t.Parallel()
	hinted := make(chan struct{})
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style>")
		w.WriteHeader(http.StatusEarlyHints)
		<-hinted
		io.WriteString(w, "answer")
	})
	s := httptest.NewServer(x.Wrap(x.handler))
	defer s.Close()
	for _, replay := range []string{"", "yes"} {
		var once sync.Once
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
			once.Do(func() { close(hinted) })
			return nil
		}})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/pay", strings.NewReader("5"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", "k")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || string(body) != "answer" || resp.Header.Get("X-Replay") != replay || resp.Header.Get("Link") != "</style>" {
			t.Errorf("got %d %q, %v, %v", resp.StatusCode, body, resp.Header, err)
		}
	}
}

// TestUpgrade: a connection that is taken over leaves a tombstone.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
		rw.Flush()
		conn.Close()
	})
	s := httptest.NewServer(x.Wrap(x.handler))
	defer s.Close()
	for _, want := range []string{"101", "409"} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nConnection: Upgrade\r\nUpgrade: chat\r\nContent-Length: 0\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, want) {
			t.Errorf("got %q, %v, want %s", line, err, want)
		}
		conn.Close()
	}
}

// TestGuardReconciles asks what became of a call whose outcome is unknown.
func TestGuardReconciles(t *testing.T) {
	t.Parallel()
	x := newTill(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) })
	ask := func() (*http.Response, string) {
		return x.serve("POST", "/ask", strings.NewReader("5"), "Idempotency-Key", `"k/1"`)
	}
	first, _ := ask()
	resp, text := ask()
	code(t, resp, text, 409, "unknown")
	var said *failwell.Answer
	var failed error
	asked := 0
	x.Reconcile = func(r *http.Request, of failwell.Doubt) (*failwell.Answer, error) {
		asked++
		if of.Key != "k/1" || of.RequestID != first.Header.Get("X-Request-Id") || of.Operation.Path != "/ask" || r.Method != http.MethodPost {
			t.Errorf("asked for %+v", of)
		}
		if _, bounded := r.Context().Deadline(); !bounded {
			t.Error("the question has no end")
		}
		return said, failed
	}
	failed = errors.New("nobody can tell")
	resp, text = ask()
	code(t, resp, text, 409, "unknown")
	failed = failwell.FromCondition(failwell.Unavailable, nil).WithRetryAfter(time.Second)
	resp, text = ask()
	code(t, resp, text, 503, "unavailable")
	failed = nil
	resp, text = ask() // it never happened: worked on again, in vain
	code(t, resp, text, 504, "")
	first = resp
	said = &failwell.Answer{Status: 201, Header: http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a"}}, Body: []byte("was paid")}
	resp, text = ask()
	code(t, resp, text, 201, "")
	again, body := ask()
	sameAnswer(t, &http.Response{StatusCode: 201, Header: http.Header{"Content-Type": {"text/plain"}, "X-Request-Id": first.Header["X-Request-Id"]}}, "was paid", again, body)
	if text != "was paid" || x.worked.Load() != 2 || asked != 4 || resp.Header.Get("X-Replay") != "yes" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("got %q, worked %d times, asked %d times, %v", text, x.worked.Load(), asked, resp.Header)
	}
}

// TestLastByteIsHeldBack: whatever the caller has seen whole is in the store.
func TestLastByteIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 1000, 50 << 10} {
		s := &shut{Store: &store.Memory{}}
		x := newTill(t, func(w http.ResponseWriter, _ *http.Request) {
			pieces(strings.Repeat("x", size), 700)(w, nil)
			s.away.Store(true)
		})
		x.Admission.Store = s
		resp, text := x.pay("k", "5")
		switch resp.StatusCode {
		case -1: // it had begun
			if len(text) >= size || size < 32<<10 {
				t.Errorf("%d: %d bytes of the answer went out", size, len(text))
			}
		default:
			// Not "unknown": the record may be written yet, and then tells.
			code(t, resp, text, 503, "unavailable")
			if resp.Header.Get("Retry-After") != "1" {
				t.Errorf("come back after %q", resp.Header.Get("Retry-After"))
			}
		}
	}
}

// shut is a store that can be away.
type shut struct {
	store.Store
	away atomic.Bool
}

func (s *shut) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if s.away.Load() {
		return 0, store.ErrUnavailable
	}
	return s.Store.Swap(ctx, key, old, value, ttl)
}
