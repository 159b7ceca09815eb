// Package browser opens pages in a real browser, for tests.
package browser

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take; the machine may be busy.
const patience = time.Minute

// Tab is a page in a browser of a test's own. Its methods fail the test.
type Tab struct {
	*testing.T

	ctx context.Context //nolint:containedctx // it is how chromedp names a tab
}

// Open starts a browser, which takes a second or two, and ends it with the test.
// It leaves nothing behind: all of its files are in a folder that goes with it.
func Open(t *testing.T) *Tab {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser-") //nolint:usetesting // what a dying browser still writes there would fail the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sweep(dir) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // which a container may lack the rights for
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("TMPDIR="+dir))
	allocator, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	// The first step starts the browser, which lives as long as its context.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("no browser: %v; scripts/ensure.sh browser installs one", err)
	}
	return &Tab{T: t, ctx: ctx}
}

// sweep removes a folder in which the last process may still be at work.
func sweep(dir string) {
	for range 100 {
		if os.RemoveAll(dir) == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Context is the tab's, for what chromedp can do besides.
func (p *Tab) Context() context.Context { return p.ctx }

// Do takes steps one after the other.
func (p *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// Text is the value of an expression, or of its promise.
func (p *Tab) Text(expression string) string {
	p.Helper()
	return value[string](p, expression)
}

// Is goes on with a failed test when an expression is not true.
func (p *Tab) Is(expression string) {
	p.Helper()
	if !value[bool](p, expression) {
		p.Errorf("it is not so: %s", expression)
	}
}

func value[V string | bool](p *Tab, expression string) V {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[V](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return out
}

// Until waits for an expression to be true, also over pages that are left. The
// policy of a page may forbid code that is made from text, which is how
// chromedp.Poll asks.
func (p *Tab) Until(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	ask := `new Promise((done) => { const look = () => (` + expression + `) ? done(true) : setTimeout(look, 10); look(); })`
	for { // a page that is left takes the question with it
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](ask, chromedp.EvalAwaitPromise))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") {
			p.Fatalf("it never was: %s (%v), at %s", expression, err,
				p.Text(`location.href + " " + document.title + " " + document.activeElement?.outerHTML.slice(0, 200)`))
		}
	}
}

// Look sets width and height of the window, and light or dark colours.
func (p *Tab) Look(width, height int64, scheme string) {
	p.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.Fatal(err)
	}
}

// Picture keeps what the page looks like, where go test -artifacts wants it.
func (p *Tab) Picture(name string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.Fatal(err)
	}
	file := filepath.Join(p.ArtifactDir(), name+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		p.Fatal(err)
	}
	p.Log(file)
}

// Console listens to what pages say to developers. said ends that, and is all of it.
func (p *Tab) Console() (said func() []string) {
	p.Helper()
	const last = "nothing more is listened to"
	ctx, quiet := context.WithCancel(p.ctx)
	p.Cleanup(quiet)
	messages := chromedp.Console(ctx)
	all := make(chan []string, 1)
	go func() {
		var heard []string
		for m, err := range messages {
			if err != nil || strings.Contains(m.String(), last) {
				break
			}
			heard = append(heard, m.String())
		}
		all <- heard
	}()
	return func() []string {
		p.Helper()
		p.Do(chromedp.Evaluate[chromedp.Void](`console.debug("` + last + `")`))
		select {
		case heard := <-all:
			return heard
		case <-time.After(patience):
			p.Fatal("the browser does not say what it said")
			return nil
		}
	}
}
