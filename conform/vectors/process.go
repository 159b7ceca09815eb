package vectors

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Process is a [Client] that is a program in any language. It reads one JSON
// object from a line of its standard input, and answers with one on its
// standard output:
//
//	{"begin": CASE, "url": "http://127.0.0.1:1234"}  {"ready": true}
//	{"call": true}                                   {"outcome": OUTCOME}
//	{"end": true}                                    {"ready": true}
//
// During a call it writes {"wait_ms": N} instead of sleeping, any number of times,
// and goes on when it has read {"go": true}. {"fault": "text"} is the answer when
// the program itself is at fault. CASE is a [Case] and OUTCOME an [Outcome].
//
// A Process plays one case at a time.
type Process struct {
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	wait   func() error
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
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20) // a case may fill a body
	return &Process{stdin: stdin, stdout: lines, wait: cmd.Wait}, nil
}

// Close lets the program end by closing its input, and waits for it.
func (p *Process) Close() error {
	if err := errors.Join(p.stdin.Close(), p.wait()); err != nil {
		return fmt.Errorf("vectors: the client's program: %w", err)
	}
	return nil
}

type message struct {
	Begin *Case  `json:"begin,omitempty"`
	URL   string `json:"url,omitempty"`
	Call  bool   `json:"call,omitempty"`
	Go    bool   `json:"go,omitempty"`
	End   bool   `json:"end,omitempty"`
}

type answer struct {
	Ready   bool     `json:"ready"`
	Outcome *Outcome `json:"outcome"`
	Wait    *Millis  `json:"wait_ms"`
	Fault   string   `json:"fault"`
}

func (p *Process) ask(m message) (answer, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return answer{}, fmt.Errorf("writing to the client's program: %w", err)
	}
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		return answer{}, fmt.Errorf("writing to the client's program: %w", err)
	}
	if !p.stdout.Scan() {
		return answer{}, fmt.Errorf("the client's program ended: %w", errors.Join(p.stdout.Err(), io.ErrUnexpectedEOF))
	}
	var a answer
	if err := json.Unmarshal(p.stdout.Bytes(), &a); err != nil {
		return answer{}, fmt.Errorf("the client's program wrote %q: %w", p.stdout.Text(), err)
	}
	if a.Fault != "" {
		return answer{}, fmt.Errorf("the client's program: %s", a.Fault)
	}
	return a, nil
}

// Begin hands the case to the program.
func (p *Process) Begin(_ context.Context, job Job) (Caller, error) { //nolint:ireturn // it is a Client
	if _, err := p.ask(message{Begin: job.Case, URL: job.URL}); err != nil {
		return nil, err
	}
	return &processCaller{p, job}, nil
}

type processCaller struct {
	*Process

	job Job
}

// Call has the program make one call.
func (p *processCaller) Call(context.Context) (Outcome, error) {
	a, err := p.ask(message{Call: true})
	for err == nil && a.Wait != nil {
		if err = p.job.Wait(time.Duration(*a.Wait)); err == nil {
			a, err = p.ask(message{Go: true})
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

// End tells the program that the case is over.
func (p *processCaller) End() error {
	_, err := p.ask(message{End: true})
	return err
}
