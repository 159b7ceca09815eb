//go:build unix

package pebblestore

import (
	"fmt"
	"os"
	"syscall"
)

// lockHolder names the other process that holds a lock on the file. It must not
// be called while this process holds one: closing the file would end it.
func lockHolder(name string) string {
	const unknown = "another process"
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return unknown
	}
	query := syscall.Flock_t{Type: syscall.F_WRLCK}
	asked := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &query)
	if err := f.Close(); err != nil || asked != nil || query.Type == syscall.F_UNLCK || query.Pid == 0 {
		return unknown
	}
	return fmt.Sprintf("process %d", query.Pid)
}
