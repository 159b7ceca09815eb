package servers

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the process when this one dies, however it
// dies.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
