package console_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/console"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
)

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for _, path := range []string{"", "requests", "requests/x", "keys", "accounts", "plans", "contract", "audit", "tokens"} {
		if code, body := s.get("/console/" + path); code != http.StatusOK || !strings.Contains(body, "Token of the admin API") {
			t.Errorf("%s without a session: %d %.200s", path, code, body)
		}
	}
	if code, body := s.send(http.MethodGet, "/console/live", nil, "Accept", "text/event-stream"); code != http.StatusUnauthorized || !strings.Contains(body, "key_missing") {
		t.Errorf("the stream without a session: %d %s", code, body)
	}
	if code, body := s.send(http.MethodPost, "/console/keys", url.Values{"account": {"acme"}}); code != http.StatusUnauthorized {
		t.Errorf("a change without a session: %d %s", code, body)
	}
	_, form := s.get("/console/sign-in")
	if code, body := s.send(http.MethodPost, "/console/sign-in", url.Values{"token": {"wrong"}, "csrf": {s.word(form)}}); code != http.StatusUnauthorized || !strings.Contains(body, "No such token") {
		t.Errorf("a wrong token: %d %s", code, body)
	}
	if code, _ := s.send(http.MethodPost, "/console/sign-in", url.Values{"token": {s.gateway.AdminToken()}, "csrf": {"guessed"}}); code != http.StatusForbidden {
		t.Errorf("signing in from another page: %d", code)
	}
	s.signIn(s.gateway.AdminToken())
	if code, body := s.get("/console/keys"); code != http.StatusOK || !strings.Contains(body, "No keys.") {
		t.Errorf("with a session: %d %.200s", code, body)
	}
	if code, body := s.change("/console/sign-out"); code != http.StatusOK || !strings.Contains(body, "Token of the admin API") {
		t.Errorf("signing out: %d %.200s", code, body)
	}
	if _, body := s.get("/console/keys"); !strings.Contains(body, "Token of the admin API") {
		t.Errorf("after signing out: %.200s", body)
	}
}

