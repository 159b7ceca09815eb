package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell/conform"
)

// attempt is a request that came, and what it was answered.
type attempt struct {
	// at is when it had been read, done when it was answered, since the run began.
	at, done    time.Duration
	method, uri string
	header      http.Header
	body        [sha256.Size]byte
	length      int64
	// connection counts from 1 in the order in which they were opened.
	connection int
	reply      reply
}

// call is what the attempts of one call have in common.
func (a *attempt) call() string { return a.method + " " + a.uri }

// run is one run of the program.
type run struct {
	scenario *scenario
	url      string
	attempts []attempt
	// strayed are requests that came to the other host of a redirect.
	strayed []attempt
	exit    int
	// killed: it was still running when its time was over.
	killed bool
	began  time.Time
	ended  time.Duration
	output []byte
}

// play runs the program once against a server of its own.
func (k *checker) play(ctx context.Context, s *scenario) (*run, error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &run{scenario: s, began: time.Now(), url: "http://" + listener.Addr().String()}
	stage := &stage{checker: k, run: r, counts: map[string]int{}}
	var servers []*http.Server
	serve := func(l net.Listener, handler http.HandlerFunc) {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: k.config.Patience, ConnContext: stage.connected, ErrorLog: quiet()}
		servers = append(servers, server)
		go func() { _ = server.Serve(l) }() // ends with Close
	}
	switch s.aim {
	case aimDead:
		go stage.refuse(listener)
		defer func() { _ = listener.Close() }()
	case aimRedirect:
		// Another name of this machine is another host to clients.
		other, err := listen(ctx, "localhost:0")
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		_, port, err := net.SplitHostPort(other.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		stage.elsewhere = "http://localhost:" + port
		serve(other, stage.stray)
		serve(listener, stage.answer)
	default:
		serve(listener, stage.answer)
	}
	defer func() {
		for _, server := range servers {
			_ = server.Close() // nothing is to be lost
		}
	}()
	if err := k.execute(ctx, r); err != nil {
		return nil, err
	}
	stage.mu.Lock()
	defer stage.mu.Unlock()
	copied := *r
	return &copied, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: listening: %w", ErrConfig, err)
	}
	return l, nil
}

// execute runs the program to its end, or until its time is over.
func (k *checker) execute(ctx context.Context, r *run) error {
	patience := k.config.Patience
	if p := r.scenario.patience; p > 0 && p < patience {
		patience = p
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fill := strings.NewReplacer("{url}", r.url, "{key}", k.key)
	args := make([]string, len(k.config.Command))
	for i, arg := range k.config.Command {
		args[i] = fill.Replace(arg)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = k.config.Dir
	cmd.Env = append(os.Environ(), "FAILWELL_URL="+r.url, "FAILWELL_KEY="+k.key, "FAILWELL_SCENARIO="+r.scenario.name,
		"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost")
	for _, e := range k.config.Env {
		cmd.Env = append(cmd.Env, fill.Replace(e))
	}
	out := &tail{}
	cmd.Stdout, cmd.Stderr = out, out
	alone(cmd)
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	r.ended = time.Since(r.began)
	r.output = out.bytes()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.killed = true
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ended:
		r.exit = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("%w: %w", ErrProgram, err)
	}
	return nil
}

// said is the end of what the program wrote, for messages.
func (r *run) said() string {
	text := strings.TrimSpace(string(r.output))
	if text == "" {
		return "it wrote nothing"
	}
	if lines := strings.Split(text, "\n"); len(lines) > 5 {
		text = strings.Join(lines[len(lines)-5:], "\n")
	}
	return "it wrote: " + text
}

// stage answers the requests of one run.
type stage struct {
	checker   *checker
	run       *run
	elsewhere string

	mu          sync.Mutex
	counts      map[string]int
	connections int
}

type connectionKey struct{}

func (s *stage) connected(ctx context.Context, _ net.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections++
	return context.WithValue(ctx, connectionKey{}, s.connections)
}

// take reads a request whole and counts it.
func (s *stage) take(req *http.Request) (attempt, int) {
	digest := sha256.New()
	length, _ := io.Copy(digest, io.LimitReader(req.Body, 64<<20)) // one that breaks off is another body
	a := attempt{method: req.Method, uri: req.URL.RequestURI(), header: req.Header, length: length}
	digest.Sum(a.body[:0])
	a.connection, _ = req.Context().Value(connectionKey{}).(int)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.at = time.Since(s.run.began)
	n := s.counts[a.call()]
	s.counts[a.call()]++
	return a, n
}

func (s *stage) note(list *[]attempt, a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.done = time.Since(s.run.began)
	*list = append(*list, *a)
}

func (s *stage) answer(w http.ResponseWriter, req *http.Request) {
	a, n := s.take(req)
	if s.elsewhere != "" {
		target := s.elsewhere + a.uri
		a.reply = reply{status: http.StatusTemporaryRedirect, said: "307, Location: " + target}
		s.note(&s.run.attempts, &a)
		http.Redirect(w, req, target, http.StatusTemporaryRedirect)
		return
	}
	a.reply = s.run.scenario.reply(n, time.Now())
	// It counts from before the answer goes out: a client that is told to wait
	// cannot have come back in between.
	s.note(&s.run.attempts, &a)
	a.reply.write(w)
}

func (s *stage) stray(w http.ResponseWriter, req *http.Request) {
	a, _ := s.take(req)
	a.reply = s.checker.success(http.StatusOK)
	s.note(&s.run.strayed, &a)
	a.reply.write(w)
}

// refuse resets each connection before anything is read.
func (s *stage) refuse(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.connections++
		at := time.Since(s.run.began)
		s.run.attempts = append(s.run.attempts, attempt{at: at, done: at, connection: s.connections, reply: s.run.scenario.reply(0, time.Now())})
		s.mu.Unlock()
		reset(conn)
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset in place of a close
	}
	_ = conn.Close()
}

