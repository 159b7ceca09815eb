package sandbox_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox"
)

// What net/http refuses before any handler is asked is told as all else.
func TestWhatIsNoHTTP(t *testing.T) {
	t.Parallel()
	s := sandbox.Start(t, "aionvision", sandbox.Options{})
	for name, c := range map[string]struct {
		sent   string
		status int
	}{
		"no request line":    {"NONSENSE\r\n\r\n", 400},
		"no header name":     {"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400},
		"no such version":    {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400},
		"a head of 2 MiB":    {"GET / HTTP/1.1\r\nHost: x\r\nX-Padding: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", 400},
		"no transfer coding": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: unheard\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dialer net.Dialer
			conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Origin, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.WriteString(conn, c.sent) }() // the rest of a long head is not read
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			f, ok := s.Contract().Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, s.Now())
			if !ok || f.Envelope == "" || f.Code == nil || !f.Certain || resp.Header.Get("X-Request-ID") == "" {
				t.Errorf("%d %s is no error of the contract", resp.StatusCode, body)
			}
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, c.status, body)
			}
		})
	}
}
