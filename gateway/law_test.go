package gateway_test

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gateway"
)

// lawOperations is added to each built-in contract, to fail in each way.
const lawOperations = `operations:
  GET /law/free: {public: true}
  GET /law/down: {public: true}
  GET /law/slow: {public: true, timeout: 1s}
  GET /law/item: {permission: "$permission"}
  POST /law/item: {max_body: 64, media_types: [application/json], body: {type: object, required: [name], properties: {name: {type: string}}}}
  GET /law/limited: {rate: 1/min}
`

// lawful is a built-in contract with those operations.
func lawful(t *testing.T, name string) string {
	t.Helper()
	c, err := builtin.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	source, err := builtin.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	text, permission := string(source), "law"
	if len(c.Permissions) > 0 {
		permission = c.Permissions[0]
	} else {
		text += "\npermissions: [law]\n"
	}
	operations := strings.ReplaceAll(lawOperations, "$permission", permission)
	if at := regexp.MustCompile(`(?m)^operations:.*\n`).FindStringIndex(text); at != nil {
		return text[:at[0]] + operations + text[at[1]:]
	}
	return text + "\n" + operations
}

// TestLawOne: every response that the gateway makes on its own decodes under its
// contract, with a code of the catalogue and a request id; nothing private is in
// it or in the log.
func TestLawOne(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := lawful(t, name)
			c, err := load(text)
			if err != nil {
				t.Fatal(err)
			}
			up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/law/slow":
					<-r.Context().Done()
				case "/law/down":
					panic(http.ErrAbortHandler)
				}
			})
			g, admin := startWithAdmin(t, gateway.Settings{Contract: text, Upstreams: []string{up}, AccessLog: "all"})
			all := g.newKey(admin, admission.NewKey{Account: "acme"})
			none := g.newKey(admin, admission.NewKey{Account: "acme", Permissions: []string{}})
			revoked, key, err := admin.CreateKey(t.Context(), admission.NewKey{Account: "acme"})
			if err == nil {
				_, err = admin.RevokeKey(t.Context(), key.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			law := &lawCase{t: t, g: g, c: c, secrets: []string{all, none, revoked, admin.Token}}
			law.run(all, none, revoked)
			law.broken()
			for _, secret := range law.secrets {
				if strings.Contains(g.logs.String(), secret) {
					t.Error("a key is in the log")
				}
			}
		})
	}
}

type lawCase struct {
	t       *testing.T
	g       *running
	c       *contract.Contract
	secrets []string
}

// check looks at one answer; condition is what it must be read as, or "" when
// the contract's code may stand for several.
func (l *lawCase) check(what string, resp *http.Response, body string, statuses ...int) {
	l.t.Helper()
	f, ok := l.c.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: []byte(body)}, time.Now())
	id := resp.Header.Values(l.c.Headers.RequestID.Name)
	switch {
	case !ok || f.Code == nil || !l.c.Owns(f.Code) || f.Envelope == "":
		l.t.Errorf("%s: no code of the catalogue in %d %v %q", what, resp.StatusCode, resp.Header, body)
	case len(id) != 1 || id[0] == "" || f.RequestID != id[0]:
		l.t.Errorf("%s: request id %q in the header, %q decoded", what, id, f.RequestID)
	case !f.Code.Allows(resp.StatusCode):
		l.t.Errorf("%s: %s is not sent under %d", what, f.Code.Name, resp.StatusCode)
	}
	found := false
	for _, status := range statuses {
		found = found || resp.StatusCode == status
	}
	if !found {
		l.t.Errorf("%s: status %d, want %v: %s", what, resp.StatusCode, statuses, body)
	}
	for _, private := range append(l.secrets, "127.0.0.1", "goroutine", "hunter2", ".go:", "dial tcp") {
		if strings.Contains(body, private) {
			l.t.Errorf("%s: %q is in %s", what, private, body)
		}
	}
}

func (l *lawCase) run(all, none, revoked string) {
	l.t.Helper()
	scheme := l.c.Auth.Schemes[0]
	prefix := scheme.Prefix
	if prefix != "" {
		prefix += " "
	}
	as := func(key string, more ...string) []string {
		if key == "" {
			return more
		}
		return append([]string{scheme.Name, strings.ReplaceAll(prefix, "  ", " ") + key}, more...)
	}
	const jsonBody = "application/json"
	for _, x := range []struct {
		what, method, path, body string
		header                   []string
		statuses                 []int
	}{
		{"no key", "GET", "/law/item", "", nil, []int{401}},
		{"no such key", "GET", "/law/item", "", as("nonsense"), []int{401}},
		{"mistyped key", "GET", "/law/item", "", as(all[:len(all)-1] + "?"), []int{401}},
		{"revoked key", "GET", "/law/item", "", as(revoked), []int{401, 403}},
		{"no permission", "GET", "/law/item", "", as(none), []int{403}},
		{"no route", "GET", "/law/nothing", "", as(all), []int{404}},
		{"wrong method", "PUT", "/law/item", "x", as(all), []int{405}},
		{"too large", "POST", "/law/item", `{"name":"` + strings.Repeat("x", 100) + `"}`, as(all, "Content-Type", jsonBody), []int{413, 400}},
		{"media type", "POST", "/law/item", "x", as(all, "Content-Type", "text/csv"), []int{415, 400}},
		{"no JSON", "POST", "/law/item", "{", as(all, "Content-Type", jsonBody), []int{400, 422}},
		{"invalid", "POST", "/law/item", `{"name":1}`, as(all, "Content-Type", jsonBody), []int{422, 400}},
		{"upstream breaks", "GET", "/law/down", "", nil, []int{502}},
		{"upstream slow", "GET", "/law/slow", "", nil, []int{504}},
	} {
		resp, body := l.g.do(l.g.request(x.method, x.path, strings.NewReader(x.body), x.header...))
		l.check(x.what, resp, body, x.statuses...)
	}
	if resp, body := l.g.get("/law/limited", as(all)...); resp.StatusCode != 200 {
		l.t.Errorf("limited: %d %s", resp.StatusCode, body)
	}
	resp, body := l.g.get("/law/limited", as(all)...)
	l.check("limited", resp, body, 429)
}

// broken sends requests that net/http refuses before anybody sees them.
func (l *lawCase) broken() {
	l.t.Helper()
	for what, request := range map[string]string{
		"malformed":      "nonsense\r\n\r\n",
		"no host":        "GET / HTTP/1.1\r\n\r\n",
		"head too large": "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n",
		"bad coding":     "POST /law/free HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"version":        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
	} {
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(l.g.raw(request))), nil)
		if err != nil {
			l.t.Errorf("%s: %v", what, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			l.t.Errorf("%s: %v", what, err)
		}
		l.check(what, resp, string(body), 400, 413, 431, 501, 505)
	}
}

// TestPanicIsAnError has the gateway itself panic in the middle of a request.
func TestPanicIsAnError(t *testing.T) {
	t.Parallel()
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := lawful(t, name)
			c, err := load(text)
			if err != nil {
				t.Fatal(err)
			}
			g := start(t, gateway.Settings{Contract: text, Upstreams: []string{nobody(t)}})
			g.PanicForTest("hunter2")
			resp, body := g.get("/law/free")
			l := &lawCase{t: t, c: c}
			_, status := c.For(failwell.Internal)
			l.check("panic", resp, body, status)
			if logs := g.logs.String(); !strings.Contains(logs, "panic: hunter2") {
				t.Error("the panic was not logged")
			}
		})
	}
}
