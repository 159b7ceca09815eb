package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store"
)

// TestRecordsAreLookedUp is the walk of somebody who has an error and its id: at
// the running gateway, then in its store when it has ended.
func TestRecordsAreLookedUp(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	dir := "pebble:" + filepath.Join(t.TempDir(), "data")
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer up.Close()
	s := start(t, nil, "serve", "--contract", "heppu", "--upstream", up.URL, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", dir)
	admin := s.url("admin")
	hostile := "/api/v1/agents/\x1b]0;owned\x07\u202egpj"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.URL.Path, r.Header = hostile, http.Header{"X-Request-Id": {"mine"}}
	send := func() {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("url")+r.URL.EscapedPath(), nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header = r.Header
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		r.Header["X-Request-Id"] = []string{resp.Header.Get("X-Request-Id")}
	}
	send()
	id := r.Header.Get("X-Request-Id")
	look := func(place ...string) {
		t.Helper()
		out, errs, code := call(t, "", append([]string{"trace", id}, place...)...)
		for _, want := range []string{
			"401  GET /api/v1/agents/\\x1b]0;owned\\x07\\u202egpj", "A caller without a key that is known sent GET", "It was refused with 401, key_missing.",
			"  key    stopped, key_missing\n\n", "what to do", "again, with the key in $KEY", "$KEY\"",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %d, no %q in\n%s%s", place, code, want, out, errs)
			}
		}
		harmless(t, out)
		out, _, _ = call(t, "", append([]string{"log", "--status", "4xx", "--path", "/api/v1/agents"}, place...)...)
		if !strings.Contains(out, id) || strings.Count(out, "\n") != 1 {
			t.Errorf("log: %s", out)
		}
		harmless(t, out)
		out, _, _ = call(t, "", append([]string{"log", "--json", "--failed"}, place...)...)
		var one record.Record
		if err := json.Unmarshal([]byte(out), &one); err != nil || one.ID != id || one.Path != hostile {
			t.Errorf("%v: %s", err, out)
		}
		harmless(t, out)
		if _, errs, code := call(t, "", append([]string{"trace", "nobody"}, place...)...); code != 1 || !strings.Contains(errs, "no record of this request\nhint: ") {
			t.Errorf("%d %s", code, errs)
		}
	}
	look("--admin", admin)
	follow(t, admin, send)
	s.stop()
	out, errs, code := call(t, "", "log", "--store", dir)
	if strings.Count(out, "\n") != 2 {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if out, _, _ = call(t, "", "trace", id, "--store", dir, "-c", "heppu"); !strings.Contains(out, "key_missing") {
		t.Error(out)
	}
	for _, c := range []struct{ args, want string }{
		{"log --status soon", "--status cannot be \"soon\"\nhint: write for example 429, 4xx or 400-499"},
		{"log --since yesterdayish", "hint: write a span such as 15m"},
		{"log --limit=-1", "--limit cannot be -1"},
		{"trace x --store memory:", "the store memory: is gone"},
	} {
		if _, errs, code := call(t, "", strings.Fields(c.args)...); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", c.args, code, errs)
		}
	}
}

// follow reads what comes from a log that follows.
func follow(t *testing.T, admin string, send func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		c := &console{stdin: strings.NewReader(""), stdout: writer, stderr: io.Discard, getenv: func(string) string { return "" }, exit: func(int) {}}
		ended <- run(ctx, []string{"log", "--json", "-f", "--limit", "1", "--admin", admin}, c)
	}()
	decoder := json.NewDecoder(reader)
	var first, second record.Record
	if err := decoder.Decode(&first); err != nil {
		t.Fatal(err)
	}
	client, err := gateway.OpenAdmin(admin)
	if err != nil {
		t.Fatal(err)
	}
	for {
		status, err := client.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status.Records.Followers == 1 {
			break
		}
	}
	send()
	if err := decoder.Decode(&second); err != nil || !second.Ended.After(first.Ended) {
		t.Errorf("%v: %v, then %v", err, first.Ended, second.Ended)
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d", code)
	}
}

// harmless fails for what a terminal would obey.
func harmless(t *testing.T, out string) {
	t.Helper()
	for _, r := range out {
		if r != '\n' && wild(r) {
			t.Errorf("%U is in %q", r, out)
			return
		}
	}
}

// TestTamedTextIsHarmless: whatever is recorded, and nothing else is changed.
func TestTamedTextIsHarmless(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, ünïcode 漢字": "plain, ünïcode 漢字", "\x1b[2J": `\x1b[2J`, "a\u009b31mb": `a\u009b31mb`, "x\u202ey": `x\u202ey`, "\xff\n": `\xff\x0a`, "\uFFFD": "\uFFFD", "\x7f": `\x7f`,
	} {
		if got := tamed(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	s := &gateway.Story{Record: record.Record{Path: "\x1b", Limits: []record.Limit{{Name: "\x1b"}}}, Error: &gateway.StoryError{Message: "\x1b"}, Curl: "\x1b"}
	tame(s)
	if s.Record.Path+s.Record.Limits[0].Name+s.Error.Message+s.Curl != strings.Repeat(`\x1b`, 4) {
		t.Errorf("%+v", s)
	}
}

// TestReadingRecordsWritesNothing: a look into a store leaves it as it is.
func TestReadingRecordsWritesNothing(t *testing.T) {
	t.Parallel()
	s := &store.Memory{}
	l := &record.Log{Store: s}
	if _, err := l.Search(t.Context(), record.Query{}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page, err := s.Scan(t.Context(), "", "", 10); err != nil || len(page) != 0 {
		t.Errorf("%v %v", page, err)
	}
}
