package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/failwell/failwell/internal/servers"
)

// Every command that talks to a gateway does so over TLS, with the token that the
// gateway left or one from elsewhere, and says what is missing.
func TestAdminOverTLS(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	cert, key := servers.Certificate(t)
	s := start(t, nil, "serve", "--contract", "heppu", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--store", "memory:", "--admin-tls-cert", cert, "--admin-tls-key", key)
	admin := s.url("admin")
	if !strings.HasPrefix(admin, "https://") || !strings.HasPrefix(s.url("console"), admin) {
		t.Fatalf("the admin listener is at %s, the console at %s", admin, s.url("console"))
	}
	if status, _ := get(t, s.url("url")+"/api/v1/agents", ""); status != 401 {
		t.Errorf("a caller without a key gets %d", status)
	}
	at := []string{"--admin", admin, "--admin-ca", cert}
	for _, command := range []string{"keys create", "keys list", "accounts list", "tokens list", "audit", "log --limit 1", "console"} {
		out, complaint, code := call(t, "", append(strings.Fields(command), at...)...)
		if code != 0 || out == "" {
			t.Errorf("%s: status %d: %s%s", command, code, out, complaint)
		}
		if command == "console" && !strings.HasPrefix(out, admin+"/console/sign-in?") {
			t.Errorf("the link is %s", out)
		}
	}
	out, complaint, code := call(t, "", append([]string{"log", "--json", "--limit", "1"}, at...)...)
	id := regexp.MustCompile(`"id":"(req_[^"]+)"`).FindStringSubmatch(out)
	if code != 0 || id == nil {
		t.Fatalf("log: status %d: %s%s", code, out, complaint)
	}
	if out, complaint, code := call(t, "", append([]string{"trace", id[1]}, at...)...); code != 0 || !strings.Contains(out, "missing_api_key") {
		t.Errorf("trace: status %d: %s%s", code, out, complaint)
	}

	secret, _, _ := call(t, "", append([]string{"tokens", "create", "elsewhere"}, at...)...)
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir()) // as on another machine: there is no file
	if out, complaint, code := call(t, "", append([]string{"keys", "list", "--admin-token", strings.TrimSpace(secret)}, at...)...); code != 0 {
		t.Errorf("with a token: status %d: %s%s", code, out, complaint)
	}
	for name, x := range map[string]struct {
		args []string
		want string
	}{
		"unknown authority": {[]string{"--admin", admin, "--admin-token", "t"}, "hint: name the authority of its certificate with --admin-ca"},
		"no TLS":            {[]string{"--admin", strings.Replace(admin, "https", "http", 1), "--admin-token", "t"}, "hint: write --admin https://…"},
		"TLS where none is": {[]string{"--admin", strings.Replace(s.url("url"), "http", "https", 1), "--admin-token", "t"}, "hint: write --admin http://…"},
		"no such file":      {[]string{"--admin", admin, "--admin-token", "t", "--admin-ca", "nope.pem"}, "hint: check the path given with --admin-ca"},
		"no PEM":            {[]string{"--admin", admin, "--admin-token", "t", "--admin-ca", "main.go"}, "main.go holds no certificate in PEM form"},
		"wrong token":       {[]string{"--admin", admin, "--admin-token", "t", "--admin-ca", cert}, "hint: it may have ended; failwell tokens create"},
		"no token":          {[]string{"--admin", admin, "--admin-ca", cert}, "FAILWELL_ADMIN_TOKEN"},
	} {
		for _, command := range [][]string{{"keys", "list"}, {"log"}, {"tokens", "list"}} {
			if _, complaint, code := call(t, "", append(command, x.args...)...); code != 1 || !strings.Contains(complaint, x.want) {
				t.Errorf("%s, %v: status %d: %s, want %s", name, command, code, complaint, x.want)
			}
		}
	}
}

// No command sends a token in the clear to another machine unless it is told to.
// Nothing is sent here: 192.0.2.1 is nobody's (RFC 5737).
func TestTokensStayOffTheWire(t *testing.T) {
	t.Parallel()
	at := []string{"--admin", "http://192.0.2.1:8081", "--admin-token", "fwadm_x"}
	for _, command := range []string{
		"keys list", "keys create", "keys rotate key_1", "keys revoke key_1", "accounts list", "accounts show a", "tokens create ada", "tokens list", "tokens revoke tok_1",
		"audit", "console", "log", "trace req_1",
	} {
		_, complaint, code := call(t, "", append(strings.Fields(command), at...)...)
		if code != exitUsage || !strings.Contains(complaint, "failwell: the token would go to http://192.0.2.1:8081 unencrypted") || !strings.Contains(complaint, "\nhint: write --admin https://…") {
			t.Errorf("%s: status %d: %s", command, code, complaint)
		}
	}
	for address, want := range map[string]bool{
		"http://127.0.0.1:8081": false, "http://127.8.0.1:8081": false, "http://[::1]:8081": false, "http://LOCALHOST": false, "http://gateway.localhost:1": false,
		"http://[::ffff:127.0.0.1]:8081": false, "https://192.0.2.1": false, "127.0.0.1:8081": false,
		"http://192.0.2.1": true, "http://[2001:db8::1]:8081": true, "http://gateway:8081": true, "HTTP://gateway": true, "http://localhost.example.com": true, "gateway:8081": true,
	} {
		for _, allowed := range []bool{false, true} {
			x := adminAt{Admin: address, AdminToken: "t", Plaintext: allowed}
			if _, err := x.client(); (err != nil) != (want && !allowed) {
				t.Errorf("%s, allowed %v: %v", address, allowed, err)
			}
		}
	}
}
