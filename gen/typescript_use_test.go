package gen_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
)

// TestTypeScriptInstalled packs a generated package, installs it in a fresh
// project, and runs a program there that was compiled against its types.
func TestTypeScriptInstalled(t *testing.T) {
	t.Parallel()
	c, err := builtin.Get("hebbrix")
	if err != nil {
		t.Fatal(err)
	}
	files, err := gen.TypeScript(c, gen.Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	made, project := t.TempDir(), t.TempDir()
	writeFiles(t, made, files)
	run(t, made, tool(t, "tsc"))
	run(t, made, "npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", project)

	use, err := os.ReadFile("testdata/typescript_use.ts")
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, project, []gen.File{
		{Name: "package.json", Data: []byte(`{"private": true, "type": "module"}`)},
		{Name: "process.d.ts", Data: []byte("declare const process: { argv: string[] };\n")},
		{Name: "use.ts", Data: use},
	})
	run(t, project, "npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "./hebbrix-client-1.2.3.tgz")
	run(t, project, tool(t, "tsc"), "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable", "--types", "", "use.ts", "process.d.ts")
	server := httptest.NewServer(http.HandlerFunc(hebbrix))
	defer server.Close()
	if out := run(t, project, "node", filepath.Join(project, "use.js"), server.URL); !strings.Contains(out, "all holds") {
		t.Errorf("the program said %q", out)
	}
}

// hebbrix answers as the API would.
func hebbrix(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // so that the connection can be used again
	fail := func(status int, code, id string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"m","type":"t","status":%d,"request_id":"req_%s"}}`, code, status, id)
	}
	switch r.URL.Path {
	case "/v1/memories":
		fmt.Fprintf(w, `{"id":"mem_1","key":%q,"auth":%q}`, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"))
	case "/v1/memories/none":
		fail(http.StatusNotFound, "resource_not_found", "7")
	case "/v1/away":
		fail(http.StatusServiceUnavailable, "internal_error", "8")
	case "/v1/limited":
		w.Header().Set("Retry-After", "30")
		fail(http.StatusTooManyRequests, "rate_limit_exceeded", "1")
	case "/v1/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": hello\r\nid: 1\r\ndata: one\r\n\r\ndata: two\ndata: lines\n\nevent: error\n")
		_, _ = io.WriteString(w, `data: {"error":{"code":"internal_error","message":"m","type":"t","status":500,"request_id":"req_9"}}`+"\n\n")
	case "/v1/lines":
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, "{\"n\":1}\n\n{\"n\":2}\n"+`{"error":{"code":"internal_error","message":"m","type":"t","status":500,"request_id":"req_9"}}`+"\n")
	case "/v1/cut":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: begun\n\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}
}
