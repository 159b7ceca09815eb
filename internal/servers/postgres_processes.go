//go:build unix

package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// guard starts a shell that waits for the end of this process, however that
// comes, and then frees what a killed server in dir would leave: its shared
// memory and the folder. The result calls it off.
func guard(dir string) (func(), error) {
	//nolint:noctx // it must outlive every context.
	cmd := exec.Command("sh", "-c", `cat
pid=$1/data/postmaster.pid
if [ -f "$pid" ]; then
  kill -QUIT "$(sed -n 1p "$pid")"
  sleep 1
  [ -f "$pid" ] && ipcrm -m "$(sed -n '7s/.* //p' "$pid")"
fi
rm -rf "$1"`, "guard", dir)
	// A signal to this process's whole group, as Ctrl-C sends it, spares it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("servers: starting a guard: %w", err)
	}
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		_ = alive.Close()
	}, nil
}

// children are the processes that parent has started and that have not ended.
func children(parent int) ([]int, error) {
	out, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("servers: ps: %w", err)
	}
	var pids []int
	for in := bytes.NewReader(out); ; {
		var pid, of int
		if _, err := fmt.Fscan(in, &pid, &of); errors.Is(err, io.EOF) {
			return pids, nil
		} else if err != nil {
			return nil, fmt.Errorf("servers: ps: %w", err)
		}
		if of == parent {
			pids = append(pids, pid)
		}
	}
}

// gone waits for the end of a process that was killed and is not this one's
// child. One that only waits for its parent to take notice has ended.
func gone(pid int) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		out, err := exec.CommandContext(context.Background(), "ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if _, none := errors.AsType[*exec.ExitError](err); err != nil && !none {
			return fmt.Errorf("servers: ps: %w", err)
		}
		if state := strings.TrimSpace(string(out)); state == "" || strings.HasPrefix(state, "Z") {
			return nil
		}
	}
	return fmt.Errorf("servers: process %d survives", pid)
}
