package server

import (
	"os"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen/docs"
)

// Law 10: what the reference prints and the check checks is read from the same
// contract. One word of the file is changed, and both follow.
func TestPromisesFollowTheContract(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ rule, old, now, want string }{
		{"request-id", "name: X-Request-ID", "name: X-Trace", "X-Trace"},
		{"process-time", "name: X-Process-Time", "name: X-Took", "X-Took"},
		{"retry-after", "retry_after: {on: all}", "retry_after: {name: X-Wait, on: all}", "X-Wait"},
		{"rate-limit-headers", "remaining: X-RateLimit-Remaining", "remaining: X-Left", "X-Left"},
		{"remaining-truthful", "remaining: X-RateLimit-Remaining", "remaining: X-Left", "X-Left"},
		{"reset-steady", "reset: X-RateLimit-Reset", "reset: X-Free", "X-Free"},
		{"key-missing", "key_missing: {", "who_are_you: {", "who_are_you"},
		{"route-unknown", "no_route: {status: 404", "no_route: {status: 410", "410"},
		{"body-too-large", "too_large: {status: 413", "far_too_large: {status: 413", "far_too_large"},
		{"limit-code", "slow_down: {", "not_so_fast: {", "not_so_fast"},
		{"replay", "header: Idempotency-Key", "header: X-Once", "X-Once"},
		{"replay-marked", `{name: X-Replayed, value: "yes"}`, `{name: X-Again, value: "true"}`, "X-Again"},
		{"replay-mismatch", "mismatch: {status: 422", "mismatch: {status: 409", "409"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			told := func(source string) (string, string) {
				spec, err := contract.Parse("shop.yaml", []byte(source))
				if err != nil {
					t.Fatal(err)
				}
				k, err := newChecker(Config{Contract: spec, URL: "http://127.0.0.1:1"})
				if err != nil {
					t.Fatal(err)
				}
				var pages strings.Builder
				site, err := docs.New(spec, docs.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range site.Files(docs.Markdown) {
					pages.Write(f.Data)
				}
				for _, r := range rules() {
					if r.id == c.rule {
						p := r.promise(k)
						if line := strings.Split(source, "\n")[p.pos.Line-1]; p.pos.Line < 2 || p.pos.File != "shop.yaml" {
							t.Errorf("promised at %s:%d: %s", p.pos.File, p.pos.Line, line)
						}
						return p.text, pages.String()
					}
				}
				return "", ""
			}
			changed := strings.Replace(string(text), c.old, c.now, 1)
			before, _ := told(string(text))
			after, pages := told(changed)
			if changed == string(text) || strings.Contains(before, c.want) || !strings.Contains(after, c.want) {
				t.Errorf("%q became %q, which should tell of %s", before, after, c.want)
			}
			if !strings.Contains(pages, c.want) {
				t.Errorf("the reference does not tell of %s", c.want)
			}
		})
	}
}
