package gen_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
	"github.com/failwell/failwell/internal/browser"
)

// page uses the package as a browser loads it: unbundled modules.
const page = `<!doctype html><title>begun</title><script type="module">
import { Client, codes, conditions, HebbrixError } from "/dist/index.js";
const waits = [];
const client = new Client({ baseURL: location.origin, sleep: async (ms) => { waits.push(ms); } });
const said = [];
const made = await client.json("POST", "/v1/memories", { content: "x" });
said.push(/^[0-9a-f-]{36}$/.test(made.key) ? "key" : "no key");
try { await client.fetch("/v1/limited"); } catch (error) {
  said.push(error instanceof codes.RateLimitExceeded, error instanceof conditions.RateLimited, error instanceof HebbrixError);
  said.push(error.requestId, waits.join(" "));
}
try { await client.fetch("/v1/gone", { method: "DELETE" }); } catch (error) { said.push(error.condition, error.stopped, error.origin); }
document.title = said.join(",");
</script>`

// TestTypeScriptInBrowser has a real browser load a generated package and call with it.
func TestTypeScriptInBrowser(t *testing.T) {
	t.Parallel()
	c, err := builtin.Get("hebbrix")
	if err != nil {
		t.Fatal(err)
	}
	files, err := gen.TypeScript(c, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFiles(t, dir, files)
	run(t, dir, tool(t, "tsc"))

	mux := http.NewServeMux()
	mux.HandleFunc("/", hebbrix)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	})
	mux.Handle("GET /dist/", http.StripPrefix("/dist/", http.FileServer(http.Dir(filepath.Join(dir, "dist")))))
	mux.HandleFunc("/v1/gone", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(mux)
	defer server.Close()

	p := browser.Open(t)
	p.Do(chromedp.Navigate(server.URL))
	p.Until(`document.title !== "begun"`)
	title := p.Text(`document.title`)
	// Hebbrix repeats a lost connection under a key only, and DELETE has none.
	want := "key,true,true,true,1," + strings.TrimSpace(strings.Repeat("30000 ", 4)) + ",upstream_unreachable,unsafe,client side"
	if title != want {
		t.Errorf("the page says\n%s, want\n%s", title, want)
	}
}
