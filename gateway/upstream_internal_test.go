package gateway

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"
)

type fakeClock struct{ at time.Time }

func (c *fakeClock) now() time.Time { return c.at }

func testPool(t *testing.T, names ...string) (*pool, *fakeClock) {
	t.Helper()
	clock := &fakeClock{time.Unix(1_800_000_000, 0)}
	p := &pool{now: clock.now}
	for _, name := range names {
		u, err := url.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		p.members = append(p.members, newUpstream(u, http.DefaultTransport))
	}
	return p, clock
}

var errDown = errors.New("down")

func TestPickLeastOutstanding(t *testing.T) {
	t.Parallel()
	p, _ := testPool(t, "http://a", "http://b", "http://c")
	for _, u := range p.members {
		u.active.Store(5)
	}
	p.members[1].active.Store(4)
	for range 10 {
		if got := p.pick(nil); got != p.members[1] {
			t.Fatalf("picked %s", got.name)
		}
	}
	p.members[1].active.Store(5)
	seen := map[*upstream]int{}
	for range 30 {
		seen[p.pick(nil)]++
	}
	if len(seen) != 3 {
		t.Errorf("ties go to %d of 3", len(seen))
	}
	if got := p.pick([]*upstream{p.members[0], p.members[1]}); got != p.members[2] {
		t.Errorf("picked %s, which was tried", got.name)
	}
	if got := p.pick(p.members); got != nil {
		t.Errorf("picked %s when all were tried", got.name)
	}
}

func TestEjection(t *testing.T) {
	t.Parallel()
	p, clock := testPool(t, "http://a", "http://b")
	a, b := p.members[0], p.members[1]
	always := func(want *upstream) {
		t.Helper()
		for range 4 {
			if got := p.pick(nil); got != want {
				t.Fatalf("picked %s, want %s", got.name, want.name)
			}
		}
	}
	b.active.Store(100)
	a.failed(clock.at, errDown)
	a.failed(clock.at, errDown)
	always(a)
	if !a.failed(clock.at, errDown) {
		t.Fatal("three failures in a row do not eject")
	}
	always(b)

	// After the wait one request tries, and only one.
	clock.at = clock.at.Add(1300 * time.Millisecond)
	if got := p.pick(nil); got != a {
		t.Fatal("no trial")
	}
	always(b)
	// It fails: out again, for longer.
	a.failed(clock.at, errDown)
	clock.at = clock.at.Add(1900 * time.Millisecond)
	always(b)
	clock.at = clock.at.Add(600 * time.Millisecond)
	if got := p.pick(nil); got != a {
		t.Fatal("no second trial")
	}
	// Its caller goes away: another may try.
	a.abandoned()
	if got := p.pick(nil); got != a {
		t.Fatal("an abandoned trial is never repeated")
	}
	a.succeeded()
	always(a)
	if s := a.status(clock.at); !s.Healthy || s.Failures != 0 || s.LastError != "" {
		t.Errorf("%+v", s)
	}
}

func TestBackOffIsBounded(t *testing.T) {
	t.Parallel()
	p, clock := testPool(t, "http://a", "http://b")
	a := p.members[0]
	for range 100 {
		a.trial.Store(true)
		a.failed(clock.at, errDown)
	}
	if wait := time.Unix(0, a.ejected.Load()).Sub(clock.at); wait < longestEjection || wait > longestEjection*6/5+time.Second {
		t.Errorf("out for %v", wait)
	}
}

// TestNeverAllEjected: an answer that may fail is better than one that surely does.
func TestNeverAllEjected(t *testing.T) {
	t.Parallel()
	p, clock := testPool(t, "http://a", "http://b")
	for i, u := range p.members {
		for range 3 + 2*i { // b was ejected later, and fails on
			u.trial.Store(u.ejected.Load() != 0)
			u.failed(clock.at, errDown)
		}
	}
	if p.anyHealthy() {
		t.Fatal("somebody is healthy")
	}
	if got := p.pick(nil); got != p.members[0] {
		t.Errorf("picked %v, want the one that is out for the shortest", got)
	}
	if got := p.pick(p.members[:1]); got != p.members[1] {
		t.Errorf("picked %v, want the other", got)
	}
}

// TestTheOnlyUpstreamIsTriedAgain: nothing but a request finds out that it is
// back, and whoever asks about readiness has to send some first.
func TestTheOnlyUpstreamIsTriedAgain(t *testing.T) {
	t.Parallel()
	p, clock := testPool(t, "http://a")
	a := p.members[0]
	for range failuresToEject {
		a.failed(clock.at, errDown)
	}
	if p.anyHealthy() || a.status(clock.at).Healthy {
		t.Fatal("it is healthy")
	}
	clock.at = clock.at.Add(firstEjection * 6 / 5)
	if !p.anyHealthy() {
		t.Error("its time is over, and it stays out")
	}
	if s := a.status(clock.at); !s.Healthy || !s.EjectedUntil.IsZero() || s.Failures != failuresToEject {
		t.Errorf("%+v", s)
	}
}
