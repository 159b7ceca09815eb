package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
)

// session is a command that runs until the test ends it.
type session struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan int
	ready  map[string]any
	log    *lines
	once   sync.Once
}

// lines is a log that tests wait for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *lines) await(t *testing.T, want string) {
	t.Helper()
	patience := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		text, more := l.text.String(), l.more
		l.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-patience:
			t.Fatalf("the log never said %q:\n%s", want, text)
		}
	}
}

// start runs a command that says in JSON when it is ready.
func start(t *testing.T, env map[string]string, args ...string) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	s := &session{t: t, cancel: cancel, ended: make(chan int, 1), log: &lines{more: make(chan struct{})}}
	c := &console{stdin: strings.NewReader(""), stdout: writer, stderr: s.log, getenv: func(name string) string { return env[name] }, exit: func(int) {}}
	go func() {
		code := run(ctx, append(args, "--json"), c)
		s.ended <- code
		_ = writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	if err != nil {
		t.Fatalf("%v never got ready: %v\n%s", args, err, s.log.text.String())
	}
	if err := json.Unmarshal(line, &s.ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	t.Cleanup(s.stop)
	return s
}

func (s *session) stop() {
	s.once.Do(func() {
		s.cancel()
		if code := <-s.ended; code != 0 {
			s.t.Errorf("ended with %d:\n%s", code, s.log.text.String())
		}
	})
}

func (s *session) url(name string) string { return s.ready[name].(string) }

func (s *session) key(name string) string {
	return s.ready["keys"].(map[string]any)[name].(string)
}

// call runs a command to its end.
func call(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	c := &console{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }, exit: func(int) {}}
	code = run(t.Context(), args, c)
	return out.String(), errs.String(), code
}

func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestSandboxServesWhatItPrints(t *testing.T) {
	s := start(t, nil, "sandbox", "heppu", "--listen", "127.0.0.1:0")
	for key, want := range map[string]int{"valid": 200, "read_only": 200, "revoked": 401, "expired": 401, "unknown": 401, "malformed": 401, "suspended": 403} {
		if status, body := get(t, s.url("url")+"/api/v1/agents", s.key(key)); status != want {
			t.Errorf("key %s: got %d %s, want %d", key, status, body, want)
		}
	}
	if want := s.url("url") + "/api/v1"; s.url("base_url") != want {
		t.Errorf("base_url is %s, want %s", s.url("base_url"), want)
	}
}

