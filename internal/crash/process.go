//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that the campaign starts, kills and starts again.
type process struct {
	name string
	path string
	// url and admin are where a gateway serves, dir is where it leaves its token.
	url, admin, dir string

	args []string
	env  []string

	mu  sync.Mutex
	cmd *exec.Cmd
	log *tail
	// over is closed when the running one has ended.
	over chan struct{}
}

// start runs it and returns when it has said that it is ready.
func (p *process) start(ctx context.Context, env ...string) error {
	cmd := exec.Command(p.path, p.args...) //nolint:noctx // it ends by being killed, or with the campaign's own clean-up
	cmd.Env = append(append(os.Environ(), p.env...), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = p.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.log.again()
	over, started, ready := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	go func() {
		defer close(over)
		// The kernel ties the signal at the parent's death to the thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewReader(out)
		_, err = lines.ReadString('\n')
		ready <- err
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait() // it is killed; how it ended is no news
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.mu.Lock()
	p.cmd, p.over = cmd, over
	p.mu.Unlock()
	select {
	case err := <-ready:
		if err != nil {
			<-over
			return fmt.Errorf("%s: ended before it was ready: %s", p.name, p.log.String())
		}
		return nil
	case <-time.After(startTimeout):
	case <-ctx.Done():
	}
	return errors.Join(fmt.Errorf("%s: not ready after %v: %s", p.name, startTimeout, p.log.String()), p.kill())
}

func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	select {
	case <-p.over:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// kill ends it at once, as a loss of power to it would, and waits until it is gone.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()
	if over != nil {
		<-over
	}
	return nil
}

// gone is closed when the one that runs has ended.
func (p *process) gone() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// tail is what a program last said on stderr.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  []byte
	// alarms are lines that no healthy program writes.
	alarms []string
	// all keeps everything; nil when nobody wants it.
	all io.Writer
	// points are those at which the running program was killed or stopped.
	points chan string
}

func newTail() *tail { return &tail{points: make(chan string, 16)} }

const tailLines = 60

// again forgets what a program before this one has said about points.
func (t *tail) again() {
	for {
		select {
		case <-t.points:
		default:
			return
		}
	}
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all != nil {
		if _, err := t.all.Write(p); err != nil {
			return 0, fmt.Errorf("crash: keeping a log: %w", err)
		}
	}
	t.part = append(t.part, p...)
	for {
		line, rest, ok := bytes.Cut(t.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		t.add(string(line))
		t.part = bytes.Clone(rest)
	}
}

func (t *tail) add(line string) {
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
	if point, ok := strings.CutPrefix(line, "failpoint: "); ok {
		point, _, _ = strings.Cut(point, ",")
		select {
		case t.points <- point:
		default:
		}
		return
	}
	for _, alarm := range []string{"panic", "fatal error:", "DATA RACE"} {
		if strings.Contains(line, alarm) && len(t.alarms) < tailLines {
			t.alarms = append(t.alarms, line)
		}
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
