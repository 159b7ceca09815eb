package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
)

// patience is how long a page may take; the machine may be busy.
const patience = 30 * time.Second

// tab is a page in a browser.
type tab struct {
	*testing.T

	ctx context.Context
}

// page opens a page in a browser of its own. That takes a second, so all that a
// page can do is tested in one.
func page(t *testing.T, address string) (p *tab, console func() []string) {
	t.Helper()
	allocator, end := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("no browser: %v; scripts/ensure.sh browser installs one", err)
	}
	said, quiet := context.WithCancel(ctx)
	t.Cleanup(quiet)
	messages := chromedp.Console(said)
	p = &tab{T: t, ctx: ctx}
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		wanted := browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted}
		if _, err := chromedp.CallBrowser(ctx, browser.SetPermission, wanted); err != nil {
			t.Fatal(err)
		}
	}
	p.do(chromedp.Navigate(address))
	return p, func() (all []string) {
		p.do(chromedp.Func(func(context.Context, *chromedp.Target) error { quiet(); return nil }))
		for m, err := range messages {
			if err != nil {
				return all
			}
			all = append(all, m.String())
		}
		return all
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// until waits for an expression to be true. The page's own policy forbids code
// that is made from text, which is how chromedp.Poll asks.
func (p *tab) until(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	ask := `new Promise((done) => { const look = () => (` + expression + `) ? done(true) : setTimeout(look, 10); look(); })`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](ask, chromedp.EvalAwaitPromise)); err != nil {
		p.Fatalf("it never was: %s (%v)", expression, err)
	}
}

// text is the value of an expression, or of its promise.
func (p *tab) text(expression string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return out
}

// set fills in a field, as whoever types or chooses does.
func set(id, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`{ const e = document.getElementById(%q); e.value = %q; for (const name of ["input", "change"]) e.dispatchEvent(new Event(name, {bubbles: true})); }`, id, value))
}