func (r *reply) write(w http.ResponseWriter) {
	if r.ending == resets {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			reset(conn)
		}
		return
	}
	maps.Copy(w.Header(), r.header)
	body := r.body
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.ending == cuts {
		body = body[:len(body)/2]
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(body) // who has left is not told
	if r.ending == cuts {
		_ = http.NewResponseController(w).Flush()
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// tail keeps the beginning and the end of what a program writes.
type tail struct {
	mu         sync.Mutex
	head, last []byte
}

const tailSize = 64 << 10

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), tailSize-len(t.head))
	t.head = append(t.head, p[:n]...)
	t.last = append(t.last, p[n:]...)
	if len(t.last) > tailSize {
		t.last = append([]byte(nil), t.last[len(t.last)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(append([]byte(nil), t.head...), t.last...)
}

// shownAttempts in a timeline.
const shownAttempts = 8

// timeline is what happened in a run, in order.
func (r *run) timeline(idempotency string) []conform.Event {
	var list []conform.Event
	add := func(attempts []attempt, host string) {
		for i := range attempts {
			a := &attempts[i]
			what := strings.TrimSpace(a.method + " " + host + a.uri)
			if what == "" {
				what = "connection " + strconv.Itoa(a.connection)
			}
			if key := a.header.Get(idempotency); idempotency != "" && key != "" {
				what += ", " + idempotency + " " + short(key)
			}
			list = append(list, conform.Event{At: a.at, What: what + " → " + a.reply.said})
		}
	}
	if n := len(r.attempts); n > shownAttempts {
		add(r.attempts[:shownAttempts/2], "")
		list = append(list, conform.Event{At: r.attempts[shownAttempts/2].at, What: fmt.Sprintf("%d more of them", n-shownAttempts)})
		add(r.attempts[n-shownAttempts/2:], "")
	} else {
		add(r.attempts, "")
	}
	add(r.strayed, "(other host) ")
	end := fmt.Sprintf("the program ends with status %d", r.exit)
	if r.killed {
		end = "the program still runs, and is ended"
	}
	return append(list, conform.Event{At: r.ended, What: end})
}

func short(s string) string {
	const shown = 12
	if len(s) > shown {
		return s[:shown] + "…"
	}
	return s
}
