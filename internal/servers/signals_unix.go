//go:build unix

package servers

import (
	"os"
	"syscall"
)

// How a process is told to end, to stand still and to go on.
const (
	stopSignal   = syscall.SIGTERM
	pauseSignal  = syscall.SIGSTOP
	resumeSignal = syscall.SIGCONT
)

var killSignal = os.Kill
