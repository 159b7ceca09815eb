//go:build !unix

package client

import "os/exec"

// alone: where there are no groups of processes, only the program itself is ended.
func alone(*exec.Cmd) {}
