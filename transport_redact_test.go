package failwell_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/failwell/failwell"
)

// Each credential is sent in its place, echoed by the server in every form, and
// then looked for in all that is kept.
func TestCredentialsAreTakenOutByValue(t *testing.T) {
	t.Parallel()
	const secret = `sk/live+"se&cr<et`
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secret))
	for name, place := range map[string]func(*http.Request){
		"bearer":             func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) },
		"basic":              func(r *http.Request) { r.Header.Set("Authorization", basic) },
		"conventional":       func(r *http.Request) { r.Header.Set("X-Api-Key", secret) },
		"contract's query":   func(r *http.Request) { r.URL.RawQuery = url.Values{"pass": {secret}, "page": {"2"}}.Encode() },
		"conventional query": func(r *http.Request) { r.URL.RawQuery = url.Values{"api_key": {secret}}.Encode() },
		"password":           func(r *http.Request) { r.URL.User = url.UserPassword("me", secret) },
		"cookie":             func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: secret, Quoted: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				value := secret
				if name == "cookie" { // quotes cannot stand in one
					value = strings.ReplaceAll(secret, `"`, "")
				}
				lookFor(t, value, place)
			})
		})
	}
}

func lookFor(t *testing.T, secret string, place func(*http.Request)) {
	t.Helper()
	quoted, _ := json.Marshal(secret) //nolint:errchkjson // a string
	escaped := ""
	for _, b := range []byte(secret) {
		escaped += fmt.Sprintf(`\u%04x`, b)
	}
	body := fmt.Sprintf(`{"error":{"code":"denied","message":"no %s, %s","details":{"sent":%s}},"request_id":"r %s","url":"?a=%s","php":"%s","path":"/a/%s"}`,
		quoted[1:len(quoted)-1], escaped, quoted, url.QueryEscape(secret), url.QueryEscape(secret), strings.NewReplacer("/", `\/`, `"`, `\"`).Replace(secret), url.PathEscape(secret))
	base := &script{steps: []step{
		{err: fmt.Errorf("proxy said: bad token %s", secret)},
		{status: 403, body: body, header: http.Header{"X-Echo": {secret}, "Set-Cookie": {"id=from_server"}}},
	}}
	var logged strings.Builder
	tr := &failwell.Transport{Contract: parcels(), Base: base, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	req := get(t.Context(), t)
	place(req)
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(resp.Body)
	if string(raw) != body {
		t.Error("the response itself was changed")
	}
	e := wanted(t, failwell.Check(resp, nil))
	if !errors.Is(e, failwell.PermissionDenied) || len(e.Attempts) != 2 {
		t.Errorf("got %v", e)
	}
	kept := map[string]string{
		"text": e.Error(), "log value": logLine(e), "logger": logged.String(), "address": e.URL, "body": string(e.Body),
		"header": fmt.Sprint(e.Header), "attempts": fmt.Sprint(e.Attempts), "failure": fmt.Sprintf("%+v", e.Failure), "everything": fmt.Sprintf("%#v", *e),
	}
	for where, text := range kept {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1]), escaped, strings.NewReplacer("/", `\/`, `"`, `\"`).Replace(secret), "from_server"} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the credential as %s: %s", where, form, text)
			}
		}
	}
}

// A word that only looks like a credential's name must not blank out the answer.
func TestShortConventionalValuesStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &script{steps: []step{{status: 403, body: `{"error":{"code":"denied","message":"sort by name"}}`}}}
		req := get(t.Context(), t)
		req.URL.RawQuery = "key=name"
		resp, err := (&failwell.Transport{Contract: parcels(), Base: base}).RoundTrip(req)
		if e := wanted(t, failwell.Check(resp, err)); e.Message != "sort by name" || e.URL != "http://parcels.example/parcels?key=redacted" {
			t.Errorf("%s: %q", e.URL, e.Message)
		}
	})
}

// Where the contract says that a parameter is a credential, a short one goes.
func TestShortDeclaredValuesGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &script{steps: []step{{status: 403, body: `{"error":{"code":"denied","message":"not q7Zx"}}`}}}
		req := get(t.Context(), t)
		req.URL.RawQuery = "pass=q7Zx"
		resp, err := (&failwell.Transport{Contract: parcels(), Base: base}).RoundTrip(req)
		if e := wanted(t, failwell.Check(resp, err)); e.Message != "not [redacted]" {
			t.Errorf("message %q", e.Message)
		}
	})
}

// Decoding undoes what hid a credential from a look at the bytes.
func TestDecodedTextIsCleanedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const secret = "sk_live_12345678"
		hidden := ""
		for _, b := range []byte(secret) {
			hidden += fmt.Sprintf("&#%d;", b)
		}
		base := &script{steps: []step{{
			status: 403, header: header("Content-Type", "application/xml"),
			body: "<Error><Code>AccessDenied</Code><Message>The key " + hidden + " may not</Message></Error>",
		}}}
		req := get(t.Context(), t)
		req.Header.Set("X-Api-Key", secret)
		resp, err := (&failwell.Transport{Base: base}).RoundTrip(req)
		if e := wanted(t, failwell.Check(resp, err)); e.Message != "The key [redacted] may not" {
			t.Errorf("message %q", e.Message)
		}
	})
}

// TestCredentialsOfEachCall: what a transport has prepared for one call's credentials
// never stands in for another's.
func TestCredentialsOfEachCall(t *testing.T) {
	t.Parallel()
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		body := fmt.Sprintf(`{"error":{"code":"denied","message":"no %s"}}`, req.Header.Get("Authorization"))
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"X-Echo": req.Header["Authorization"]}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	})
	transport := &failwell.Transport{Contract: parcels(), Base: base}
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			for range 50 {
				secret := fmt.Sprintf("key_live_%d_of_eight", n)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://parcels.example/v1/parcels", http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+secret)
				failed := failwell.Check(transport.RoundTrip(req))
				e, ok := errors.AsType[*failwell.Error](failed)
				if !ok || !strings.Contains(e.Error(), "[redacted]") || strings.Contains(fmt.Sprint(e, e.Header, string(e.Body), e.Attempts), secret) {
					t.Errorf("%s: got %v, %s", secret, failed, e.Body)
					return
				}
			}
		})
	}
	group.Wait()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
