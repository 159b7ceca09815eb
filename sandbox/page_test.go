package sandbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	permission "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/internal/browser"
	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
)

// page opens a page that may use the clipboard. All that it can do is tested in one
// browser, since starting it takes a second.
func page(t *testing.T, address string) (p *browser.Tab, said func() []string) {
	t.Helper()
	p = browser.Open(t)
	said = p.Console()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		wanted := permission.SetPermissionParams{Permission: &permission.PermissionDescriptor{Name: name}, Setting: permission.PermissionSettingGranted}
		if _, err := chromedp.CallBrowser(p.Context(), permission.SetPermission, wanted); err != nil {
			t.Fatal(err)
		}
	}
	p.Do(chromedp.Navigate(address))
	return p, said
}

// set fills in a field, as whoever types or chooses does.
func set(id, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`{ const e = document.getElementById(%q); e.value = %q; for (const name of ["input", "change"]) e.dispatchEvent(new Event(name, {bubbles: true})); }`, id, value))
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "heppu", sandbox.Options{})
	s.Call("valid", "GET", agents, "")
	p, console := page(t, s.Origin+"/_sandbox/")
	p.Until(`document.getElementById("live").textContent === "live"`)
	if got := p.Text(`document.title`); !strings.Contains(got, "Heppu") {
		t.Errorf("title %q", got)
	}

	// What came before the page is there, what comes is added on top, live.
	p.Until(`document.querySelectorAll("#entries tr").length === 1`)
	for range 2 {
		s.Call("valid", "POST", agents, `{"name":"A"}`, "Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	}
	p.Until(`document.querySelectorAll("#entries tr").length === 3`)
	if got := p.Text(`document.querySelector("#entries tr").textContent`); !strings.Contains(got, "POST /api/v1/agents") || !strings.Contains(got, "resource_conflict") {
		t.Errorf("the latest row: %q", got)
	}
	if same := p.Text(`[...document.querySelectorAll("#entries tr")].slice(0, 2).map((r) => r.dataset.hue).join()`); same == "," || strings.Split(same, ",")[0] != strings.Split(same, ",")[1] {
		t.Errorf("attempts of one call have hues %q", same)
	}

	// Keys and commands are copied.
	p.Do(chromedp.Click(`button[aria-label="Copy the key revoked"]`))
	p.Until(`document.querySelector('button[aria-label="Copy the key revoked"]').textContent === "Copied"`)
	const clipboard = `navigator.clipboard.readText()`
	copied := p.Text(clipboard)
	if copied != s.Key("revoked") {
		t.Errorf("copied %q, want %q", copied, s.Key("revoked"))
	}

	// The catalogue is filtered, and each command forces its code.
	p.Do(chromedp.SendKeys("#filter", "504 gateway"))
	p.Until(`document.getElementById("count").textContent === "1 shown"`)
	p.Do(chromedp.Click(`button[aria-label="Copy the command that forces gateway_timeout"]`))
	p.Until(`document.querySelector('button[aria-label="Copy the command that forces gateway_timeout"]').textContent === "Copied"`)
	runCurl(s, p.Text(clipboard), 504, "gateway_timeout")
	p.Do(set("filter", ""))
	p.Until(`document.getElementById("count").textContent === ""`)

	p.Do(chromedp.Click(`button[aria-label="Force gateway_timeout now"]`))
	p.Until(`document.querySelector("#entries tr").textContent.includes("504 gateway_timeout")`)

	// Faults apply, wrong ones are explained, and they end.
	p.Do(set("script", "rules:\n  - {nth: 1, fault: {error: internal_error}}"), chromedp.Click("#apply"))
	p.Until(`document.getElementById("faults-said").textContent === "In force."`)
	s.Expect(500, "internal_error", "valid", "GET", agents, "")
	p.Do(set("script", "rules:\n  - {nht: 1}"), chromedp.Click("#apply"))
	p.Until(`document.getElementById("faults-said").textContent.includes("nht")`)
	p.Do(chromedp.Click("#clear"))
	p.Until(`document.getElementById("faults-said").textContent.startsWith("Nothing goes wrong")`)

	// The world: clock, service behind it, maintenance, reset.
	p.Do(chromedp.Click(`button[data-advance="24h"]`))
	p.Until(`document.getElementById("ahead").textContent.startsWith("1 day")`)
	if got := s.Now(); !got.Equal(sandboxtest.Began().Add(24 * time.Hour)) {
		t.Errorf("now %v", got)
	}
	p.Do(chromedp.Click("#maintenance"))
	p.Until(`document.getElementById("world-said").textContent === "In maintenance."`)
	s.Expect(503, "internal_error", "valid", "GET", agents, "")
	p.Do(set("backend", "down"))
	p.Until(`document.getElementById("world-said").textContent.includes("down")`)
	for name, look := range map[string]struct {
		width  int64
		scheme string
	}{"light": {1280, "light"}, "dark": {1280, "dark"}, "phone": {390, "light"}, "phone-dark": {390, "dark"}} {
		p.Look(look.width, 900, look.scheme)
		p.Picture(name)
		if wide := p.Text(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
			t.Errorf("%s: the page is %s pixels wider than the window", name, wide)
		}
	}
	p.Do(chromedp.Click("#reset"))
	p.Until(`document.getElementById("world-said").textContent === "All as at the start." && document.querySelectorAll("#entries tr").length === 0`)
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
