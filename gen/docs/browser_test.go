package docs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/internal/browser"
)

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
	p := browser.Open(t)
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
		p.Look(x.width, x.height, x.scheme)
		p.Do(chromedp.Navigate(server.URL + x.page))
		p.Is(`document.documentElement.scrollWidth <= innerWidth`)
		p.Is(`document.querySelector(".menu").open === (innerWidth > 960)`)
		p.Is(`document.querySelectorAll("h1").length === 1 && document.querySelectorAll("main, nav").length === 2`)
		p.Is(contrast)
		p.Picture(x.name)
	}
	p.Look(1280, 900, "light")
	p.Do(chromedp.Navigate(server.URL + "/"))
	p.Do(press("/"))
	p.Is(`document.activeElement.type === "search"`)
	p.Do(typed("429 quota"))
	p.Is(`[...document.querySelectorAll("tbody tr:not([hidden]) th a")].map((a) => a.textContent).join() === "quota_exceeded"`)
	p.Is(`document.querySelector("[role=status]").textContent.startsWith("1 of ")`)
	p.Do(chromedp.Navigate(server.URL + "/?q=memories"))
	p.Is(`document.querySelector("[data-filter] input").value === "memories"`)
	p.Do(chromedp.Navigate(server.URL + "/rate_limit_exceeded"))
	p.Is(`document.querySelectorAll(".listing button").length === document.querySelectorAll(".listing").length`)
	if _, err := chromedp.Call(p.Context(), emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{1280, 390} {
		p.Look(width, 900, "light")
		p.Do(chromedp.Navigate(server.URL + "/"))
		p.Is(`document.querySelector(".search").offsetHeight === 0 && document.querySelectorAll("table tbody tr th a").length > 10`)
		p.Is(`innerWidth < 960 || document.querySelector("nav li a").offsetHeight > 0`)
		p.Picture(fmt.Sprintf("no-script-%d", width))
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
