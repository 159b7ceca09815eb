package console_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/console"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/internal/browser"
	"github.com/failwell/failwell/record"
)

// picture keeps what the page looks like, and checks that it fits.
func picture(p *browser.Tab, name string, width int64, scheme string) {
	p.Helper()
	p.Look(width, 900, scheme)
	p.Text(`new Promise((done) => setTimeout(() => done(""), 250))`) // charts are drawn again for another width
	p.Picture(name)
	if wide := p.Text(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); wide != "0" {
		p.Errorf("%s: the page is %s pixels wider than the window, for %s", name, wide, p.Text(
			`[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > innerWidth && !e.closest(".wide, pre, .side nav")).map((e) => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 20)).slice(0, 5).join("; ")`))
	}
}

var looks = []struct {
	name   string
	width  int64
	scheme string
}{{"light", 1360, "light"}, {"dark", 1360, "dark"}, {"phone", 390, "light"}}

// TestPagesInABrowser opens every page, in each look, and hears no complaint of
// the browser.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *console.Console) { c.Sandbox, c.SandboxURL = standIn(t), "http://127.0.0.1:4010/_sandbox/" })
	keys := []admission.Key{s.key("acme"), s.key("globex"), s.key("initech")}
	s.busy(keys, 6000)
	refused := s.aCall(keys[0])
	p := browser.Open(t)
	said := p.Console()
	p.Do(chromedp.Navigate(s.url + s.Invite(s.gateway.AdminToken())))
	p.Until(`location.pathname === "/console/" && document.querySelectorAll("canvas").length >= 3`)
	for _, x := range []struct{ name, path, there string }{
		{"overview", "", `document.querySelectorAll("canvas").length >= 3`},
		{"requests", "requests", `document.querySelectorAll("tbody tr").length === 50`},
		{"request", "requests/" + refused, `document.querySelector(".gantt") !== null`},
		{"missing", "requests/nothing", `document.title.includes("No such request")`},
		{"keys", "keys", `document.querySelectorAll("tbody tr").length === 3`},
		{"key", "keys/" + keys[0].ID, `document.querySelectorAll("canvas").length >= 2`},
		{"accounts", "accounts", `document.querySelectorAll("tbody tr").length === 3`},
		{"account", "accounts/acme", `document.querySelectorAll("canvas").length >= 1`},
		{"plans", "plans", `document.title.includes("Plans")`},
		{"contract", "contract", `document.title.includes("Contract")`},
		{"audit", "audit", `document.title.includes("Audit")`},
		{"tokens", "tokens", `document.title.includes("Tokens")`},
		{"sandbox", "sandbox", `document.querySelectorAll("tbody tr").length > 5`},
		{"sign-in", "sign-in", `document.activeElement.id === "token"`},
	} {
		p.Do(chromedp.EmulateViewport(1360, 900), chromedp.Navigate(s.url+"/console/"+x.path))
		p.Until(x.there)
		for _, look := range looks {
			picture(p, x.name+"-"+look.name, look.width, look.scheme)
			p.Is(`[...document.querySelectorAll(".side nav a, .rows td, .secrets td")].every((e) => e.getBoundingClientRect().right <= innerWidth)`)
		}
	}
	for _, m := range said() {
		missing := strings.Contains(m, "404 (Not Found)")      // the page about what is missing
		nameless := strings.Contains(m, "username fields for") // a token stands for nobody's name
		if !missing && !nameless {
			t.Errorf("the browser says: %s", m)
		}
	}
}

// aCall records one call of three attempts, and returns the id of the first.
func (s *site) aCall(key admission.Key) string {
	began := time.Now().Add(-90 * time.Second)
	for i, x := range []struct {
		after, took time.Duration
		status      int
	}{{0, 80 * time.Microsecond, 429}, {2100 * time.Millisecond, 900 * time.Millisecond, 503}, {5 * time.Second, 420 * time.Millisecond, 201}} {
		r := record.Record{
			ID: fmt.Sprintf("019f0c55-0001-7000-8000-00000000000%d", i), Time: began.Add(x.after), Ended: began.Add(x.after + x.took), Took: x.took,
			Account: key.Account, Key: key.ID, KeyStart: key.Start, Plan: "free", Operation: "POST /v1/memories", Method: "POST", Path: "/v1/memories",
			Status: x.status, Stage: record.Handling, Trace: "4bf92f3577b34da6a3ce929d0e0e4736", Attempt: i + 1, Sent: 312, Bytes: 248,
			Decided: 40 * time.Microsecond, Upstream: x.took * 9 / 10, Idempotency: record.Idempotency{State: record.Worked, Hash: "h"},
			Limits: []record.Limit{{Kind: "rate", Max: 60, Per: time.Minute, Cost: 1, Before: 12, After: 11, Reset: began.Add(49 * time.Second), Binding: true}, {Name: "credits", Kind: "quota", Max: 1000, Period: "month", Cost: 1, Before: 412, After: 411, Reset: began.AddDate(0, 0, 9)}},
			Tries:  []record.Try{{To: "http://127.0.0.1:3000", After: 60 * time.Microsecond, Took: x.took * 9 / 10, Status: x.status}},
		}
		if i == 0 {
			r.Stage, r.Code, r.Condition, r.Upstream, r.Tries, r.RetryAfter = record.Admission, "rate_limit_exceeded", condition.RateLimited, 0, nil, 2*time.Second
			r.Idempotency.State = record.Freed
			r.Limits = []record.Limit{{Kind: "rate", Max: 60, Per: time.Minute, Cost: 1, Refused: true, Binding: true, Reset: began.Add(time.Minute)}}
			r.Body = `{"error":{"code":"rate_limit_exceeded","message":"Too many requests. Retry after 2 seconds.","type":"rate_limit_error","status":429,"request_id":"req_019f0c55-0001-7000-8000-000000000000"}}`
		}
		s.records.Add(&r)
	}
	return "019f0c55-0001-7000-8000-000000000000"
}

