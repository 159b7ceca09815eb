//go:build !unix

package gateway

import "net"

// alive cannot tell here; a connection that was idle for long is not used again.
func alive(net.Conn) bool { return false }
