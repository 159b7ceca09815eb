package gateway_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

// holdConnections makes this process the one that keeps many connections open
// to a gateway in another, since both ends do not fit into one process's files.
// It reports whether that is what the process is for.
func holdConnections() bool {
	address := os.Getenv("FAILWELL_TEST_HOLD")
	if address == "" {
		return false
	}
	n, err := strconv.Atoi(os.Getenv("FAILWELL_TEST_HOLD_COUNT"))
	if err != nil {
		panic(err)
	}
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", address); err != nil {
			fmt.Println("failed", err)
			return true
		}
		if i%2 == 1 { // half of them have begun a request
			if _, err := io.WriteString(conns[i], "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
				fmt.Println("failed", err)
				return true
			}
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}