// TestAccessible has axe-core look at every page, light and dark.
func TestAccessible(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("../.tools/node/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v; scripts/ensure.sh e2e installs it", err)
	}
	s := open(t, func(c *console.Console) { c.Sandbox = standIn(t) })
	keys := []admission.Key{s.key("acme")}
	s.busy(keys, 800)
	id := s.aCall(keys[0])
	p := browser.Open(t)
	p.Do(chromedp.Navigate(s.url + s.Invite(s.gateway.AdminToken())))
	p.Until(`location.pathname === "/console/"`)
	for _, path := range []string{"", "requests", "requests/" + id, "requests/nothing", "keys", "keys/" + keys[0].ID, "accounts", "accounts/acme", "plans", "contract", "audit", "tokens", "sandbox", "sign-in"} {
		p.Do(chromedp.Navigate(s.url + "/console/" + path))
		p.Until(`document.readyState === "complete"`)
		for _, scheme := range []string{"light", "dark"} {
			p.Look(1360, 900, scheme)
			p.Do(chromedp.Evaluate[chromedp.Void](string(axe) + "; undefined"))
			found := p.Text(`document.querySelectorAll("details").forEach((d) => d.open = true), axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).slice(0, 4).join(" | ")).join("\n"))`)
			if found != "" {
				t.Errorf("/console/%s, %s:\n%s", path, scheme, found)
			}
		}
	}
}

// TestLiveInABrowser: rows come by themselves, a filter holds for them, the list
// does not grow for ever, and searching goes on without loading the page again.
func TestLiveInABrowser(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	key := s.key("acme")
	p := browser.Open(t)
	said := p.Console()
	p.Do(chromedp.Navigate(s.url + s.Invite(s.gateway.AdminToken())))
	p.Until(`location.pathname === "/console/" && document.getElementById("h-flow")?.textContent === "No data yet"`)
	p.Do(chromedp.Navigate(s.url + "/console/requests?failed=on"))
	p.Do(chromedp.Click("#live"))
	p.Until(`document.getElementById("live-said").textContent === "live"`)
	s.aCall(key)
	p.Until(`document.querySelectorAll("#found tbody tr").length === 2`)
	if got := p.Text(`document.querySelector("#found tbody tr").textContent`); !strings.Contains(got, "503") {
		t.Errorf("on top is %q", got)
	}
	s.busy([]admission.Key{key}, 9000)
	p.Until(`document.getElementById("live-said").textContent.includes("not shown")`)
	p.Until(`document.querySelectorAll("#found tbody tr").length <= 200`)

	// The search is sent as one types, and stays in the address.
	p.Do(chromedp.SendKeys(`#filters input[name=q]`, "mem_0"))
	p.Until(`new URLSearchParams(location.search).get("q") === "mem_0" && [...document.querySelectorAll("#found .what")].every((e) => e.textContent.includes("mem_0"))`)
	p.Do(chromedp.Click(`#filters a`))
	p.Until(`location.search === "" && document.querySelectorAll("#found tbody tr").length === 50 && document.readyState === "complete"`)

	// The keyboard finds the search, and the search a request.
	p.Do(chromedp.KeyEvent("/"))
	p.Until(`document.activeElement.id === "find"`)
	p.Text(`document.activeElement.value = ""`) // a real key would not have typed there
	p.Do(chromedp.SendKeys("#find", "019f0c55-0001-7000-8000-000000000001\r"))
	p.Until(`location.pathname.endsWith("/requests/019f0c55-0001-7000-8000-000000000001")`)

	// The overview looks again by itself.
	p.Do(chromedp.Navigate(s.url + "/console/"))
	before := p.Text(`document.querySelector(".stats dd").textContent`)
	s.aCall(key)
	p.Until(`document.querySelector(".stats dd").textContent !== "` + before + `" && document.querySelectorAll("canvas").length === 3`)

	// Who signs out in another window is asked to sign in by the next look.
	s.browser.Jar = nil
	for _, m := range said() {
		t.Errorf("the browser says: %s", m)
	}
}
