package vectors

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Process is a [Client] that is a program in any language. It reads JSON objects
// from lines of its standard input, and writes such lines on its standard output:
//
//	{"begin": CASE, "url": "http://127.0.0.1:1234"}  {"ready": true}
//	{"now_ms": 1772712000000}                        {"ready": true}
//	{"call": 1}                                      {"call": 1, "outcome": OUTCOME}
//	{"end": true}                                    {"ready": true}
//
// The second line sets the clock. Calls are counted from 1; one may begin while
// others wait or are not answered yet. During a call the program writes
// {"call": 1, "wait_ms": N} instead of sleeping, any number of times, and goes on
// when it has read {"go": 1}. {"fault": "text"} is the answer when the program itself
// is at fault. CASE is a [Case] and OUTCOME an [Outcome].
//
// A Process plays one case at a time.
type Process struct {
	stdin   io.WriteCloser
	program *os.Process
	wait    func() error
	over    chan struct{} // closed when the program writes no more, which err explains
	err     error

	mu    sync.Mutex // of writing, and of calls
	ready chan answer
	calls []chan answer
}

// StartProcess starts a program. Close ends it.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	p := &Process{stdin: stdin, program: cmd.Process, wait: cmd.Wait, over: make(chan struct{}), ready: make(chan answer, 1)}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20) // a case may fill a body
	go p.listen(lines)
	return p, nil
}

// Close lets the program end by closing its input, and waits for it. One that has
// lost its way is killed.
func (p *Process) Close() error {
	err := p.stdin.Close()
	defer time.AfterFunc(tooLong, func() { _ = p.program.Kill() }).Stop() // Wait tells
	<-p.over
	if err := errors.Join(err, p.wait()); err != nil {
		return fmt.Errorf("vectors: the client's program: %w", err)
	}
	return nil
}

type message struct {
	Begin *Case    `json:"begin,omitempty"`
	URL   string   `json:"url,omitempty"`
	Now   *float64 `json:"now_ms,omitempty"`
	Call  int      `json:"call,omitempty"`
	Go    int      `json:"go,omitempty"`
	End   bool     `json:"end,omitempty"`
}

type answer struct {
	Ready   bool     `json:"ready"`
	Call    int      `json:"call"`
	Outcome *Outcome `json:"outcome"`
	Wait    *float64 `json:"wait_ms"`
	Fault   string   `json:"fault"`
}

// listen hands what the program writes to whoever waits for it.
func (p *Process) listen(lines *bufio.Scanner) {
	defer func() {
		close(p.over)
		for lines.Scan() { // nobody listens, but the program must be able to end
		}
	}()
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			p.err = fmt.Errorf("the client's program wrote %q: %w", lines.Text(), err)
			return
		}
		p.mu.Lock()
		to := p.ready
		if a.Call > 0 && a.Call <= len(p.calls) {
			to = p.calls[a.Call-1]
		}
		p.mu.Unlock()
		select {
		case to <- a:
		default:
			p.err = fmt.Errorf("the client's program wrote %q, which nobody asked for", lines.Text())
			return
		}
	}
	p.err = fmt.Errorf("the client's program ended: %w", cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

func (p *Process) write(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing to the client's program: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("writing to the client's program: %w", err)
	}
	return nil
}

// hear waits for the program's next word.
func (p *Process) hear(ctx context.Context, from <-chan answer) (answer, error) {
	select {
	case a := <-from:
		if a.Fault != "" {
			return a, fmt.Errorf("the client's program: %s", a.Fault)
		}
		return a, nil
	case <-p.over:
		return answer{}, p.err
	case <-ctx.Done():
		return answer{}, fmt.Errorf("listening to the client's program: %w", ctx.Err())
	}
}

func (p *Process) ask(m message) error {
	if err := p.write(m); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	_, err := p.hear(ctx, p.ready)
	return err
}

// Begin hands the case to the program.
func (p *Process) Begin(_ context.Context, job Job) (Caller, error) { //nolint:ireturn // it is a Client
	p.mu.Lock()
	p.calls = make([]chan answer, len(job.Case.Calls))
	for i := range p.calls {
		p.calls[i] = make(chan answer, 1)
	}
	p.mu.Unlock()
	if err := p.ask(message{Begin: job.Case, URL: job.URL}); err != nil {
		return nil, err
	}
	return &processCaller{p, job}, nil
}

type processCaller struct {
	*Process

	job Job
}

// Clock tells the program the time.
func (p *processCaller) Clock(now time.Time) error {
	ms := float64(now.UnixNano()) / float64(time.Millisecond)
	return p.ask(message{Now: &ms})
}

// Call has the program make a call.
func (p *processCaller) Call(ctx context.Context, n int) (Outcome, error) {
	a, err := p.turn(ctx, n, message{Call: n + 1})
	for err == nil && a.Wait != nil {
		if err = p.job.Wait(n, time.Duration(math.Round(*a.Wait*float64(time.Millisecond)))); err == nil {
			a, err = p.turn(ctx, n, message{Go: n + 1})
		}
	}
	if err != nil {
		return Outcome{}, err
	}
	if a.Outcome == nil {
		return Outcome{}, errors.New("the client's program gave no outcome")
	}
	return *a.Outcome, nil
}

// turn lets a call go on to its next wait or its end.
func (p *processCaller) turn(ctx context.Context, n int, m message) (answer, error) {
	if err := p.write(m); err != nil {
		return answer{}, err
	}
	return p.hear(ctx, p.calls[n])
}

// End tells the program that the case is over.
func (p *processCaller) End() error { return p.ask(message{End: true}) }