func TestUpShowsWhatItPromises(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	dir := t.TempDir()
	s := start(t, nil, "up", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--dir", dir)
	status, body := get(t, s.url("base_url")+"/agents", "")
	if status != 401 || !strings.Contains(body, `"code":"missing_api_key"`) {
		t.Errorf("without a key: %d %s", status, body)
	}
	if status, body := get(t, s.url("base_url")+"/agents", s.key("valid")); status != 200 {
		t.Errorf("with a key: %d %s", status, body)
	}
	stdout, stderr, code := call(t, "", "keys", "list", "--admin", s.url("admin"))
	if code != 0 || !strings.Contains(stdout, "org_main") {
		t.Errorf("keys list: %d %s%s", code, stdout, stderr)
	}
	s.stop()
	// The store of --dir stays, with its keys.
	stdout, stderr, code = call(t, "", "keys", "list", "--store", "pebble:"+dir, "--contract", "heppu")
	if code != 0 || !strings.Contains(stdout, "org_main") {
		t.Errorf("keys list afterwards: %d %s%s", code, stdout, stderr)
	}
}

func TestTriesNameRealKeys(t *testing.T) {
	s := start(t, nil, "sandbox", "heppu", "--listen", "127.0.0.1:0")
	keys := map[string]string{}
	for name := range s.ready["keys"].(map[string]any) {
		keys[name] = s.key(name)
	}
	list := tries("heppu", "http://h/api/v1", keys, "failwell")
	if len(list) != 5 {
		t.Errorf("there are %d things to try, not five", len(list))
	}
	for _, x := range list {
		if strings.Contains(x.line, "x-api-key: '") {
			t.Errorf("%s: a key is missing in %s", x.why, x.line)
		}
	}
}

func TestServeKeysAndReload(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") }))
	defer upstream.Close()
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "second") }))
	defer second.Close()
	dir := t.TempDir()
	spec, config := filepath.Join(dir, "contract.yaml"), filepath.Join(dir, "gateway.yaml")
	if _, stderr, code := call(t, "", "contract", "init", spec); code != 0 {
		t.Fatal(stderr)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("contract: " + spec + "\nupstream: " + upstream.URL + "\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n")
	s := start(t, nil, "serve", "--config", config, "--store", "memory:", "--log-format", "json")

	if status, body := get(t, s.url("url")+"/x", ""); status != 401 || !strings.Contains(body, "api_key_missing") {
		t.Errorf("without a key: %d %s", status, body)
	}
	secret, stderr, code := call(t, "", "keys", "create", "--admin", s.url("admin"), "--plan", "pro")
	if code != 0 || !strings.HasPrefix(secret, "ex_live_") {
		t.Fatalf("keys create: %d %s%s", code, secret, stderr)
	}
	secret = strings.TrimSpace(secret)
	if status, body := get(t, s.url("url")+"/x", secret); status != 200 || body != "first" {
		t.Errorf("with a key: %d %s", status, body)
	}
	if stdout, stderr, code := call(t, "a-key-from-elsewhere\n", "keys", "import", "--admin", s.url("admin")); code != 0 {
		t.Errorf("keys import: %s%s", stdout, stderr)
	}
	if status, body := get(t, s.url("url")+"/x", "a-key-from-elsewhere"); status != 200 {
		t.Errorf("with an imported key: %d %s", status, body)
	}

	// A bad file leaves everything as it is, a good one is taken over.
	hangup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	write("contract: " + spec + "\nupstraem: x\n")
	hangup()
	s.log.await(t, `did you mean \"upstream\"?`)
	if status, body := get(t, s.url("url")+"/x", secret); status != 200 || body != "first" {
		t.Errorf("after a bad reload: %d %s", status, body)
	}
	admin, err := gateway.OpenAdmin(s.url("admin"))
	if err != nil {
		t.Fatal(err)
	}
	if status, err := admin.Status(t.Context()); err != nil || status.Reload == nil || !strings.Contains(strings.Join(status.Reload.Faults, "\n"), "upstraem") {
		t.Errorf("the admin API does not show the refusal: %+v, %v", status.Reload, err)
	}
	write("contract: " + spec + "\nupstream: " + second.URL + "\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n")
	hangup()
	s.log.await(t, "reloaded")
	if status, body := get(t, s.url("url")+"/x", secret); status != 200 || body != "second" {
		t.Errorf("after a reload: %d %s", status, body)
	}
	s.stop()
	if _, stderr, code := call(t, "", "keys", "list", "--admin", s.url("admin")); code != 1 || !strings.Contains(stderr, "hint: start one") {
		t.Errorf("after the end: %d %s", code, stderr)
	}
}

func TestExplainIsBounded(t *testing.T) {
	t.Parallel()
	garbage := strings.Repeat("\x00\xff{[<\"garbage\"\n", 10<<20/16)
	began := time.Now()
	stdout, stderr, code := call(t, garbage, "explain", "--json")
	if took := time.Since(began); code != 0 || took > 30*time.Second { // seconds on a loaded machine, minutes where it is quadratic
		t.Errorf("10 MB took %v and ended with %d: %s%s", took, code, stdout, stderr)
	}
	if !strings.HasPrefix(stdout, `{"condition":null,`) {
		t.Errorf("got %s", stdout)
	}
}

func TestServeSaysThatAdminIsOff(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	s := start(t, nil, "serve", "--contract", "problem", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "off", "--store", "memory:")
	s.log.await(t, "serving on "+s.url("url")+", admin is off\n")
}

// The collector runs less often, and what memory there is stays the user's word.
func TestServeSetsNoMemoryLimit(t *testing.T) {
	const limit = 3 << 30
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	percent := debug.SetGCPercent(100)
	defer debug.SetGCPercent(percent)
	for gogc, want := range map[string]int{"": 400, "100": 100} {
		debug.SetGCPercent(100)
		tuneCollector(func(name string) string { return map[string]string{"GOGC": gogc}[name] })
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%q: %d percent, want %d", gogc, got, want)
		}
		if got := debug.SetMemoryLimit(-1); got != limit {
			t.Errorf("GOGC=%q: a memory limit of %d bytes, it was %d", gogc, got, int64(limit))
		}
	}
}

func TestThreadsBesideAnEmbeddedStore(t *testing.T) {
	for name, tc := range map[string]struct {
		env                       string
		present, processors, want int
	}{
		"two for each processor": {"", 4, 4, 8},
		"the user's word":        {"4", 4, 4, 4},
		"a quota of the machine": {"", 2, 8, 2},
		"done already":           {"", 8, 4, 8},
	} {
		got := threads(func(key string) string { return map[string]string{"GOMAXPROCS": tc.env}[key] }, tc.present, tc.processors)
		if got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
