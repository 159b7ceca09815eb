package browser_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/internal/browser"
)

// TestNothingIsLeft opens a page, and looks afterwards for what is left of it.
func TestNothingIsLeft(t *testing.T) {
	place, err := os.MkdirTemp("", "") //nolint:usetesting // Chromium makes a socket in it, whose path has room for 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(place)
	t.Setenv("TMPDIR", place)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'")
		_, _ = w.Write([]byte(`<title>begun</title><script>console.log("hello"); setTimeout(() => document.title = "done", 20)</script>`))
	}))
	defer server.Close()
	t.Run("page", func(t *testing.T) {
		p := browser.Open(t)
		said := p.Console()
		p.Do(chromedp.Navigate(server.URL))
		p.Until(`document.title === "done"`)
		p.Look(390, 844, "dark")
		p.Is(`innerWidth === 390 && matchMedia("(prefers-color-scheme: dark)").matches`)
		if got := p.Text(`Promise.resolve(document.title)`); got != "done" {
			t.Errorf("the title is %q", got)
		}
		if all := said(); len(all) != 1 {
			t.Errorf("the page said %q", all)
		}
		if found, _ := filepath.Glob(filepath.Join(place, "browser-*")); len(found) != 1 {
			t.Errorf("the browser's files are in %q, want one folder", found)
		}
	})
	left, err := os.ReadDir(place)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
