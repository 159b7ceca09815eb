package failwelltest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/failwell/failwell/contract"
)

// Reply is what a [Server] does with one request. The zero Reply is 200 with an
// empty JSON object.
type Reply struct {
	// Code is the name of an error in the contract: status, body and headers are
	// the contract's. Optional.
	Code string
	// Params of that error, by their names or the facts they are filled from.
	Params map[string]any
	// RetryAfter is how long the error asks to wait; rounded up as the contract
	// sends it. 0 asks for nothing.
	RetryAfter time.Duration

	// Status of an answer that is no error of the contract; 0 is 200.
	Status int
	// Body of such an answer. It is JSON unless Header says otherwise; "" is {}.
	Body string
	// Header is added to the answer's, error or not.
	Header map[string]string

	// Break ends the connection without an answer, after the request was read: the
	// work may be done.
	Break bool
	// Delay before any of this happens, in real time, or until the request's
	// context ends.
	Delay time.Duration
}

// Request is one that a [Server] received.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// Server answers one request after the other as its replies say, the last one
// over and over. It is an http.Handler and, without a network, an
// http.RoundTripper. The fields must not change after the first request; the
// methods may be called concurrently.
type Server struct {
	// Contract of the errors. Required where a reply has a Code.
	Contract *contract.Contract
	// Replies in their order. Optional: none is 200 for everything.
	Replies []Reply

	mu       sync.Mutex
	requests []Request
}

// TB is what is needed of a testing.TB.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// Start serves replies on loopback until the test ends, and returns where. It ends
// the test when a reply has a code that the contract lacks.
func Start(tb TB, c *contract.Contract, replies ...Reply) (server *Server, url string) {
	tb.Helper()
	s := &Server{Contract: c, Replies: replies}
	for i := range replies {
		if _, err := s.failure(&replies[i]); err != nil {
			tb.Fatalf("failwelltest: reply %d: %v", i+1, err)
		}
	}
	listening := httptest.NewServer(s)
	tb.Cleanup(listening.Close)
	return s, listening.URL
}

// Requests are those that came so far, in their order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// next writes a request down and returns what it gets.
func (s *Server) next(r *http.Request) *Reply {
	var body bytes.Buffer
	if r.Body != nil {
		_, _ = io.Copy(&body, r.Body) // a body that breaks off is what came of it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	s.requests = append(s.requests, Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body.String()})
	if len(s.Replies) == 0 {
		return &Reply{}
	}
	return &s.Replies[min(n, len(s.Replies)-1)]
}

// ServeHTTP does what the next reply says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.next(r)
	if x.Delay > 0 {
		timer := time.NewTimer(x.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	if x.Break {
		panic(http.ErrAbortHandler)
	}
	status, body, err := s.answer(x, w.Header())
	if err != nil {
		http.Error(w, "failwelltest: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // who reads it has left, or will see
}

// RoundTrip answers without a network. A reply that breaks is an
// [io.ErrUnexpectedEOF].
func (s *Server) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	w := httptest.NewRecorder()
	defer func() {
		if thrown := recover(); thrown != nil {
			if thrown != http.ErrAbortHandler { //nolint:errorlint // the value itself is thrown
				panic(thrown)
			}
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	s.ServeHTTP(w, req)
	if err := req.Context().Err(); err != nil {
		return nil, err //nolint:wrapcheck // as net/http does
	}
	resp = w.Result()
	resp.Request = req
	return resp, nil
}

func (s *Server) answer(x *Reply, h http.Header) (status int, body []byte, err error) {
	f, err := s.failure(x)
	if err != nil {
		return 0, nil, err
	}
	status, body = cmp.Or(x.Status, http.StatusOK), []byte(cmp.Or(x.Body, "{}"))
	h.Set("Content-Type", "application/json")
	if f != nil {
		var mediaType string
		body, status, mediaType = s.Contract.AppendError(nil, f)
		h.Set("Content-Type", mediaType)
		s.Contract.ErrorHeaders(f, h.Set)
		h.Set(s.Contract.Headers.RequestID.Name, f.RequestID)
		if f.HasRetryAfter {
			h.Set(s.Contract.Headers.RetryAfter.Name, waitText(f.RetryAfter, s.Contract.Headers.RetryAfter.Format))
		}
	}
	for name, value := range x.Header {
		h.Set(name, value)
	}
	return status, body, nil
}

// failure is the error of a reply, nil for none.
func (s *Server) failure(x *Reply) (*contract.Failure, error) {
	if x.Code == "" {
		return nil, nil //nolint:nilnil // none is none
	}
	if s.Contract == nil {
		return nil, fmt.Errorf("code %q needs a contract", x.Code)
	}
	code, ok := s.Contract.Code(x.Code)
	if !ok {
		return nil, fmt.Errorf("the contract %s has no code %q", s.Contract.API, x.Code)
	}
	f := &contract.Failure{Code: code, RequestID: "req_" + strconv.Itoa(len(s.Requests())), RetryAfter: x.RetryAfter, HasRetryAfter: x.RetryAfter > 0}
	for name, value := range x.Params {
		f.Params = append(f.Params, contract.Value{Name: name, Data: value})
	}
	return f, nil
}

// waitText is a wait as the contract's header has it.
func waitText(wait time.Duration, form contract.TimeFormat) string {
	up := func(unit time.Duration) string { return strconv.FormatInt(int64((wait+unit-1)/unit), 10) }
	switch form {
	case contract.DeltaMillis:
		return up(time.Millisecond)
	case contract.HTTPDate:
		return time.Now().Add(wait + time.Second - 1).UTC().Format(http.TimeFormat)
	default:
		return up(time.Second)
	}
}