// picture keeps what the page looks like, where go test -artifacts wants it.
func (p *tab) picture(name string, width int64, scheme string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, 900))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.Fatal(err)
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Fatal(err)
	}
	file := filepath.Join(p.ArtifactDir(), name+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		p.Fatal(err)
	}
	p.Log(file)
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{})
	s.Call("valid", "GET", agents, "")
	p, console := page(t, s.Origin+"/_sandbox/")
	p.until(`document.getElementById("live").textContent === "live"`)
	if got := p.text(`document.title`); !strings.Contains(got, "Heppu") {
		t.Errorf("title %q", got)
	}

	// What came before the page is there, what comes is added on top, live.
	p.until(`document.querySelectorAll("#entries tr").length === 1`)
	for range 2 {
		s.Call("valid", "POST", agents, `{"name":"A"}`, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	}
	p.until(`document.querySelectorAll("#entries tr").length === 3`)
	if got := p.text(`document.querySelector("#entries tr").textContent`); !strings.Contains(got, "POST /api/v1/agents") || !strings.Contains(got, "resource_conflict") {
		t.Errorf("the latest row: %q", got)
	}
	if same := p.text(`[...document.querySelectorAll("#entries tr")].slice(0, 2).map((r) => r.dataset.hue).join()`); same == "," || strings.Split(same, ",")[0] != strings.Split(same, ",")[1] {
		t.Errorf("attempts of one call have hues %q", same)
	}

	// Keys and commands are copied.
	p.do(chromedp.Click(`button[aria-label="Copy the key revoked"]`))
	p.until(`document.querySelector('button[aria-label="Copy the key revoked"]').textContent === "Copied"`)
	const clipboard = `navigator.clipboard.readText()`
	copied := p.text(clipboard)
	if copied != s.Key("revoked") {
		t.Errorf("copied %q, want %q", copied, s.Key("revoked"))
	}

	// The catalogue is filtered, and each command forces its code.
	p.do(chromedp.SendKeys("#filter", "504 gateway"))
	p.until(`document.getElementById("count").textContent === "1 shown"`)
	p.do(chromedp.Click(`button[aria-label="Copy the command that forces gateway_timeout"]`))
	p.until(`document.querySelector('button[aria-label="Copy the command that forces gateway_timeout"]').textContent === "Copied"`)
	runCurl(s, p.text(clipboard), 504, "gateway_timeout")
	p.do(set("filter", ""))
	p.until(`document.getElementById("count").textContent === ""`)

	p.do(chromedp.Click(`button[aria-label="Force gateway_timeout now"]`))
	p.until(`document.querySelector("#entries tr").textContent.includes("504 gateway_timeout")`)

	// Faults apply, wrong ones are explained, and they end.
	p.do(set("script", "rules:\n  - {nth: 1, fault: {error: internal_error}}"), chromedp.Click("#apply"))
	p.until(`document.getElementById("faults-said").textContent === "In force."`)
	s.Expect(500, "internal_error", "valid", "GET", agents, "")
	p.do(set("script", "rules:\n  - {nht: 1}"), chromedp.Click("#apply"))
	p.until(`document.getElementById("faults-said").textContent.includes("nht")`)
	p.do(chromedp.Click("#clear"))
	p.until(`document.getElementById("faults-said").textContent.startsWith("Nothing goes wrong")`)

	// The world: clock, service behind it, maintenance, reset.
	p.do(chromedp.Click(`button[data-advance="24h"]`))
	p.until(`document.getElementById("ahead").textContent.startsWith("1 day")`)
	if got := s.Now(); !got.Equal(sandboxtest.Began().Add(24 * time.Hour)) {
		t.Errorf("now %v", got)
	}
	p.do(chromedp.Click("#maintenance"))
	p.until(`document.getElementById("world-said").textContent === "In maintenance."`)
	s.Expect(503, "internal_error", "valid", "GET", agents, "")
	p.do(set("backend", "down"))
	p.until(`document.getElementById("world-said").textContent.includes("down")`)
	for name, look := range map[string]struct {
		width  int64
		scheme string
	}{"light": {1280, "light"}, "dark": {1280, "dark"}, "phone": {390, "light"}, "phone-dark": {390, "dark"}} {
		p.picture(name, look.width, look.scheme)
		if wide := p.text(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
			t.Errorf("%s: the page is %s pixels wider than the window", name, wide)
		}
	}
	p.do(chromedp.Click("#reset"))
	p.until(`document.getElementById("world-said").textContent === "All as at the start." && document.querySelectorAll("#entries tr").length === 0`)
	if r := s.Call("valid", "GET", agents, ""); !strings.Contains(r.Body, `"total":0`) {
		t.Errorf("after the reset: %d %s", r.Status, r.Body)
	}

	for _, said := range console() {
		// The browser notes each answer that is an error: the script that is refused, and the forced one.
		if !strings.Contains(said, "400 (Bad Request)") && !strings.Contains(said, "504 (Gateway Timeout)") {
			t.Errorf("the console: %s", said)
		}
	}
}

// runCurl makes the call that a command line describes, as a shell would.
func runCurl(s *sandboxtest.Server, command string, status int, code string) {
	s.Helper()
	words, quoted := []string{""}, false
	for _, c := range strings.ReplaceAll(command, "\\\n", "") { // a line that goes on
		switch {
		case c == '\'':
			quoted = !quoted
		case c == ' ' && !quoted:
			words = append(words, "")
		default:
			words[len(words)-1] += string(c)
		}
	}
	method, address := "GET", ""
	var headers []string
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "", "-i":
		case "-X":
			i++
			method = words[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			headers = append(headers, name, value)
		default:
			address = words[i]
		}
	}
	if !strings.HasPrefix(address, s.Origin) {
		s.Fatalf("%q is not for %s", command, s.Origin)
	}
	s.Check(s.Call("", method, strings.TrimPrefix(address, s.Origin), "", headers...), status, code)
}
