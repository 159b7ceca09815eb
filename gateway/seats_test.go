package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
)

// limited lets one call in every ten minutes, without a key.
var limited = strings.Replace(open, "headers:", "headers:\n  retry_after: {on: [429]}", 1) + `
operations:
  GET /: {public: true, rate: {limit: 6, per: 1h, burst: 1}}
`

func retryAfter(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTooManyRequests {
		return fmt.Sprint(resp.StatusCode)
	}
	return resp.Header.Get("Retry-After")
}

// soonBefore: a wait that was so many seconds a little while ago.
func soonBefore(wait string, seconds int) bool {
	n, err := strconv.Atoi(wait)
	return err == nil && n <= seconds && n > seconds-60
}

// A crowd that is refused together is told to come back one by one, whatever
// its connections have in common; one of it that asks again keeps its place.
func TestCrowdGetsAppointments(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer up.Close()
	g := start(t, gateway.Settings{Contract: limited, Upstreams: []string{up.URL}})
	ask := func(c *http.Client) string {
		t.Helper()
		resp, err := c.Get(g.url + "/")
		if err != nil {
			t.Fatal(err)
		}
		return retryAfter(t, resp)
	}
	crowd := make([]*http.Client, 4)
	for i := range crowd {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		crowd[i] = &http.Client{Transport: transport}
	}
	for i, c := range crowd {
		if told := ask(c); i == 0 && told != "200" || i > 0 && !soonBefore(told, i*600) {
			t.Errorf("caller %d was told %s", i, told)
		}
	}
	if again := ask(crowd[2]); !soonBefore(again, 1200) {
		t.Errorf("who had 1200 was told %s when it came early", again)
	}
}

// Somebody who opens a connection for each try is one caller.
func TestLoneCallerIsNoCrowd(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer up.Close()
	g := start(t, gateway.Settings{Contract: limited, Upstreams: []string{up.URL}})
	for i := range 5 {
		conn, err := net.Dial("tcp", g.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(conn) // to the end, when the gateway has closed it
		_ = conn.Close()
		_, wait, _ := strings.Cut(string(all), "Retry-After: ")
		wait, _, _ = strings.Cut(wait, "\r\n")
		if err != nil || i > 0 && !soonBefore(wait, 600) {
			t.Errorf("try %d: %v %s", i+1, err, all)
		}
	}
}
