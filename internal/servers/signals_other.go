//go:build !unix

package servers

import "os"

// Without signals a process can only be killed; pausing it fails.
var (
	stopSignal   = os.Kill
	pauseSignal  = os.Interrupt
	resumeSignal = os.Interrupt
	killSignal   = os.Kill
)
