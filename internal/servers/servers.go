// Package servers starts real databases and services for tests: on private ports of the
// loopback, in folders that go with the test, as processes that a test may
// kill, pause and start again. What it starts it stops; on Linux the kernel
// does so as well when the test binary dies first.
package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// patience is how long a server may take to start or to end: some tens of
// milliseconds on an idle machine, seconds on one that runs every test at once.
const patience = 30 * time.Second

// process is one server process and its successors after a restart.
type process struct {
	// command makes the command anew for each start; its output goes to logFile.
	command func() *exec.Cmd
	logFile string

	mu      sync.Mutex
	running *os.Process
	ended   chan struct{} // closed when the present process has been waited for
}

// find returns the path of a program. The hint says how to get it.
func find(program string, folders ...string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, folder := range folders {
		if path, err := exec.LookPath(folder + "/" + program); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("servers: %s is not installed; run scripts/ensure.sh, or make test, which does", program)
}

// start runs the command. The thread that made the process waits for it, since
// the kernel ties the signal at the parent's death to that thread.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		return errors.New("servers: it is running already")
	}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	ended, started := make(chan struct{}), make(chan error)
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // tests kill it; how it ended is no news
		}
		_ = log.Close()
	}()
	if err := <-started; err != nil {
		<-ended
		return fmt.Errorf("servers: %w", err)
	}
	p.running, p.ended = cmd.Process, ended
	return nil
}

// pid of the running process, 0 if there is none.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0
	}
	return p.running.Pid
}

// alive reports whether the process has not ended by itself.
func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends sig and waits; a process that does not follow is killed. It does
// nothing if none runs.
func (p *process) end(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return nil
	}
	defer func() { p.running = nil }()
	err := p.running.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("servers: %w", err)
	}
	_ = p.running.Signal(resumeSignal) // a paused process would not hear sig
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
	}
	_ = p.running.Kill()
	<-p.ended
	return fmt.Errorf("servers: %s did not end within %v, so it was killed; its log:\n%s", sig, patience, p.tail())
}

func (p *process) signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return errors.New("servers: it does not run")
	}
	if err := p.running.Signal(sig); err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	return nil
}

// await polls ready until it says nil, the process ends or patience does.
func (p *process) await(ready func() error) error {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := ready()
		switch {
		case err == nil:
			return nil
		case !p.alive():
			return fmt.Errorf("servers: the server ended at start; its log:\n%s", p.tail())
		case time.Now().After(deadline):
			return fmt.Errorf("servers: the server was not ready within %v: %w; its log:\n%s", patience, err, p.tail())
		}
		time.Sleep(pause)
	}
}

// tail is the end of the log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// ports below those that the system gives to outgoing connections: another test
// may choose the same one, a client cannot.
const (
	portLow  = 12_000
	portHigh = 32_000
)

// freePort names a port that nobody listens on now. Somebody may a moment
// later, so whoever uses it starts again with another one if it is taken.
func freePort() (int, error) {
	for range 100 {
		port := portLow + rand.IntN(portHigh-portLow)                                  //nolint:gosec // no secret
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // a number is not looked up
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("servers: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("servers: no free port found on the loopback")
}
