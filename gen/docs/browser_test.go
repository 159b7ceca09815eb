package docs_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take; the machine may be busy.
const patience = 30 * time.Second

// tab is a page in a browser.
type tab struct {
	*testing.T

	ctx context.Context
}

// open starts a browser.
func open(t *testing.T) *tab {
	t.Helper()
	allocator, end := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("no browser: %v; scripts/ensure.sh browser installs one", err)
	}
	return &tab{T: t, ctx: ctx}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// is fails unless an expression is true.
func (p *tab) is(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
	if err != nil || !out {
		p.Errorf("it is not so: %s (%v)", expression, err)
	}
}

// look sets width, height and colours.
func (p *tab) look(width, height int64, scheme string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.Fatal(err)
	}
}

// picture keeps what the page looks like, where go test -artifacts wants it.
func (p *tab) picture(name string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		p.Fatal(err)
	}
}

// The site in a browser: it filters, fits a phone, is reached by keyboard, and
// is complete without its script.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	s := site(t, get(t, "hebbrix"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mediaType, data, ok := s.Page(strings.TrimPrefix(r.URL.Path, "/"), r.Header.Get("Accept"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'")
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	p := open(t)
	for _, x := range []struct {
		name, page, scheme string
		width, height      int64
	}{
		{"index-light", "/", "light", 1280, 900},
		{"index-dark", "/", "dark", 1280, 900},
		{"index-phone", "/", "light", 390, 844},
		{"code-dark", "/feature_not_available", "dark", 1280, 900},
		{"code-phone", "/rate_limit_exceeded", "dark", 390, 844},
		{"limits-phone", "/guide/limits", "light", 390, 844},
		{"clients-light", "/guide/clients", "light", 1280, 900},
		{"shapes-light", "/guide/shapes", "light", 1280, 900},
		{"keys-light", "/guide/keys", "light", 1280, 900},
		{"writes-light", "/guide/repeated-writes", "light", 1280, 900},
		{"operations-light", "/guide/operations", "light", 1280, 900},
		{"statuses-light", "/guide/statuses", "light", 1280, 900},
	} {
		p.look(x.width, x.height, x.scheme)
		p.do(chromedp.Navigate(server.URL + x.page))
		p.is(`document.documentElement.scrollWidth <= innerWidth`)
		p.is(`document.querySelector(".menu").open === (innerWidth > 960)`)
		p.is(`document.querySelectorAll("h1").length === 1 && document.querySelectorAll("main, nav").length === 2`)
		p.is(contrast)
		p.picture(x.name)
	}
	p.look(1280, 900, "light")
	p.do(chromedp.Navigate(server.URL + "/"))
	p.do(press("/"))
	p.is(`document.activeElement.type === "search"`)
	p.do(typed("429 quota"))
	p.is(`[...document.querySelectorAll("tbody tr:not([hidden]) th a")].map((a) => a.textContent).join() === "quota_exceeded"`)
	p.is(`document.querySelector("[role=status]").textContent.startsWith("1 of ")`)
	p.do(chromedp.Navigate(server.URL + "/?q=memories"))
	p.is(`document.querySelector("[data-filter] input").value === "memories"`)
	p.do(chromedp.Navigate(server.URL + "/rate_limit_exceeded"))
	p.is(`document.querySelectorAll(".listing button").length === document.querySelectorAll(".listing").length`)
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{1280, 390} {
		p.look(width, 900, "light")
		p.do(chromedp.Navigate(server.URL + "/"))
		p.is(`document.querySelector(".search").offsetHeight === 0 && document.querySelectorAll("table tbody tr th a").length > 10`)
		p.is(`innerWidth < 960 || document.querySelector("nav li a").offsetHeight > 0`)
		p.picture(fmt.Sprintf("no-script-%d", width))
	}
}

// contrast: all text has the ratio that WCAG 2.2 asks for (success criterion
// 1.4.3).
const contrast = `(() => {
	const parts = (color) => color.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => {
		const f = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
		return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const back = parts(getComputedStyle(e).backgroundColor);
			if (back.length < 4 || back[3] > 0) return back;
		}
		return [255, 255, 255];
	};
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = walker.nextNode()); ) {
		const e = n.parentElement;
		if (!n.textContent.trim() || !e.offsetParent) continue;
		const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) throw new Error(n.textContent.trim() + " has a contrast of " + ratio.toFixed(2));
	}
	return true;
})()`

// press is a key that the page hears of.
func press(key string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.body.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}))`, key))
}

// typed fills in the field that has the focus.
func typed(value string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`{ const e = document.activeElement; e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); }`, value))
}
