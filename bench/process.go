package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	gracePeriod = 5 * time.Second
	// The kernel reports CPU time in units of 1/100 s (USER_HZ, proc(5)) on
	// every Linux that Go runs on.
	tick = 10 * time.Millisecond
)

// process is a server that this program started.
type process struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	exited chan struct{}
	output string
}

// start runs argv, its output going to a file below dir. It gets SIGTERM when
// ctx ends or stop is called, and SIGKILL when that does not help.
func start(ctx context.Context, dir, name string, env []string, argv ...string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{cancel: cancel, exited: make(chan struct{}), output: filepath.Join(dir, name+".log")}
	log, err := os.Create(p.output)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = gracePeriod
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // it is told to stop, so its status says nothing
	}()
	return p, nil
}

// stop ends the process and, should it have to be killed, its children too.
func (p *process) stop() {
	children := family(p.cmd.Process.Pid)[1:]
	p.cancel()
	<-p.exited
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		for _, pid := range children {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already is fine
		}
	}
}

// lastWords is the end of what the process printed, for error messages.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.output)
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return "it printed nothing"
	}
	return string(bytes.TrimSpace(b[max(0, len(b)-500):]))
}

// usage is what a process and its children have used so far.
type usage struct {
	cpu time.Duration
	rss int64 // bytes; pages that the processes share count for each
}

func (p *process) usage() (usage, error) {
	var total usage
	for _, pid := range family(p.cmd.Process.Pid) {
		u, err := usageOf(pid)
		if err != nil {
			return usage{}, err
		}
		total.cpu += u.cpu
		total.rss += u.rss
	}
	return total, nil
}

// usageOf reads /proc/PID/stat, see proc(5): fields 14 and 15 are user and
// system time, 24 is resident pages. Field 2 may hold spaces, so that counting
// starts behind its closing bracket.
func usageOf(pid int) (usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("reading CPU time: %w", err)
	}
	return parseStat(b)
}

func parseStat(b []byte) (usage, error) {
	const user, system, resident = 14 - 3, 15 - 3, 24 - 3
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) <= resident {
		return usage{}, errors.New("reading CPU time: /proc gave too few fields")
	}
	var n [3]int64
	for i, field := range []int{user, system, resident} {
		v, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("reading CPU time: %w", err)
		}
		n[i] = v
	}
	return usage{cpu: time.Duration(n[0]+n[1]) * tick, rss: n[2] * int64(os.Getpagesize())}, nil
}

// family is pid followed by all processes below it.
func family(pid int) []int {
	pids := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return pids
	}
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread ended meanwhile
		}
		for child := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(child); err == nil {
				pids = append(pids, family(n)...)
			}
		}
	}
	return pids
}
