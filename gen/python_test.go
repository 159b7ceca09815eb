package gen_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/conform/vectors"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
)

// pythonTool is a program of the tests' own environment.
func pythonTool(t *testing.T, name string) string {
	t.Helper()
	tool, err := filepath.Abs(filepath.Join("..", ".tools", "venv", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("%v\nhint: make test installs it; scripts/ensure.sh e2e does so alone", err)
	}
	return tool
}

func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

func put(t *testing.T, dir string, files []gen.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// contractsOfVectors are all contracts that vectors name, and all built-in ones.
func contractsOfVectors(t *testing.T, cases []vectors.Case) map[string]*contract.Contract {
	t.Helper()
	all := map[string]*contract.Contract{}
	names := builtin.Names()
	for i := range cases {
		names = append(names, cases[i].Contract)
	}
	for _, name := range names {
		if all[name] != nil {
			continue
		}
		c, err := vectors.Contract(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = c
	}
	return all
}

func TestPythonPassesTheVectors(t *testing.T) {
	t.Parallel()
	cases, err := vectors.Load()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range contractsOfVectors(t, cases) {
		files, err := gen.Python(c, gen.Options{Package: name + "_client"})
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, files)
	}
	runner, err := filepath.Abs("testdata/python_vectors.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"sync", "threads", "httpx-sync", "httpx-async"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), pythonTool(t, "python"), runner, mode)
			cmd.Env = append(os.Environ(), "PYTHONPATH="+dir, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=error")
			var said bytes.Buffer
			var mu sync.Mutex
			cmd.Stderr = &said
			client, err := vectors.StartProcess(cmd)
			if err != nil {
				t.Fatal(err)
			}
			for i := range cases {
				c := &cases[i]
				t.Run(c.Name, func(t *testing.T) {
					mu.Lock()
					defer mu.Unlock()
					if err := vectors.Play(t.Context(), client, c); err != nil {
						t.Errorf("%s:%d: %v", c.Pos.File, c.Pos.Line, err)
					}
				})
			}
			if err := client.Close(); err != nil || said.Len() > 0 {
				t.Errorf("the program said: %s (%v)", said.String(), err)
			}
		})
	}
}

// What is generated is left alone by the formatter, and type-checks strictly.
func TestPythonIsTidy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var packages []string
	for name, c := range tidyContracts(t) {
		files, err := gen.Python(c, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), files)
		if name == "hebbrix" || name == "odd" { // the others have the same core
			packages = append(packages, filepath.Join(dir, name, gen.NamesInPython(c, gen.Options{}).Package))
		}
	}
	use, err := filepath.Abs("testdata/python_use.py")
	if err != nil {
		t.Fatal(err)
	}
	ruff := pythonTool(t, "ruff")
	command(t, dir, nil, ruff, "format", "--isolated", "--no-cache", "--target-version", "py310", "--check", "--diff", ".", use)
	command(t, dir, nil, ruff, "check", "--isolated", "--no-cache", "--target-version", "py310", ".", use)
	args := []string{"--strict", "--python-version", "3.10", "--cache-dir", filepath.Join(dir, "cache"), use}
	command(t, dir, []string{"MYPYPATH=" + filepath.Join(dir, "hebbrix")}, pythonTool(t, "mypy"), append(args, packages...)...)
}

// tidyContracts are the built-in contracts, and one that is hard to write.
func tidyContracts(t *testing.T) map[string]*contract.Contract {
	t.Helper()
	all := contractsOfVectors(t, nil)
	text, err := os.ReadFile("testdata/odd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if all["odd"], err = contract.Parse("odd.yaml", text); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPythonIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	for name, c := range tidyContracts(t) {
		first, err := gen.Python(c, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			again, err := gen.Python(c, gen.Options{})
			if diff := cmp.Diff(first, again); diff != "" || err != nil {
				t.Fatalf("%s: %v\n%s", name, err, diff)
			}
		}
	}
}

