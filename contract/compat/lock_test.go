package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
)

// A lock holds all that a contract promises, byte for byte the same each time.
func TestLockRoundTrip(t *testing.T) {
	for _, name := range builtin.Names() {
		c, err := builtin.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		p := Of(c)
		lock, err := p.Lock()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Read(name+".lock.yaml", lock)
		if err != nil {
			t.Fatalf("%v\n%s", err, lock)
		}
		if diff := cmp.Diff(p, again, cmpopts.IgnoreUnexported(Promises{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: what was read differs: %s", name, diff)
		}
		second, err := again.Lock()
		if err != nil || !bytes.Equal(lock, second) {
			t.Errorf("%s: written again, the lock differs (%v)", name, err)
		}
	}
}

// What the lock says of bodies is what is sent: each member of a rendered error
// stands at one of its paths.
func TestLockSaysWhatIsSent(t *testing.T) {
	specs := []*contract.Contract{everything(t)}
	for _, name := range builtin.Names() {
		c, err := builtin.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, c)
	}
	for _, c := range specs {
		p := Of(c)
		for _, code := range c.Codes {
			body := p.Envelopes[p.Errors[code.Name].Envelope].Body
			if body == nil {
				continue
			}
			var v any
			if err := json.Unmarshal(c.Sample(code).Body, &v); err != nil {
				t.Fatalf("%s %s: %v", c.API, code.Name, err)
			}
			sent := map[string]bool{}
			members(v, "", sent)
			for path := range sent {
				if !said(path, body) {
					t.Errorf("%s: %s is sent with %s, and the lock has only %v", c.API, code.Name, path, keysOf(body))
				}
			}
			for path, text := range body {
				if !strings.HasSuffix(text, "?") && !strings.ContainsAny(path, "*{[") && !sent[path] {
					t.Errorf("%s: %s is sent without %s, which the lock promises", c.API, code.Name, path)
				}
			}
		}
	}
}

// members lists the paths of leaves.
func members(v any, path string, into map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for name, below := range x {
			members(below, join(path, name), into)
		}
	case []any:
		for i, below := range x {
			members(below, fmt.Sprintf("%s[%d]", path, i), into)
		}
	default:
		into[path] = true
	}
}

// said reports whether one of the lock's paths covers the path of a leaf: [] is
// any element, * and {} are any members.
func said(path string, body map[string]string) bool {
	for at, text := range body {
		pattern := regexp.QuoteMeta(at)
		for from, to := range map[string]string{`\[\*\]`: `\[\d+\]`, `\[\]`: `\[\d+\]`, `\{\*\*\}`: `.*`, `\{\}`: `\.[^.]+`, `\*`: `.+`} {
			pattern = strings.ReplaceAll(pattern, from, to)
		}
		if strings.HasPrefix(text, "$params") || strings.HasPrefix(text, "$field.path") || strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
			pattern += `.*` // a parameter may be an object
		}
		if regexp.MustCompile("^" + pattern + "$").MatchString(path) {
			return true
		}
	}
	return false
}

// No file makes reading or comparing fail in another way than with an error.
func FuzzRead(f *testing.F) {
	c, err := builtin.Get("hume")
	if err != nil {
		f.Fatal(err)
	}
	own := Of(c)
	lock, err := own.Lock()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lock)
	f.Add([]byte("lock: 1\nerrors: {a: {envelope: b, params: {x: }}}\nenvelopes: {b: {}}\n"))
	f.Add([]byte("lock: 1\noperations: {GET /: {parameters: {query a: }, body: [1, {2: 3}]}}\n"))
	f.Add([]byte("lock: 1\nplans: {a: }\n"))
	f.Add([]byte("lock: 1\nidempotency: {}\nclient: {statuses: [{from: -1, to: 99999}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read("fuzz.lock.yaml", data)
		if err != nil {
			return
		}
		Diff(p, own)
		Diff(own, p)
		if found := Diff(p, p); len(found) != 0 {
			t.Fatalf("against itself: %v", found)
		}
	})
}
