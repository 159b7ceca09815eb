package gateway

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/record"
)

const (
	// spansHeld is how many requests wait for the collector; more are dropped.
	spansHeld = 4096
	// spansAtOnce go into one request to it, spansEvery at the latest.
	spansAtOnce = 512
	spansEvery  = time.Second
	// spansTime bounds one try, spansTries how many there are.
	spansTime  = 10 * time.Second
	spansTries = 3
)

// spans sends a span for each request, and one for each sending to an upstream,
// to a collector of OpenTelemetry: OTLP over HTTP in JSON (OTLP 1.10). They are
// made of the request's record, away from its path.
type spans struct {
	url    string
	header http.Header
	client *http.Client
	logger *slog.Logger
	// service is the name under which they are shown.
	service string

	sent, dropped atomic.Uint64

	mu      sync.Mutex
	waiting []record.Record
	wake    chan struct{}
	ended   bool
	stop    context.CancelFunc
	done    chan struct{}
}

// newSpans starts the sending; nil without an endpoint.
func newSpans(s Settings, logger *slog.Logger) (*spans, error) {
	if s.OTLPEndpoint == "" {
		return nil, nil //nolint:nilnil // there is nobody to send to
	}
	u, err := url.Parse(s.OTLPEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("otlp_endpoint %q is no URL of a collector, write for example http://127.0.0.1:4318", s.OTLPEndpoint)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces" // OTLP, section "OTLP/HTTP request"
	}
	x := &spans{
		url: u.String(), header: http.Header{"Content-Type": {"application/json"}}, client: &http.Client{Timeout: spansTime}, logger: logger,
		service: "failwell", wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for _, pair := range s.OTLPHeaders {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, errors.New("otlp_headers: one of them is not of the form NAME=VALUE")
		}
		x.header.Set(name, value)
	}
	return x, nil
}

// Add implements failwell.Recorder.
func (x *spans) Add(r *record.Record) {
	if r.Trace != "" && !r.Sampled {
		return // who began the trace does not want it
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || len(x.waiting) >= spansHeld {
		x.dropped.Add(1)
		return
	}
	kept := *r
	kept.Limits, kept.Tries, kept.Body = nil, slices.Clone(r.Tries), ""
	x.waiting = append(x.waiting, kept)
	if n := len(x.waiting); n == 1 || n == spansAtOnce {
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}

func (x *spans) start(ctx context.Context) {
	ctx, x.stop = context.WithCancel(ctx)
	go x.run(ctx)
}

// run sends until it is closed.
func (x *spans) run(ctx context.Context) {
	defer close(x.done)
	defer x.stop()
	for range x.wake {
		x.mu.Lock()
		soon := len(x.waiting) < spansAtOnce && !x.ended
		x.mu.Unlock()
		if soon {
			timer := time.NewTimer(spansEvery)
			select {
			case <-timer.C:
			case <-x.wake:
			}
			timer.Stop()
		}
		for more := true; more; {
			x.mu.Lock()
			n := min(len(x.waiting), spansAtOnce)
			batch := slices.Clone(x.waiting[:n])
			x.waiting = slices.Delete(x.waiting, 0, n)
			more = len(x.waiting) > 0
			ended := x.ended
			x.mu.Unlock()
			x.send(ctx, batch)
			if ended && !more {
				return
			}
		}
	}
}

// close sends what is left.
func (x *spans) close(ctx context.Context) {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
	select {
	case <-x.done:
	case <-ctx.Done():
		x.stop()
	}
}

func (x *spans) send(ctx context.Context, batch []record.Record) {
	if len(batch) == 0 {
		return
	}
	body, err := json.Marshal(otlpOf(x.service, batch))
	wait := time.Second
	for try := 1; err == nil; try++ {
		var again bool
		if again, err = x.post(ctx, body); err == nil {
			x.sent.Add(uint64(len(batch)))
			return
		}
		if !again || try == spansTries || ctx.Err() != nil {
			break
		}
		err = nil
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait *= 2
	}
	if x.dropped.Add(uint64(len(batch))) == uint64(len(batch)) { // the first time
		x.logger.Warn("spans could not be sent", "endpoint", x.url, "err", err)
	}
}

// post sends once. again says that the collector may take it later.
func (x *spans) post(ctx context.Context, body []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("spans: %w", err)
	}
	r.Header = x.header.Clone()
	resp, err := x.client.Do(r)
	if err != nil {
		return true, fmt.Errorf("spans: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is kept
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, fmt.Errorf("spans: the collector answered %s", resp.Status)
}

// Ids follow from the request's id and its beginning, so that what an upstream
// was told and what is sent later agree, and nothing has to be carried along.

// traceIDOf is the trace of a request that came without one: its id, where that is
// a UUID.
func traceIDOf(id string, began time.Time) string {
	if len(id) >= 36 {
		if u, err := uuid.Parse(id[len(id)-36:]); err == nil {
			return hex.EncodeToString(u[:])
		}
	}
	return spanIDOf(id, began, -2) + spanIDOf(id, began, -3)
}

// spanIDOf is the id of a request's own span (-1) or of one of its tries.
func spanIDOf(id string, began time.Time, try int) string {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id+" "+strconv.FormatInt(began.UnixNano(), 36)+" "+strconv.Itoa(try))
	var sum [8]byte
	h.Sum(sum[:0])
	sum[0] |= 1 // all zeros is no id
	return hex.EncodeToString(sum[:])
}

// traced puts the try's span into what an upstream gets to see (W3C Trace
// Context, section 3.2). What came from the caller is passed on without spans.
func (x *exchange) traced(out *http.Request, try int) {
	id, began := failwell.RequestID(x.r.Context()), failwell.Began(x.r.Context())
	trace, _, sampled := failwell.TraceParent(x.r.Header)
	if trace == "" {
		trace, sampled = traceIDOf(id, began), true
	}
	flags := "00"
	if sampled {
		flags = "01"
	}
	out.Header["Traceparent"] = []string{"00-" + trace + "-" + spanIDOf(id, began, try) + "-" + flags}
}