func TestPythonPackageIsInstalledAndUsed(t *testing.T) {
	t.Parallel()
	files, err := gen.Python(builtinContract(t, "hebbrix"), gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, venv := filepath.Join(dir, "package"), filepath.Join(dir, "venv")
	put(t, source, files)
	command(t, dir, nil, pythonTool(t, "python"), "-m", "venv", venv)
	python := filepath.Join(venv, "bin", "python")
	// The build tool is borrowed, so that nothing has to be fetched.
	tools := strings.TrimSpace(command(t, dir, nil, pythonTool(t, "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
	command(t, dir, []string{"PYTHONPATH=" + tools}, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-build-isolation", "--no-deps", source)
	use, err := filepath.Abs("testdata/python_use.py")
	if err != nil {
		t.Fatal(err)
	}
	server := newPythonServer(t)
	certificate := filepath.Join(dir, "certificate.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.secured.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"PYTHONDEVMODE=1", "PYTHONWARNINGS=error", "http_proxy=", "https_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=", "no_proxy="}
	out := command(t, dir, env, python, use, server.URL, server.secured.URL, certificate)
	if strings.TrimSpace(out) != "all is well" {
		t.Errorf("the script said: %s", out)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if keys := server.keys; len(keys) != 2 || keys[0] == "" || keys[0] != keys[1] {
		t.Errorf("the keys of two attempts are %q", keys)
	}
	if server.tunnels != 1 {
		t.Errorf("%d tunnels, want 1", server.tunnels)
	}
	if server.connections > 40 {
		t.Errorf("%d connections for 160 calls of 8 threads", server.connections)
	}
}

// pythonServer answers as Hebbrix would.
type pythonServer struct {
	*httptest.Server

	secured *httptest.Server

	mu          sync.Mutex
	keys        []string // of the calls to /twice
	connections int
	tunnels     int
}

func newPythonServer(t *testing.T) *pythonServer {
	t.Helper()
	s := &pythonServer{}
	mux := http.NewServeMux()
	answer := func(status int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	standard := func(code, message string) string {
		return `{"error":{"code":"` + code + `","message":"` + message + `","type":"t","status":1,"request_id":"req_0198c2d4"}}`
	}
	mux.HandleFunc("/missing", answer(404, "X-A", "b", standard("resource_not_found", "You sent mem_sk_0123456789abcdef.")))
	mux.HandleFunc("/limited", answer(429, "Retry-After", "7", standard("rate_limit_exceeded", "Slow.")))
	mux.HandleFunc("/invalid", answer(422, "X-A", "b", `{"detail":[{"loc":["body","content"],"msg":"field required","type":"value_error.missing"}]}`))
	mux.HandleFunc("/page", answer(502, "Content-Type", "text/html", "<html><head><title>Oops</title></head><body><h1>502 Bad Gateway</h1></body></html>"))
	mux.HandleFunc("/events", answer(200, "Content-Type", "text/event-stream",
		"\ufeff: hello\r\n\r\ndata: one\r\n\r\nid: 2\ndata: two\ndata:lines\n\nevent: error\ndata: "+standard("internal_error", "Broke.")+"\n\n"))
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: one\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/large", answer(200, "Connection", "close", strings.Repeat("z", 1<<20)))
	mux.HandleFunc("/stall", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // copying would answer before all is read
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/twice", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys = append(s.keys, r.Header.Get("Idempotency-Key")); len(s.keys) == 1 {
			answer(503, "Retry-After", "0.05", standard("internal_error", "Away."))(w, r)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	who := func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		_, _ = fmt.Fprintf(w, `{"authorized":%t,"host":%q}`, r.Header.Get("Authorization") != "", host)
	}
	mux.HandleFunc("/who", who)
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/who", http.StatusFound) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"/who")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	s.secured = httptest.NewUnstartedServer(http.HandlerFunc(who))
	s.secured.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that trusts nobody is part of the test
	s.secured.StartTLS()
	t.Cleanup(s.secured.Close)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect:
			s.tunnel(t, w, r)
		case r.URL.Host != "" && r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0":
			w.WriteHeader(http.StatusProxyAuthRequired)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.connections++
			s.mu.Unlock()
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// tunnel is a proxy's, to the server with TLS.
func (s *pythonServer) tunnel(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	if r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	s.mu.Lock()
	s.tunnels++
	s.mu.Unlock()
	up, err := net.Dial("tcp", s.secured.Listener.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	w.WriteHeader(http.StatusOK)
	down, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		_, _ = io.Copy(up, down) // until one side leaves
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
	_ = down.Close()
}
