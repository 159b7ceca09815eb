package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestNewcomersWalk: from a refused call to why it was refused, in a browser
// without a script, with nothing but what "up" has printed.
func TestNewcomersWalk(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	s := start(t, nil, "up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	page := func(address string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	id := ""
	for range 110 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("base_url")+"/agents", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", s.key("plan_standard"))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			id = resp.Header.Get("X-Request-Id")
		}
	}
	if status, body := page(s.url("console")); id == "" || status != http.StatusOK || !strings.Contains(body, `url=/console/`) {
		t.Fatalf("id %q; the link says %d %s", id, status, body)
	}
	status, body := page(s.url("admin") + "/console/requests?q=" + url.QueryEscape(" "+id+" "))
	for _, want := range []string{"The gateway refused the request.", "/errors/rate_limit_exceeded", "What to do:", "left of 100 per minute", "The caller was told to wait", "curl -i " + s.url("base_url") + "/agents"} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("the page of %s: %d, without %q", id, status, want)
		}
	}
	if status, body := page(s.url("admin") + "/errors/rate_limit_exceeded"); status != http.StatusOK || !strings.Contains(body, "rate_limit_exceeded") {
		t.Errorf("the page of the code: %d %.200s", status, body)
	}
	if status, body := page(s.url("admin") + "/console/sandbox"); status != http.StatusOK || !strings.Contains(body, "/_sandbox/") {
		t.Errorf("the sandbox's page: %d %.200s", status, body)
	}
	if status, body := page(s.url("admin") + "/console/"); status != http.StatusOK || !strings.Contains(body, "Data is flowing") {
		t.Errorf("the overview: %d %.200s", status, body)
	}
}

// TestOperatorsCommands: tokens, rotation, the audit log and links to the
// console of a running gateway.
func TestOperatorsCommands(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	s := start(t, nil, "serve", "--contract", "problem", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory:")
	s.log.await(t, "admin and console on "+s.url("admin")+"\n")
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, code := call(t, "", append(args, "--admin", s.url("admin"))...)
		if code != want {
			t.Fatalf("%v: %d %s%s", args, code, stdout, stderr)
		}
		return stdout, stderr
	}
	if out, _ := run(0, "tokens", "list"); out != "no tokens but the gateway's own\n" {
		t.Errorf("%q", out)
	}
	out, note := run(0, "tokens", "create", "support", "--expires", "30d")
	if !strings.HasPrefix(out, "fwadm_") || !strings.Contains(note, "for support may read; it is shown this once") {
		t.Errorf("%q %q", out, note)
	}
	out, _ = run(0, "tokens", "list", "--json")
	var tokens []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(out), &tokens); err != nil || len(tokens) != 1 {
		t.Fatalf("%s %v", out, err)
	}
	if out, _ := run(0, "tokens", "revoke", tokens[0].ID); out != tokens[0].ID+" has ended\n" {
		t.Errorf("%q", out)
	}
	if _, note := run(1, "tokens", "revoke", tokens[0].ID); !strings.Contains(note, "hint: failwell tokens list shows the ids") {
		t.Errorf("%q", note)
	}
	run(2, "tokens", "create", "x", "--role", "root")

	out, _ = run(0, "keys", "create", "--json")
	var key struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		t.Fatal(err)
	}
	out, note = run(0, "keys", "rotate", key.ID, "--overlap", "1h")
	if !strings.HasPrefix(out, "key_live_") && !strings.HasPrefix(out, "key_test_") || !strings.Contains(note, "takes the place of "+key.ID) {
		t.Errorf("%q %q", out, note)
	}
	run(1, "keys", "rotate", "key_nobody")

	out, _ = run(0, "audit")
	for _, want := range []string{"6 changes", "token.create", "token.revoke", "key.create", "key.rotate", "refused resource_missing", "overlap=1h0m0s", "role=read"} {
		if !strings.Contains(out, want) {
			t.Errorf("the audit log lacks %q:\n%s", want, out)
		}
	}
	out, note = run(0, "console")
	if !strings.HasPrefix(out, s.url("admin")+"/console/sign-in?invitation=") || !strings.Contains(note, "signs a browser in") {
		t.Errorf("%q %q", out, note)
	}
}
