package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
)

// TestPublicOperationsStripOurKeys: a client that sends its key with every
// request does so to public operations as well. Whatever begins as the
// contract's keys do stays here; what is the upstream's own passes.
func TestPublicOperationsStripOurKeys(t *testing.T) {
	t.Parallel()
	for _, credentials := range []string{"strip", "pass"} {
		t.Run(credentials, func(t *testing.T) {
			t.Parallel()
			g, c := startWithAdmin(t, gateway.Settings{Credentials: credentials})
			secret := g.newKey(c, admission.NewKey{Account: "acme"})
			for name, x := range map[string]struct {
				header, value, query string
				ours                 bool
			}{
				"bearer":             {"Authorization", "Bearer " + secret, "", true},
				"other case":         {"Authorization", "bearer   " + secret, "", true},
				"without a scheme":   {"Authorization", secret, "", true},
				"header":             {"X-Api-Key", secret, "", true},
				"header, bearer":     {"X-Api-Key", "Bearer " + secret, "", true},
				"mistyped":           {"X-Api-Key", secret[:len(secret)-1] + "!", "", true},
				"cut off":            {"Authorization", "Bearer " + secret[:12], "", true},
				"query":              {"", "", "api_key=" + secret, true},
				"escaped":            {"", "", "api%5Fkey=" + strings.Replace(secret, "_", "%5F", 1), true},
				"another's bearer":   {"Authorization", "Bearer eyJhbGciOi.x.y", "", false},
				"another's basic":    {"Authorization", "Basic dXNlcjpwYXNz", "", false},
				"another's header":   {"X-Api-Key", "someone-elses", "", false},
				"another's in query": {"", "", "api_key=someone-elses", false},
			} {
				path := "/open?a=1"
				if x.query != "" {
					path += "&" + x.query
				}
				var header []string
				if x.header != "" {
					header = []string{x.header, x.value}
				}
				resp, body := g.get(path, header...)
				var seen http.Header
				if err := json.Unmarshal([]byte(body), &seen); err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s: %d %q", name, resp.StatusCode, body)
				}
				passed := x.header != "" && seen.Get(x.header) == x.value || x.query != "" && strings.Contains(seen.Get("Query"), x.query)
				if passed != (credentials == "pass" || !x.ours) {
					t.Errorf("%s: passed on: %v", name, passed)
				}
				if !strings.HasPrefix(seen.Get("Query"), "a=1") {
					t.Errorf("%s: the query is %q", name, seen.Get("Query"))
				}
			}
		})
	}
}

// TestTwoCredentials has ours beside another's, in two lines of one header.
func TestTwoCredentials(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	secret := g.newKey(c, admission.NewKey{Account: "acme"})
	resp, body := g.get("/open", "Authorization", "Basic dXNlcjpwYXNz", "Authorization", "Bearer "+secret)
	if resp.StatusCode != 200 || strings.Contains(body, secret) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// TestEscapedNameOfTheKey: whoever takes the key finds it under its unescaped
// name, and so does whoever removes it.
func TestEscapedNameOfTheKey(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	secret := g.newKey(c, admission.NewKey{Account: "acme"})
	resp, body := g.get("/item?api_key=" + secret + "&api%5Fkey=" + secret + "&b=%20")
	if resp.StatusCode != 200 || strings.Contains(body, secret) || !strings.Contains(body, `"Query":["b=%20"]`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// TestPreflightsReachTheUpstream: browsers send no key when they ask whether
// they may call, and the service behind knows the answer.
func TestPreflightsReachTheUpstream(t *testing.T) {
	t.Parallel()
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Methods", r.Method+" asked")
		w.WriteHeader(http.StatusNoContent)
	})
	g := start(t, gateway.Settings{Contract: keyed, Upstreams: []string{up}})
	for name, x := range map[string]struct {
		path   string
		header []string
		status int
	}{
		"asked":            {"/item", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 204},
		"no such path":     {"/nothing", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}, 404},
		"no such method":   {"/item", []string{"Origin", "https://app.example", "Access-Control-Request-Method", "DELETE"}, 405},
		"no question":      {"/item", []string{"Origin", "https://app.example"}, 405},
		"nobody's browser": {"/item", []string{"Access-Control-Request-Method", "POST"}, 405},
	} {
		resp, body := g.do(g.request(http.MethodOptions, x.path, nil, x.header...))
		if resp.StatusCode != x.status || (resp.Header.Get("Access-Control-Allow-Methods") == "OPTIONS asked") != (x.status == 204) {
			t.Errorf("%s: got %d %q", name, resp.StatusCode, body)
		}
	}
}
