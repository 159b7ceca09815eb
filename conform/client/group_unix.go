//go:build unix

package client

import (
	"os/exec"
	"syscall"
)

// alone puts the program into a group of its own, so that what it has started
// ends with it.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
