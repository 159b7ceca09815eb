package gateway_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gateway"
)

// keyed is the open contract with keys.
const keyed = open + `
auth:
  schemes:
    - {in: header, name: Authorization, prefix: Bearer}
    - {in: header, name: X-Api-Key}
    - {in: query, name: api_key}
  key: {prefixes: {test: t_, live: l_}}
permissions: [read, write]
plans:
  small: {title: Small, rate: 5/min}
  large: {title: Large, rate: 100000/min}
operations:
  GET /open: {public: true}
  GET /item: {}
  POST /item: {permission: write, max_body: 100, media_types: [application/json]}
`

func startWithAdmin(t *testing.T, s gateway.Settings) (*running, *gateway.AdminClient) {
	t.Helper()
	s.Admin = "127.0.0.1:0"
	if s.Upstreams == nil {
		s.Upstreams = []string{upstream(t, mirror)}
	}
	if s.Contract == "" {
		s.Contract = keyed
	}
	g := start(t, s)
	g.waitReady()
	c, err := gateway.OpenAdmin("http://" + g.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	return g, c
}

// waitReady returns as soon as the admin listener answers; its token is there then.
func (g *running) waitReady() {
	g.t.Helper()
	resp, err := g.client.Get("http://" + g.AdminAddr() + "/healthz")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		g.t.Fatal(resp.Status)
	}
}

func (g *running) newKey(c *gateway.AdminClient, n admission.NewKey) string {
	g.t.Helper()
	secret, _, err := c.CreateKey(g.t.Context(), n)
	if err != nil {
		g.t.Fatal(err)
	}
	return secret
}

func TestKeysOverAdmin(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	ctx := t.Context()
	secret, key, err := c.CreateKey(ctx, admission.NewKey{Account: "acme", Name: "first", Permissions: []string{}})
	if err != nil || key.Account != "acme" || !strings.HasPrefix(secret, key.Start) || len(key.Permissions) != 0 {
		t.Fatalf("%q %+v %v", secret, key, err)
	}
	if resp, body := g.get("/item", "X-Api-Key", secret); resp.StatusCode != 200 {
		t.Errorf("the new key: %d %s", resp.StatusCode, body)
	}
	hash := sha256.Sum256([]byte("from elsewhere"))
	imported, err := c.ImportKeys(ctx, []admission.Imported{
		{NewKey: admission.NewKey{Account: "acme"}, SHA256: hex.EncodeToString(hash[:]), Start: "from"},
		{NewKey: admission.NewKey{Account: "other"}, Plain: "another-key"},
	})
	if err != nil || len(imported) != 2 || imported[0].Err != nil || imported[1].Err != nil || imported[1].Key.Account != "other" {
		t.Fatalf("%+v %v", imported, err)
	}
	for _, k := range []string{"from elsewhere", "another-key"} {
		if resp, body := g.get("/item", "Authorization", "Bearer "+k); resp.StatusCode != 200 {
			t.Errorf("imported key: %d %s", resp.StatusCode, body)
		}
	}
	if keys, err := c.Keys(ctx, "acme"); err != nil || len(keys) != 2 {
		t.Errorf("%+v %v", keys, err)
	}
	if keys, err := c.Keys(ctx, ""); err != nil || len(keys) != 3 {
		t.Errorf("%+v %v", keys, err)
	}
	if k, err := c.RevokeKey(ctx, key.ID); err != nil || k.State != admission.KeyRevoked {
		t.Errorf("%+v %v", k, err)
	}
	resp, body := g.get("/item", "X-Api-Key", secret)
	wantFault(t, resp, body, 401, "unauthorized")
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"no such key":    {second(c.RevokeKey(ctx, "key_none")), admission.ErrNoKey},
		"bad permission": {third(c.CreateKey(ctx, admission.NewKey{Account: "a", Permissions: []string{"fly"}})), admission.ErrInvalid},
		"no account":     {second(c.Account(ctx, "nobody")), admission.ErrNoAccount},
		"bad plan":       {second(c.SetPlan(ctx, "acme", "huge")), admission.ErrInvalid},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
		if _, ok := errors.AsType[*failwell.Error](c.err); !ok {
			t.Errorf("%s: %T is no *failwell.Error", name, c.err)
		}
	}
	again, err := c.ImportKeys(ctx, []admission.Imported{
		{NewKey: admission.NewKey{Account: "other"}, Plain: "another-key"}, {NewKey: admission.NewKey{Account: "other"}},
		{NewKey: admission.NewKey{Account: "other"}, Plain: "a-third-key"},
	})
	if err != nil || len(again) != 3 || !errors.Is(again[0].Err, admission.ErrKeyExists) || !errors.Is(again[1].Err, admission.ErrInvalid) || again[2].Err != nil {
		t.Errorf("an import goes on: %+v %v", again, err)
	}
	for _, id := range []string{"acme", "brand-new"} {
		if a, err := c.SetPlan(ctx, id, "large"); err != nil || a.Plan != "large" {
			t.Errorf("%+v %v", a, err)
		}
	}
	if all, err := c.Accounts(ctx); err != nil || len(all) != 3 {
		t.Errorf("%+v %v", all, err)
	}
	if s, err := c.Status(ctx); err != nil || s.API != "open" || len(s.Upstreams) != 1 || s.Responses["4xx"] != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func TestAdminListenerIsGuarded(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	for name, x := range map[string]struct {
		method, path, token, host, origin string
		status                            int
	}{
		"no token":         {"GET", "/v1/status", "", "", "", 401},
		"wrong token":      {"GET", "/v1/status", "wrong", "", "", 401},
		"token":            {"GET", "/v1/status", c.Token, "", "", 200},
		"localhost":        {"GET", "/v1/status", c.Token, "localhost:8081", "", 200},
		"rebound name":     {"GET", "/v1/status", c.Token, "evil.example", "", 403},
		"rebound health":   {"GET", "/healthz", "", "evil.example", "", 403},
		"from a browser":   {"POST", "/v1/keys", c.Token, "", "http://evil.example", 403},
		"health":           {"GET", "/healthz", "", "", "", 200},
		"ready":            {"GET", "/readyz", "", "", "", 200},
		"two slashes":      {"GET", "//healthz", "", "", "", 404},
		"dots":             {"GET", "/v1/../healthz", "", "", "", 404},
		"unknown path":     {"GET", "/nothing", c.Token, "", "", 404},
		"wrong method":     {"PUT", "/v1/status", c.Token, "", "", 405},
		"no body":          {"POST", "/v1/keys", c.Token, "", "", 400},
		"import elsewhere": {"GET", "/v1/keys/import", c.Token, "", "", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), x.method, "http://"+g.AdminAddr()+x.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if x.token != "" {
				r.Header.Set("Authorization", "Bearer "+x.token)
			}
			if x.host != "" {
				r.Host = x.host
			}
			if x.origin != "" {
				r.Header.Set("Origin", x.origin)
			}
			resp, err := g.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != x.status {
				t.Errorf("got %d %s", resp.StatusCode, body)
			}
			if x.status >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %s", resp.Header.Get("Content-Type"), body)
			}
		})
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	file, err := gateway.TokenFile(g.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if token, err := gateway.ReadToken(strings.Replace(g.AdminAddr(), "127.0.0.1", "localhost", 1)); err != nil || token != c.Token {
		t.Errorf("%q %v", token, err)
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the token is still there: %v", err)
	}
	if strings.Contains(g.logs.String(), c.Token) {
		t.Error("the token is in the log")
	}
}

func TestAdminStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	s := gateway.Settings{Contract: open, Upstreams: []string{"http://127.0.0.1:1"}}
	for admin, scope := range map[string]string{"0.0.0.0:8081": "", ":8081": "", "192.0.2.1:8081": "loopback", "[::]:8081": ""} {
		s.Admin, s.AdminScope = admin, scope
		if err := s.Check(); err == nil {
			t.Errorf("%s is accepted", admin)
		}
		s.AdminScope = "any"
		if err := s.Check(); err != nil {
			t.Errorf("%s is refused: %v", admin, err)
		}
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: open, Upstreams: []string{nobody(t)}})
	for range 3 {
		resp, body := g.get("/")
		wantFault(t, resp, body, 502, "unreachable")
	}
	state, err := c.Ready(t.Context())
	if err != nil || state.Ready || fmt.Sprint(state.Why) != "[no upstream is healthy]" {
		t.Errorf("%+v %v", state, err)
	}
}

// TestIdentityAndCredentials looks at what an upstream learns of a caller.
func TestIdentityAndCredentials(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		credentials, identity string
		strips, tells         bool
	}{
		"default": {"", "", true, true},
		"other":   {"pass", "off", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := startWithAdmin(t, gateway.Settings{Credentials: x.credentials, Identity: x.identity})
			secret := g.newKey(c, admission.NewKey{Account: "acme"})
			if _, err := c.SetPlan(context.Background(), "acme", "large"); err != nil {
				t.Fatal(err)
			}
			for _, way := range [][3]string{{"/item?a=1&b=%20", "X-Api-Key", secret}, {"/item?a=1&b=%20", "Authorization", "bearer " + secret}, {"/item?a=1&api_key=" + secret + "&b=%20", "X-Other", "1"}} {
				h := g.seen(way[0], way[1], way[2])
				kept := strings.Contains(fmt.Sprint(h), secret)
				if kept == x.strips {
					t.Errorf("%v: the upstream saw %v", way[:2], h)
				}
				if x.strips && h.Get("Query") != "a=1&b=%20" {
					t.Errorf("query %q", h.Get("Query"))
				}
				if tells := h.Get("X-Failwell-Account") == "acme" && h.Get("X-Failwell-Plan") == "large" && h.Get("X-Failwell-Key-Id") != ""; tells != x.tells {
					t.Errorf("the upstream saw %v", h)
				}
			}
			// Where the gateway asks for no key, what stands there is the upstream's.
			if h := g.seen("/open", "Authorization", "Basic dXNlcg=="); h.Get("Authorization") != "Basic dXNlcg==" {
				t.Errorf("the upstream saw %v", h)
			}
		})
	}
}

// decoded reads an error as a client with the contract does.
func decoded(t *testing.T, c *contract.Contract, resp *http.Response, body string) contract.Failure {
	t.Helper()
	f, ok := c.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: []byte(body)}, time.Now())
	if !ok {
		t.Fatalf("%s: no failure in %d %q", c.API, resp.StatusCode, body)
	}
	return f
}

func TestAdminErrorsAreProblems(t *testing.T) {
	t.Parallel()
	g, _ := startWithAdmin(t, gateway.Settings{})
	resp, err := g.client.Get("http://" + g.AdminAddr() + "/v1/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	problem, err := builtin.Get("problem")
	if err != nil {
		t.Fatal(err)
	}
	if f := decoded(t, problem, resp, string(body)); f.Code == nil || f.Condition != failwell.KeyMissing || f.RequestID == "" {
		t.Errorf("%+v", f)
	}
}
