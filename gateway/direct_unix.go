//go:build unix

package gateway

import (
	"errors"
	"net"
	"syscall"
)

// alive looks at an idle connection without waiting: one that the other side
// has closed, or on which it says something unasked, is of no use.
func alive(conn net.Conn) bool {
	if p, ok := conn.(*patientConn); ok {
		conn = p.Conn
	}
	s, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && quiet
}
