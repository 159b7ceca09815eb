package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/failwell/failwell/conform"
)

// altered recognises a key that differs from the expired one in a character.
func (s *shop) altered(r *http.Request) bool {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	expired := s.keys["expired"]
	return key != expired && len(key) == len(expired) && len(key) > 20 && key[:16] == expired[:16]
}

// turn counts the idempotency keys that items were made under: the check makes
// calls one after the other under the first, and at once under the second. Once
// it is over, others come under keys of their own.
func (s *shop) turn(r *http.Request) int {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || len(key) > 1000 || !at("POST", "/v1/items")(r) {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.turns, key) {
		s.turns = append(s.turns, key)
	}
	return slices.Index(s.turns, key) + 1
}

// replayed spoils answers that are given once more to calls one after the other.
func replayed(s *shop, how func(n int, a *answer)) spoil {
	var n atomic.Int64
	return func(r *http.Request, a *answer) {
		if turn := s.turn(r); a.header.Get("X-Replayed") != "" && turn != 0 && turn != 2 {
			how(int(n.Add(1)), a)
		}
	}
}

// together spoils answers to calls that come at once.
func together(s *shop, how func(n int, a *answer)) spoil {
	var n atomic.Int64
	return func(r *http.Request, a *answer) {
		if s.turn(r) >= 2 {
			how(int(n.Add(1)), a)
		}
	}
}

// wandering moves the reset with each refusal.
func wandering() spoil {
	var n atomic.Int64
	return func(_ *http.Request, a *answer) {
		if a.status != http.StatusTooManyRequests {
			return
		}
		at, err := strconv.ParseInt(a.header.Get("X-RateLimit-Reset"), 10, 64)
		if err == nil {
			a.header.Set("X-RateLimit-Reset", strconv.FormatInt(at+10*n.Add(1), 10))
		}
	}
}

// Each defect is found by the rule that it breaks, and by no other; and what the
// finding says to reproduce it does.
func TestDefectsAreFound(t *testing.T) {
	t.Parallel()
	planted := map[string]bool{}
	for i, d := range defects(&shop{}) {
		planted[d.rule] = true
		t.Run(strconv.Itoa(i)+" "+d.rule, func(t *testing.T) {
			t.Parallel()
			s := startShop(t)
			d := defects(s)[i]
			config := s.config(s.front(t, d.do, []byte(d.noHTTP)))
			config.Limits = aboutLimits(d.rule) // fifty calls more
			config.UseUp = usedUp(d.rule)
			k, err := newChecker(config)
			if err == nil {
				err = k.run(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			report := &conform.Report{Checks: k.judge()}
			if got := broken(report); len(got) != 1 || got[0] != d.rule {
				t.Errorf("broken are %q, want %q", got, d.rule)
				for _, c := range report.Broken() {
					show(t, &c)
				}
				return
			}
			reproduced(t, s, k, d.rule)
		})
	}
	for _, r := range rules() {
		if !planted[r.id] {
			t.Errorf("no defect breaks %s", r.id)
		}
	}
}

func aboutLimits(id string) bool {
	return usedUp(id) == nil && slices.ContainsFunc(rules(), func(r rule) bool { return r.id == id && (r.group == groupLimits || r.id == "retry-after") })
}

// usedUp is what has to be used up to try a rule.
func usedUp(id string) []string {
	for _, a := range allowances() {
		if a.rule == id || a.name == concurrency && id == ruleFreed {
			return []string{a.name}
		}
	}
	return nil
}

// fourth spoils the answers that come after the first three, which are those to
// calls at once: two that are let in, and one that is not.
func fourth(how func(*answer)) spoil {
	var n atomic.Int64
	return func(r *http.Request, a *answer) {
		if at("POST", "/v1/renders")(r) && (a.status == http.StatusCreated || strings.Contains(string(a.body), `"crowded"`)) && n.Add(1) > 3 {
			how(a)
		}
	}
}
