package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// TestTruncatedAnswers: an upstream that breaks off its answer is an error of
// the contract as long as nothing has been passed on, and a broken connection
// after that.
func TestTruncatedAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head   string
		length int
		sent   int
		passed bool // something of it
	}{
		"nothing of it":       {"200 OK", 1000, 0, false},
		"a little of it":      {"200 OK", 1000, 6, false},
		"most of it":          {"200 OK", 30_000, 29_999, false},
		"an error of its own": {"404 Not Found", 1000, 6, false},
		"nothing of much":     {"200 OK", 1_000_000, 0, false},
		"a little of much":    {"200 OK", 1_000_000, 6000, false},
		"much of it":          {"200 OK", 1_000_000, 300_000, true},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+"/"+method, func(t *testing.T) {
				t.Parallel()
				up := rawUpstream(t, func(conn net.Conn) {
					readHead(conn)
					fmt.Fprintf(conn, "HTTP/1.1 %s\r\nX-Mine: 1\r\nContent-Length: %d\r\n\r\n%s", c.head, c.length, strings.Repeat("x", c.sent))
				})
				g := start(t, gateway.Settings{Upstreams: []string{up}})
				resp, err := g.client.Do(g.request(method, "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if c.passed {
					if err == nil || resp.StatusCode != 200 || len(body) == 0 {
						t.Errorf("got %d, %d bytes, %v", resp.StatusCode, len(body), err)
					}
				} else {
					if err != nil || resp.Header.Get("X-Mine") != "" {
						t.Errorf("%v, %v", err, resp.Header)
					}
					wantFault(t, resp, string(body), 502, "unreachable")
				}
				if err := g.stop(); err != nil {
					t.Error(err)
				}
				if logs := g.logs.String(); !strings.Contains(logs, "request_id="+resp.Header.Get("X-Request-Id")) || !strings.Contains(logs, "unexpected EOF") {
					t.Error("the log does not say which request broke, or how")
				}
			})
		}
	}
}

// TestWholeAnswers: what is held back until it is whole passes as it was.
func TestWholeAnswers(t *testing.T) {
	t.Parallel()
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.URL.Query().Get("n"), &n)
		w.Header().Set("Content-Length", fmt.Sprint(n))
		if r.Method == http.MethodHead {
			return
		}
		for i := range n {
			fmt.Fprintf(w, "%c", 'a'+i%26)
		}
	})
	for _, n := range []int{0, 1, 100, 32<<10 - 1, 32 << 10, 32<<10 + 1, 40_000, 8<<10 + 32<<10, 200_000} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			resp, body := g.do(g.request(method, fmt.Sprintf("/?n=%d", n), nil))
			want := n
			if method == "HEAD" {
				want = 0
			}
			if resp.StatusCode != 200 || resp.ContentLength != int64(n) || len(body) != want {
				t.Fatalf("%s: got %d, %d of %d bytes for %d", method, resp.StatusCode, len(body), resp.ContentLength, n)
			}
			for i := range body {
				if body[i] != byte('a'+i%26) {
					t.Fatalf("%s: byte %d of %d is %q", method, i, n, body[i])
				}
			}
		}
	}
}
