package vectors

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// seenRequest is a request whose head was read.
type seenRequest struct {
	line    string
	headers http.Header
	at      time.Time
}

// stage is the server of one case: it plays the script on real connections, one
// step for each connection.
type stage struct {
	script  []Step
	address string

	// held is told of a response that takes time, and releases it.
	held func(takes time.Duration, release chan<- struct{})

	mu       sync.Mutex
	now      time.Time    // by the case's clock
	listener net.Listener // nil while connections are refused
	at       int
	seen     []seenRequest
	faults   []error
	done     chan struct{}
	serving  sync.WaitGroup
}

func newStage(script []Step, held func(time.Duration, chan<- struct{})) (*stage, error) {
	s := &stage{script: slices.Clone(script), held: held, address: "127.0.0.1:0", done: make(chan struct{})}
	for i := range s.script {
		if l := s.script[i].Limiter; l != nil { // what it counts is this stage's
			own := *l
			s.script[i].Limiter = &own
		}
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, s.prepare()
}

func (s *stage) step() *Step { return &s.script[min(s.at, len(s.script)-1)] }

func (s *stage) listen() error {
	l, err := net.Listen("tcp", s.address) //nolint:noctx // it lives as long as the stage
	if err != nil {
		return fmt.Errorf("vectors: listening again: %w", err)
	}
	s.listener, s.address = l, l.Addr().String()
	s.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() { s.serve(conn) })
		}
	})
	return nil
}

// prepare opens or closes the door for the next attempt.
func (s *stage) prepare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := s.step().Fault == Refuse
	if refuse && s.listener != nil {
		err := s.listener.Close()
		s.listener = nil
		return err //nolint:wrapcheck // of a listener of our own
	}
	if !refuse && s.listener == nil {
		return s.listen()
	}
	return nil
}

// next is called between attempts and calls: a refused one leaves no other trace.
func (s *stage) next() error {
	s.mu.Lock()
	if s.listener == nil {
		s.at++
	}
	s.mu.Unlock()
	return s.prepare()
}

// clock sets the case's clock.
func (s *stage) clock(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

func (s *stage) close() {
	close(s.done)
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close() // nothing is lost
	}
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *stage) serve(conn net.Conn) {
	over := make(chan struct{})
	defer close(over)
	go func() { // some clients open a connection that they never use
		select {
		case <-over:
		case <-s.done:
		}
		_ = conn.Close() // for good, whoever still reads or writes
	}()
	s.mu.Lock()
	step := s.step()
	s.at++
	s.mu.Unlock()
	if err := s.answer(conn, step); err != nil {
		s.mu.Lock()
		s.faults = append(s.faults, err)
		s.mu.Unlock()
	}
}

// tooLong ends a read that would hang the test.
const tooLong = 20 * time.Second

func (s *stage) answer(conn net.Conn, step *Step) error {
	_ = conn.SetDeadline(time.Now().Add(tooLong)) // the reads below report what comes of it
	if step.Fault == ResetOnFirstByte {
		// Earlier the client might see it as a connection that never came about.
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return fmt.Errorf("reading the first byte: %w", err)
		}
		return reset(conn)
	}
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if errors.Is(err, io.EOF) {
		return nil // a connection that was opened in advance, or given up
	}
	if err != nil {
		return fmt.Errorf("reading a request: %w", err)
	}
	s.mu.Lock()
	s.seen = append(s.seen, seenRequest{req.Method + " " + req.URL.RequestURI(), req.Header, s.now})
	s.mu.Unlock()
	if step.Fault == ResetWhileSending {
		return reset(conn)
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return fmt.Errorf("reading the body of a request: %w", err)
	}
	if step.Limiter != nil {
		s.mu.Lock()
		step = step.Limiter.answer(s.now, *step)
		s.mu.Unlock()
	}
	if step.Takes > 0 {
		release := make(chan struct{})
		s.held(time.Duration(step.Takes), release)
		select {
		case <-release:
		case <-s.done:
			return nil
		}
		_ = conn.SetDeadline(time.Now().Add(tooLong)) // others may have taken their time meanwhile
	}
	switch step.Fault {
	case ResetAfterRequest:
		return reset(conn)
	case CloseAfterRequest:
		return nil
	case StallBeforeHead:
		s.stall(conn)
		return nil
	case ResetInHead:
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Ty") // the client sees the rest
		return reset(conn)
	}
	if step.Raw != "" {
		_, _ = io.WriteString(conn, step.Raw) // a client may well have hung up
		return nil
	}
	return s.respond(conn, req, step)
}

// respond sends a response, or its beginning. Write errors are the client's doing.
func (s *stage) respond(conn net.Conn, req *http.Request, step *Step) error {
	_, _ = io.WriteString(conn, head(req, step))
	if req.Method == http.MethodHead || step.Status == http.StatusNoContent || step.Status == http.StatusNotModified {
		return nil
	}
	body, broken := step.Body, false
	for _, at := range []*int{step.Cut, step.Reset, step.Stall} {
		if at != nil {
			body, broken = body[:min(*at, len(body))], true
		}
	}
	if step.Chunked || step.Pieces > 0 {
		body = chunked(body, cmp.Or(step.Pieces, (len(body)+1)/2), !broken)
	}
	_, _ = io.WriteString(conn, body)
	switch {
	case step.Reset != nil:
		return reset(conn)
	case step.Stall != nil:
		s.stall(conn)
	}
	return nil
}

// head is the status line and the headers; each response is its connection's last.
func head(req *http.Request, step *Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", step.Status, http.StatusText(step.Status))
	for _, name := range slices.Sorted(maps.Keys(step.Headers)) {
		b.WriteString(name + ": " + step.Headers[name] + "\r\n")
	}
	if step.Cut == nil && step.Reset == nil && step.Stall == nil {
		// Some clients take what comes before an announced end for the whole.
		b.WriteString("Connection: close\r\n")
	}
	switch {
	case step.Status == http.StatusNoContent || step.Status == http.StatusNotModified || step.Status < 200:
	case step.Chunked || step.Pieces > 0:
		b.WriteString("Transfer-Encoding: chunked\r\n")
	case req.Method != http.MethodHead:
		b.WriteString("Content-Length: " + strconv.Itoa(len(step.Body)) + "\r\n")
	}
	return b.String() + "\r\n"
}

// chunked cuts a body into pieces, so that there are boundaries to get wrong.
func chunked(body string, size int, whole bool) string {
	var b strings.Builder
	for len(body) > 0 {
		piece := body[:min(size, len(body))]
		body = body[len(piece):]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
	}
	if whole {
		b.WriteString("0\r\n\r\n")
	}
	return b.String()
}

// stall waits until the client leaves.
func (s *stage) stall(conn net.Conn) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = conn.Read(make([]byte, 1)) // anything ends it
	}()
	select {
	case <-gone:
	case <-s.done:
	}
}

// reset closes a connection with an RST instead of a FIN.
func reset(conn net.Conn) error {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("%T has no linger", conn)
	}
	if err := tcp.SetLinger(0); err != nil {
		return fmt.Errorf("setting up a reset: %w", err)
	}
	_ = tcp.Close() // that is the reset
	return nil
}
