package admission

import (
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// TestFailuresAreThrottled: who guesses is slowed down, who has a key is not.
func TestFailuresAreThrottled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, key := s.create(NewKey{})
	guess := must[string](t)(Mint(s.Contract.Auth.Key, "live", s.random()))
	const source = "192.0.2.1"
	for i := range 60 {
		if v := s.from(source, guess, "GET /items"); v.Condition != condition.KeyUnknown {
			t.Fatalf("attempt %d: %s", i, v.Condition)
		}
	}
	v := s.from(source, guess, "GET /items")
	if v.Condition != condition.RateLimited || v.RetryAfter != time.Second || v.Limit.Remaining != 0 || v.Limit.Rule.Limit != 60 {
		t.Fatalf("attempt 61: %+v", v)
	}
	if v := s.from(source, "acme_typo", "GET /items"); v.Condition != condition.RateLimited {
		t.Errorf("a typo from there: %s", v.Condition)
	}
	if v := s.from(source, "", "GET /items"); v.Condition != condition.KeyMissing {
		t.Errorf("no key from there: %s", v.Condition)
	}
	if v := s.from(source, secret, "GET /items"); !v.Admitted {
		t.Errorf("a valid key from there: %s", v.Condition)
	}
	if v := s.from("192.0.2.2", guess, "GET /items"); v.Condition != condition.KeyUnknown {
		t.Errorf("another source: %s", v.Condition)
	}
	must[Key](t)(s.Keys().Revoke(t.Context(), key.ID))
	if v := s.from(source, secret, "GET /items"); v.Condition != condition.KeyRevoked {
		t.Errorf("a revoked key from there: %s", v.Condition)
	}
	s.clock.Advance(v.RetryAfter - 1)
	if v := s.from(source, guess, "GET /items"); v.Condition != condition.RateLimited {
		t.Errorf("too early: %s", v.Condition)
	}
	s.clock.Advance(1)
	if v := s.from(source, guess, "GET /items"); v.Condition != condition.KeyUnknown {
		t.Errorf("after the wait: %s", v.Condition)
	}
}

// TestSourcesOfOneNetwork: the addresses of an IPv6 /64 are one source.
func TestSourcesOfOneNetwork(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::9%eth0": "2001:db8:1:2::", "2001:db8:1:3::1": "2001:db8:1:3::",
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "::ffff:192.0.2.7", "unix": "unix", "": "",
	} {
		if got := block(in); got != want {
			t.Errorf("%s is of %s, want %s", in, got, want)
		}
	}
}

// TestFailuresOfACrowd: a hundred thousand sources fail within a table of fixed
// size, and the first failure of another is hardly ever taken for theirs.
func TestFailuresOfACrowd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Failures = &contract.Rate{Limit: 1, Per: time.Hour}
	for i := range 3000 {
		s.from("crowd "+string(rune(i)), "junk", "GET /items")
	}
	blamed := 0
	for i := range 1000 {
		if v := s.from("new "+string(rune(i)), "junk", "GET /items"); v.Condition == condition.RateLimited {
			blamed++
		}
	}
	if blamed > 50 { // 1 in 100 is expected: (4000/32768)^2
		t.Errorf("%d of 1000 newcomers were throttled for others", blamed)
	}
	s2 := newSite(t)
	s2.Failures = &contract.Rate{}
	for range 1000 {
		if v := s2.from("192.0.2.1", "junk", "GET /items"); v.Condition != condition.KeyMalformed {
			t.Fatalf("switched off, yet %s", v.Condition)
		}
	}
}