// TestInvitations: a link signs in once, and brings nobody in later.
func TestInvitations(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now()
	s := open(t, func(c *console.Console) {
		c.Clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	link := s.Invite(s.gateway.AdminToken())
	if strings.Contains(link, s.gateway.AdminToken()) {
		t.Fatal("the link holds the token")
	}
	if code, body := s.get(link); code != http.StatusOK || !strings.Contains(body, `http-equiv="refresh"`) {
		t.Fatalf("%d %s", code, body)
	}
	if _, body := s.get("/console/"); !strings.Contains(body, "Sign out") {
		t.Errorf("the link has signed nobody in: %.300s", body)
	}
	s.browser.Jar = nil
	if _, body := s.get(link); !strings.Contains(body, "has been used") {
		t.Errorf("a link used twice: %.300s", body)
	}
	late := s.Invite(s.gateway.AdminToken())
	mu.Lock()
	now = now.Add(11 * time.Minute)
	mu.Unlock()
	if _, body := s.get(late); !strings.Contains(body, "too old") {
		t.Errorf("a link that is too old: %.300s", body)
	}
	code, body := s.send(http.MethodPost, "/console/invitations", nil, "Authorization", "Bearer "+s.gateway.AdminToken())
	var made struct {
		Path string `json:"path"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || code != http.StatusCreated || !strings.HasPrefix(made.Path, "/console/sign-in?invitation=") {
		t.Errorf("a link asked for: %d %s", code, body)
	}
	if code, body := s.send(http.MethodPost, "/console/invitations", nil, "Authorization", "Bearer nonsense"); code != http.StatusUnauthorized || !strings.Contains(body, "key_unknown") {
		t.Errorf("a link asked for without a token: %d %s", code, body)
	}
}

// TestChangesAreTheSessionsOwn: no other page can make a browser change things,
// and who may only read cannot either.
func TestChangesAreTheSessionsOwn(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	_, page := s.get("/console/keys")
	word := s.word(page)
	form := url.Values{"account": {"acme"}, "csrf": {word}}
	for name, x := range map[string]struct {
		form   url.Values
		header []string
	}{
		"no word":             {url.Values{"account": {"acme"}}, nil},
		"a wrong word":        {url.Values{"account": {"acme"}, "csrf": {"guessed"}}, nil},
		"another site":        {form, []string{"Sec-Fetch-Site", "cross-site"}},
		"a site beside it":    {form, []string{"Sec-Fetch-Site", "same-site"}},
		"another origin":      {form, []string{"Origin", "http://evil.example"}},
		"another port's page": {form, []string{"Origin", "http://127.0.0.1:1"}},
	} {
		if code, body := s.send(http.MethodPost, "/console/keys", x.form, x.header...); code != http.StatusForbidden {
			t.Errorf("%s: %d %.200s", name, code, body)
		}
	}
	reading, _, err := s.admin.CreateToken(t.Context(), "support", gateway.RoleRead, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s.signIn(reading)
	if _, body := s.get("/console/keys"); strings.Contains(body, "Make a key") {
		t.Error("who may only read is offered to make a key")
	}
	if _, body := s.change("/console/keys", "account", "sneaky"); !strings.Contains(body, "role") && !strings.Contains(body, "may not") {
		t.Errorf("who may only read makes a key: %.600s", body)
	}
	if _, err := s.admin.Account(t.Context(), "sneaky"); err == nil {
		t.Error("a key was made by who may only read")
	}
}

// TestEndedTokensEndSessions: a session is worth as much as its token.
func TestEndedTokensEndSessions(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	secret, token, err := s.admin.CreateToken(t.Context(), "support", gateway.RoleRead, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s.signIn(secret)
	if _, err := s.admin.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	if _, body := s.get("/console/keys"); !strings.Contains(body, "Token of the admin API") {
		t.Errorf("%.300s", body)
	}
}

// TestKeysInTheConsole goes through the life of a key, without a script.
func TestKeysInTheConsole(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	code, body := s.change("/console/keys", "account", "acme", "name", "first", "environment", "live", "permission", "read")
	if code != http.StatusOK || !strings.Contains(body, "The new key") {
		t.Fatalf("%d %s", code, body)
	}
	secret := between(body, `<code id="secret">`, `</code>`)
	call := func(secret string) int {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.gateway.URL()+"/v1/usage", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		resp, err := s.browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := call(secret); got != http.StatusNoContent {
		t.Fatalf("the new key %q gets %d", secret, got)
	}
	keys, err := s.admin.Keys(t.Context(), "acme")
	if err != nil || len(keys) != 1 || !slices.Equal(keys[0].Permissions, []string{"read"}) {
		t.Fatalf("%+v %v", keys, err)
	}
	path := "/console/keys/" + keys[0].ID
	if _, body := s.get(path); strings.Contains(body, secret) {
		t.Error("the secret is shown twice")
	}
	_, body = s.change(path+"/rotate", "overlap", "1h")
	next := between(body, `<code id="secret">`, `</code>`)
	if next == "" || next == secret || call(next) != http.StatusNoContent || call(secret) != http.StatusNoContent {
		t.Errorf("rotated to %q: %.300s", next, body)
	}
	for _, x := range []struct {
		change, shows string
		want          int
	}{{"deactivate", "deactivated", 401}, {"reactivate", "switched on", 204}, {"revoke", "revoked", 401}, {"reactivate", "revoked", 401}} {
		if _, body := s.change(path + "/" + x.change); !strings.Contains(body, x.shows) {
			t.Errorf("%s: %.900s", x.change, body)
		}
		if got := call(secret); got != x.want {
			t.Errorf("after %s: %d, want %d", x.change, got, x.want)
		}
	}
	if code, _ := s.change(path + "/explode"); code != http.StatusNotFound {
		t.Errorf("a change that nobody knows: %d", code)
	}
	if code, _ := s.get("/console/keys/key_nobody"); code != http.StatusNotFound {
		t.Errorf("a key that is not there: %d", code)
	}
	entries, err := s.admin.Audit(t.Context(), "", 0)
	if err != nil || len(entries) != 6 || entries[0].Action != "key.reactivate" || entries[0].Result != "refused" {
		t.Errorf("%+v %v", entries, err)
	}
	if _, body := s.get("/console/audit"); strings.Count(body, "key.rotate") != 1 || strings.Contains(body, next) {
		t.Errorf("the audit log: %s", body)
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// TestAccountsInTheConsole: a payment that is sent twice counts once.
func TestAccountsInTheConsole(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	if _, body := s.change("/console/accounts", "id", "acme", "name", "Acme", "plan", "pro"); !strings.Contains(body, "The account is open.") {
		t.Fatalf("%s", body)
	}
	if _, body := s.change("/console/accounts", "id", "acme"); !strings.Contains(body, "exists already") {
		t.Errorf("opened twice: %.900s", body)
	}
	if _, body := s.change("/console/accounts/acme/standing", "plan", "free", "state", "suspended", "name", "Acme Inc."); !strings.Contains(body, "suspended") || !strings.Contains(body, "Acme Inc.") {
		t.Errorf("%.900s", body)
	}
	if _, body := s.change("/console/accounts/acme/standing", "plan", "huge", "state", "active"); !strings.Contains(body, "no such plan") {
		t.Errorf("a plan that is not there: %.900s", body)
	}
	if _, err := s.admin.Charge(t.Context(), "acme", "credits", 100, "c"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, body := s.change("/console/accounts/acme/credit", "limit", "credits", "amount", "30", "payment", "once"); !strings.Contains(body, "30 credited") {
			t.Errorf("%.900s", body)
		}
	}
	limits, err := s.admin.Usage(t.Context(), "acme")
	if i := slices.IndexFunc(limits, func(u gateway.LimitUsage) bool { return u.Name == "credits" }); err != nil || i < 0 || limits[i].Used != 100 && limits[i].Used != 70 {
		t.Errorf("%+v %v", limits, err)
	}
	if code, body := s.get("/console/accounts?id=acme"); code != http.StatusOK || !strings.Contains(body, "How the limits of the account stand") {
		t.Errorf("found by its id: %d %.300s", code, body)
	}
}

// TestWithoutAScript: whoever pastes an id comes to its request, and searches
// have an address.
func TestWithoutAScript(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	key := s.key("acme")
	id := s.aCall(key)
	s.signIn(s.gateway.AdminToken())
	code, body := s.get("/console/requests?q=" + id)
	for _, want := range []string{"Requests of the same call", "Wait as long as Retry-After says", "The rate had <b>0</b> left of 60 per minute", "The caller was told to wait 2 s", "rate_limit_exceeded", `href="/errors/rate_limit_exceeded"`, "curl -i -X POST http://", "Authorization: Bearer $KEY"} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("the request by its id: %d, without %q", code, want)
		}
	}
	for query, want := range map[string]int{"status=4xx": 1, "status=503": 1, "failed=on": 2, "refused=on": 1, "account=acme": 3, "account=other": 0, "key=" + key.Start: 3, "code=rate_limit_exceeded": 1, "path=/v1/mem": 3, "q=/v1/mem": 3, "q=RATE_LIMIT": 1, "method=GET": 0, "window=1h": 3, "trace=4bf92f3577b34da6a3ce929d0e0e4736": 3} {
		if _, body := s.get("/console/requests?" + query); strings.Count(body, `<td class="what">`) != want {
			t.Errorf("%s finds %d, want %d", query, strings.Count(body, `<td class="what">`), want)
		}
	}
	for _, id := range []string{"nothing", strings.Repeat("x", 10<<10), "%00", "a%2Fb"} {
		if code, body := s.get("/console/requests/" + id); code != http.StatusNotFound || !strings.Contains(body, "No request has this id") || len(body) > 20_000 {
			t.Errorf("%.20s: %d, %d bytes", id, code, len(body))
		}
	}
	if _, body := s.get("/console/requests?cursor=nonsense"); !strings.Contains(body, "cannot be found any more") {
		t.Errorf("a cursor of nobody's: %.300s", body)
	}
}

// hostile is what a caller may put into every field that is shown.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'"{{.}}\u2028</textarea></title>` + "\x1b[31m\x00\xff\r\n"

// TestHostileText: text of callers is text, in pages and in streams.
func TestHostileText(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	now := time.Now()
	r := record.Record{
		ID: hostile, Time: now, Ended: now, Account: hostile, Key: hostile, KeyStart: hostile, Plan: hostile, Operation: hostile, Method: hostile, Path: "/" + hostile, Status: 429, Code: hostile,
		Condition: condition.Condition(hostile), Stage: record.Stage(hostile), Trace: hostile, Body: hostile, Cause: hostile, Node: hostile, Limits: []record.Limit{{Name: hostile, Kind: hostile, Period: hostile, Max: 1, Refused: true, Binding: true}},
		Tries: []record.Try{{To: hostile, Failed: hostile}}, Idempotency: record.Idempotency{State: record.IdempotencyState(hostile), Original: hostile, Hash: "h"},
	}
	lines, end := s.stream("/console/live?", "")
	defer end()
	s.records.Add(&r)
	r.ID += "2"
	s.records.Add(&r)
	pages := []string{"/console/", "/console/requests", "/console/requests/" + url.PathEscape(hostile), "/console/requests?" + url.Values{"q": {hostile}, "code": {hostile}, "account": {hostile}, "trace": {hostile}, "operation": {hostile}}.Encode()}
	if _, err := s.admin.PutAccount(t.Context(), accountOf(`<script>alert(1)</script>`)); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "/console/accounts", "/console/accounts/"+url.PathEscape(`<script>alert(1)</script>`), "/console/audit") {
		code, body := s.get(path)
		if code != http.StatusOK || strings.Contains(body, "<script>alert") || strings.Contains(body, "<img src=x") || strings.Contains(body, "</textarea></title>") {
			t.Errorf("%s: %d, and text runs: %s", path, code, around(body, "alert("))
		}
	}
	for line := range lines {
		if strings.Contains(line, "<script>alert") || strings.Contains(line, "<img src=x") {
			t.Errorf("in the stream: %s", line)
		}
		if strings.Contains(line, "alert") {
			break
		}
	}
	for _, c := range []struct{ in, want string }{{"/a;rm -rf", `'/a;rm -rf'`}, {"/$(id)", `'/$(id)'`}, {"/it's", `'/it'\''s'`}, {"/a\nb", `/a\x0ab'`}} {
		r.ID, r.Path, r.Method = "quoted", c.in, "GET"
		s.records.Add(&r)
		_, body := s.get("/console/requests/quoted")
		command := strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&amp;", "&", "&#43;", "+").Replace(between(body, `aria-label="Command that repeats the request"><code>`, "</code>"))
		if got := strings.Fields(command); !strings.Contains(command, strings.TrimPrefix(c.want, "'")) || got[0] != "curl" {
			t.Errorf("the command for %q: %s", c.in, command)
		}
	}
}

func around(s, what string) string {
	i := strings.Index(s, what)
	return s[max(i-100, 0):min(max(i, 0)+100, len(s))]
}

// TestHeaders: what protects pages is on each of them.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.signIn(s.gateway.AdminToken())
	for _, path := range []string{"/console/", "/console/sign-in", "/console/nothing", "/console/assets/console.js"} {
		resp, err := s.browser.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		csp := resp.Header.Get("Content-Security-Policy")
		if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") || resp.Header.Get("Referrer-Policy") != "no-referrer" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, resp.Header)
		}
		for _, c := range resp.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console/" {
				t.Errorf("%s sets %+v", path, c)
			}
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/console/sign-in", nil)
	r.Header.Set("X-Forwarded-Proto", "https")
	resp, err := s.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if c := resp.Cookies(); len(c) == 0 || !c[0].Secure {
		t.Errorf("over TLS: %+v", c)
	}
	r.Host, r.Header = "rebound.example", http.Header{}
	if resp, err = s.browser.Do(r); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("under a name of somebody else's: %s", resp.Status)
	}
	for _, to := range []string{"//evil.example", "//evil.example/console/", "https://evil.example/console/", "/console/../evil", "javascript:alert(1)", "/evil"} {
		if _, body := s.get("/console/sign-in?to=" + url.QueryEscape(to)); !strings.Contains(body, `name="to" value="/console/"`) {
			t.Errorf("%s: %s", to, around(body, `name="to"`))
		}
	}
}

