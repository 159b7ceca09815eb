package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/conform/vectors"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

func TestTransport(t *testing.T) {
	t.Parallel()
	cases, err := vectors.Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			if err := vectors.Play(t.Context(), goClient{}, c); err != nil {
				t.Errorf("%s:%d: %v", c.Pos.File, c.Pos.Line, err)
			}
		})
	}
}

func TestTransportReadsSamples(t *testing.T) {
	t.Parallel()
	for _, name := range append(builtin.Names(), vectors.Contracts()...) {
		cases, err := vectors.Samples(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range cases {
			t.Run(cases[i].Name, func(t *testing.T) {
				t.Parallel()
				if err := vectors.Play(t.Context(), goClient{}, &cases[i]); err != nil {
					t.Errorf("%s:%d: %v", cases[i].Pos.File, cases[i].Pos.Line, err)
				}
			})
		}
	}
}

// goClient is http.Client over failwell.Transport.
type goClient struct{}

func (goClient) Begin(_ context.Context, job vectors.Job) (vectors.Caller, error) {
	api, err := vectors.Contract(job.Case.Contract)
	if err != nil {
		return nil, err
	}
	c := &goCaller{job: job, clock: &clock{now: job.Case.Start}, base: &http.Transport{}}
	s := &job.Case.Client
	c.transport = &failwell.Transport{
		Contract: api, Base: c.base, Now: c.clock.Now, Sleep: c.sleep, NoPacing: s.NoPacing,
		MaxAttempts: s.Attempts, MaxWait: time.Duration(s.MaxWait), AttemptTimeout: time.Duration(s.AttemptTimeout),
		NoKeys: s.NoKeys, CountHeader: s.CountHeader,
		Random: inTurn(s.Random), NewKey: inTurn(s.Keys),
	}
	if b := s.Budget; b != nil {
		c.transport.Budget = failwell.Budget{Ratio: b.Ratio, Reserve: b.Reserve}
	}
	c.client = &http.Client{Transport: c.transport}
	return c, nil
}

// inTurn gives values one after the other, the last over and over.
func inTurn[T any](values []T) func() T {
	i := 0
	var mu sync.Mutex
	return func() T {
		mu.Lock()
		defer mu.Unlock()
		v := values[min(i, len(values)-1)]
		i++
		return v
	}
}

type goCaller struct {
	job       vectors.Job
	clock     *clock
	base      *http.Transport
	transport *failwell.Transport
	client    *http.Client
}

// goCall is a call under way, which its context knows.
type goCall struct {
	n      int
	cancel context.CancelFunc
}

type goCallKey struct{}

func (c *goCaller) Clock(now time.Time) error {
	c.clock.set(now)
	return nil
}

func (c *goCaller) End() error {
	c.base.CloseIdleConnections()
	return nil
}

func (c *goCaller) sleep(ctx context.Context, wait time.Duration) error {
	call, ok := ctx.Value(goCallKey{}).(*goCall)
	if !ok {
		return errors.New("a wait of no call")
	}
	if err := c.job.Wait(call.n, wait); err != nil {
		return err
	}
	if c.job.Case.Calls[call.n].Cancel {
		call.cancel()
	}
	return ctx.Err()
}

func (c *goCaller) Call(ctx context.Context, n int) (vectors.Outcome, error) {
	call := &c.job.Case.Calls[n]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = context.WithValue(ctx, goCallKey{}, &goCall{n, cancel})
	ctx = failwell.WithOptions(ctx, failwell.CallOptions{MaxWait: time.Duration(call.MaxWait), NoPacing: call.NoPacing})
	if call.Deadline > 0 {
		limited := newLimited(ctx, c.clock, time.Duration(call.Deadline))
		defer limited.stop()
		ctx = limited
	}
	req, err := c.request(ctx, call)
	if err != nil {
		return vectors.Outcome{}, err
	}
	resp, err := c.client.Do(req)
	if failed := failwell.Check(resp, err); failed != nil {
		return ended(vectors.Outcome{}, failed)
	}
	defer resp.Body.Close()
	if call.Stream != "" {
		return c.read(call.Stream, resp)
	}
	body, err := io.ReadAll(resp.Body)
	return vectors.Outcome{Status: resp.StatusCode, Body: string(body), Broken: err != nil}, nil
}

// ended is the outcome of a call, or a stream, that failed.
func ended(o vectors.Outcome, failed error) (vectors.Outcome, error) {
	e, ok := errors.AsType[*failwell.Error](failed)
	if !ok {
		return o, fmt.Errorf("not an Error: %w", failed)
	}
	o.Error, o.Texts = shared(e), texts(e)
	return o, nil
}

// read reads a stream to its end.
func (c *goCaller) read(kind string, resp *http.Response) (vectors.Outcome, error) {
	o := vectors.Outcome{Status: resp.StatusCode}
	if kind == "lines" {
		for line, err := range failwell.Lines(c.transport.Contract, resp) {
			if err != nil {
				return ended(o, err)
			}
			var value any
			if err := json.Unmarshal(line, &value); err != nil {
				return o, fmt.Errorf("the line %q: %w", line, err)
			}
			o.Lines = append(o.Lines, value)
		}
		return o, nil
	}
	for event, err := range failwell.Events(c.transport.Contract, resp) {
		if err != nil {
			return ended(o, err)
		}
		o.Events = append(o.Events, vectors.Event{Event: event.Name, Data: event.Data, ID: event.ID, Retry: vectors.Millis(event.Retry)})
	}
	return o, nil
}

func (c *goCaller) request(ctx context.Context, call *vectors.Request) (*http.Request, error) {
	var body io.Reader
	switch {
	case call.Fill > 0:
		body = bytes.NewReader(bytes.Repeat([]byte("x"), call.Fill))
	case call.Body != nil:
		body = strings.NewReader(*call.Body)
	}
	if call.Once {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, c.job.URL+call.Path, body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	for name, value := range call.Headers {
		req.Header.Set(name, value)
	}
	return req, nil
}

// shared puts an error into the words that all languages share.
func shared(e *failwell.Error) *vectors.Failure {
	f := &vectors.Failure{
		Code: e.Name(), Condition: string(e.Condition), Status: e.Status, Stopped: string(e.Stopped), Origin: e.Origin.String(),
		Type: e.Type, Message: e.Message, Friendly: e.Friendly(), RequestID: e.RequestID, Retry: string(e.Retry), Retryable: e.Retryable(),
		Key: e.IdempotencyKey, Fields: []vectors.Field{}, Items: []vectors.Item{}, Params: map[string]any{}, Attempts: []vectors.AttemptOutcome{},
	}
	if e.Code != nil {
		f.Known = e.Code.Name
		if f.Message == "" {
			f.Message = e.Contract.MessageOf(&e.Failure)
		}
	}
	if e.HasRetryAfter {
		wait := vectors.Millis(e.RetryAfter)
		f.RetryAfter = &wait
	}
	for _, x := range e.Fields {
		f.Fields = append(f.Fields, vectors.Field{In: x.In, Path: x.Name(), Message: x.Message, Code: x.Code})
	}
	for _, x := range e.Items {
		inner := failwell.Error{Failure: x.Failure}
		f.Items = append(f.Items, vectors.Item{Index: x.Index, ID: x.ID, Code: inner.Name(), Condition: string(x.Failure.Condition)})
	}
	for _, v := range e.Params {
		f.Params[v.Name] = plain(v)
	}
	for _, a := range e.Attempts {
		f.Attempts = append(f.Attempts, vectors.AttemptOutcome{Status: a.Status, Code: a.Code, RequestID: a.RequestID, Wait: vectors.Millis(a.Wait)})
	}
	return f
}

// plain is a parameter as it would stand in JSON, waits in seconds.
func plain(v contract.Value) any {
	if wait, ok := v.Data.(time.Duration); ok {
		return wait.Seconds()
	}
	return v.Data
}

// texts is all that an error can be printed as.
func texts(e *failwell.Error) []string {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("failed", "error", e)
	all := []string{fmt.Sprintf("%+v", e), log.String(), string(e.Body), fmt.Sprint(e.Header), e.URL}
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		all = append(all, err.Error())
	}
	return all
}

// clock is the case's own.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// limited is a context with a deadline by the case's clock. It ends when that is
// reached, or when as much real time has passed.
type limited struct {
	context.Context

	clock *clock
	at    time.Time
	stop  context.CancelFunc
}

func newLimited(ctx context.Context, clock *clock, d time.Duration) *limited {
	inner, stop := context.WithTimeout(ctx, d)
	return &limited{inner, clock, clock.Now().Add(d), stop}
}

func (l *limited) Deadline() (time.Time, bool) { return l.at, true }

func (l *limited) Err() error {
	if err := l.Context.Err(); err != nil {
		return err
	}
	if !l.clock.Now().Before(l.at) {
		return context.DeadlineExceeded
	}
	return nil
}
