package server

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reproduced runs the lines of a finding by a shell, and has what they print
// judged by the same rule.
func reproduced(t *testing.T, s *shop, k *checker, id string) {
	t.Helper()
	all := rules()
	r := all[slices.IndexFunc(all, func(r rule) bool { return r.id == id })]
	_, faults := r.judge(k, k.seen)
	s.clock.Advance(10 * time.Minute) // so that the limit is whole
	again := k.rerun(t, s, &faults[0])
	if _, found := r.judge(k, again); len(found) == 0 {
		t.Errorf("not reproduced by\n%s\n%s", k.reproduce(faults[0].x), said(again))
	}
}

func said(all []*exchange) string {
	var b strings.Builder
	for _, x := range all {
		fmt.Fprintf(&b, "%s %s: %s %s\n", x.kind, x.about(), x.outcome(), x.body)
	}
	return b.String()
}

// rerun runs the lines of a finding and reads the answers that they print. The
// shell's sleep sets the shop's clock forward.
func (k *checker) rerun(t *testing.T, s *shop, f *fault) []*exchange {
	t.Helper()
	clock := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seconds, _ := strconv.ParseFloat(r.URL.Query().Get("s"), 64)
		s.clock.Advance(time.Duration(seconds * float64(time.Second)))
	}))
	defer clock.Close()
	dir := t.TempDir()
	script := "#!/bin/sh\ncurl -s '" + clock.URL + "/?s='\"$1\"\n"
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	const mark = "=====\n"
	shell := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(k.reproduce(f.x), "\n", "\nprintf '"+strings.TrimSuffix(mark, "\n")+"\\n'\n"))
	shell.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	for name, key := range k.config.Keys {
		shell.Env = append(shell.Env, variable(name)+"="+key)
	}
	var stderr bytes.Buffer
	shell.Stderr = &stderr
	out, err := shell.Output()
	if err != nil && len(out) == 0 && f.x.err == nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var story []*probe
	for x := f.x; x != nil; x = x.before {
		story = append([]*probe{x.probe}, story...)
	}
	parts := strings.Split(string(out), mark)
	if f.x.request.once != "" {
		parts = parts[1:] // the line that makes the key
	}
	if len(parts) != len(story) {
		t.Fatalf("%d answers to %d requests: %s", len(parts), len(story), out)
	}
	var again []*exchange
	for i, p := range story {
		texts := answers(parts[i])
		for j, text := range texts {
			if p.kind == kindFull && j < len(texts)-1 { // on the way there
				fill := *p
				fill.kind = kindFill
				again = append(again, k.parsed(&fill, text))
				continue
			}
			x := k.parsed(p, text)
			if len(again) > 0 && f.x.before != nil {
				x.before = again[len(again)-1]
			}
			again = append(again, x)
		}
	}
	return again
}

// answers takes apart what several calls printed.
func answers(text string) (list []string) {
	const line = "HTTP/1."
	if !strings.Contains(text, line) {
		return []string{text}
	}
	for _, one := range strings.Split(text, line)[1:] {
		list = append(list, line+one)
	}
	return list
}

// parsed is an exchange whose answer a command line has printed.
func (k *checker) parsed(p *probe, text string) *exchange {
	x := &exchange{probe: p, at: k.config.Clock().Sub(k.began)}
	resp, err := http.ReadResponse(newReader([]byte(text)), nil)
	if err != nil {
		x.err = errNoAnswer
		return x
	}
	defer resp.Body.Close()
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	x.status, x.header, x.body = resp.StatusCode, resp.Header, []byte(body)
	k.decode(x, k.config.Clock())
	return x
}