// TestSandboxInTheConsole: faults apply, wrong ones are explained and kept to be
// corrected, and who may only read changes none.
func TestSandboxInTheConsole(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *console.Console) { c.Sandbox = standIn(t) })
	s.signIn(s.gateway.AdminToken())
	const script = "rules:\n  - {nth: 1, fault: {error: internal_error}}"
	if code, body := s.change("/console/sandbox", "do", "faults", "script", script); code != http.StatusOK || !strings.Contains(body, "In force.") || !strings.Contains(body, "internal_error") {
		t.Errorf("%d %s", code, around(body, "notice"))
	}
	if code, body := s.change("/console/sandbox", "do", "faults", "script", "rules:\n  - {nht: 1}"); code != http.StatusUnprocessableEntity || !strings.Contains(body, "{nht: 1}</textarea>") || !strings.Contains(between(body, `role="alert">`, "</p>"), "nht") {
		t.Errorf("%d %s", code, around(body, "notice"))
	}
	if code, body := s.change("/console/sandbox", "do", "clear"); code != http.StatusOK || !strings.Contains(body, "Nothing goes wrong on purpose.") {
		t.Errorf("%d %s", code, around(body, "notice"))
	}
	if code, body := s.change("/console/sandbox", "do", "backend", "backend", "down"); code != http.StatusOK || !strings.Contains(body, "<option selected>down</option>") {
		t.Errorf("%d %s", code, around(body, "select"))
	}
	if code, body := s.change("/console/sandbox", "do", "backend", "backend", "on fire"); code != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", code, around(body, "notice"))
	}
	reading, _, err := s.admin.CreateToken(t.Context(), "support", gateway.RoleRead, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s.signIn(reading)
	if code, body := s.change("/console/sandbox", "do", "backend", "backend", "up"); code != http.StatusForbidden {
		t.Errorf("%d %s", code, around(body, "notice"))
	}
	if _, body := s.get("/console/sandbox"); !strings.Contains(body, "<option selected>down</option>") || strings.Contains(body, "Apply") {
		t.Error("who may only read has changed something, or is offered to")
	}
	without := open(t, nil)
	without.signIn(without.gateway.AdminToken())
	if code, body := without.get("/console/sandbox"); code != http.StatusNotFound || strings.Contains(body, ">Sandbox<") {
		t.Errorf("without a sandbox: %d", code)
	}
}
