//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// openURL opens a store that ends with the test.
func openURL(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := openStore(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Twenty thousand records go round all stores, in both directions, and come back
// as they were.
func TestCopyAmongAllStores(t *testing.T) {
	t.Parallel()
	const records = 20_000
	redis := servers.Redis(t, servers.RedisOptions{Password: "pass-of-redis"}).URL()
	postgres := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	first := openURL(t, "memory:")
	fillStore(t, first, records)
	want := contents(t, first)
	from, digest := first, ""
	for _, url := range []string{
		"pebble:" + t.TempDir(), redis + "?prefix=one:", postgres.URL("schema", "one"), "memory:",
		postgres.URL("schema", "two"), redis + "?prefix=two:", "pebble:" + t.TempDir(),
	} {
		to := openURL(t, url)
		k := newCopier(from, to)
		if err := k.run(t.Context(), false, false); err != nil || k.copied != records || k.both.count != records || k.again != 0 {
			t.Fatalf("to %s: %d copied, %d verified, %d again, error %v", url, k.copied, k.both.count, k.again, err)
		}
		if got := k.both.String(); digest != "" && got != digest {
			t.Errorf("to %s: digest %s, it was %s", url, got, digest)
		}
		from, digest = to, k.both.String()
	}
	if got := contents(t, from); !maps.Equal(got, want) {
		t.Errorf("%d records came back, not the %d that set out", len(got), len(want))
	}
}

// meterOf decides as a gateway on the store would.
func meterOf(s store.Store) meter.Meter {
	if m, ok := s.(meter.Meter); ok {
		return m
	}
	return &admission.Ledger{Store: s}
}

// payer has characters that stand for something in keys of Redis.
const payer = "a{c}me%2:5"

// claims numbers all takings.
var claims atomic.Uint64

// demand asks for units of a counter; 0 tells what remains.
func demand(t *testing.T, m meter.Meter, kind meter.Kind, hold string, cost int64) int64 {
	t.Helper()
	x := meter.Taking{
		Owner: payer, Hold: hold, Claim: claims.Add(1), Lease: time.Hour, Keep: time.Hour, Outcomes: make([]meter.Outcome, 1),
		Demands: []meter.Demand{{Limit: fmt.Sprint("limit ", kind), Subject: payer, Rule: &meter.Rule{Kind: kind, Limit: 1000}, Cost: cost}},
	}
	if err := m.Take(t.Context(), &x); err != nil || !x.Admitted {
		t.Fatalf("kind %d, cost %d: admitted %v, error %v", kind, cost, x.Admitted, err)
	}
	return x.Outcomes[0].Remaining
}

// Redis counts limits in structures of its own, the others in records. What is
// paid, used and held goes along either way, and nothing is charged twice.
func TestCopyCarriesLimits(t *testing.T) {
	t.Parallel()
	redis := servers.Redis(t, servers.RedisOptions{}).URL()
	postgres := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	from := openURL(t, "memory:")
	m := meterOf(from)
	credit := meter.Change{Demand: meter.Demand{Limit: fmt.Sprint("limit ", meter.Balance), Subject: payer, Cost: 700, Rule: &meter.Rule{Kind: meter.Balance}}}
	if err := m.Settle(t.Context(), &meter.Settlement{Owner: payer, Changes: []meter.Change{credit}}); err != nil {
		t.Fatal(err)
	}
	kinds := []meter.Kind{meter.Allowance, meter.Balance, meter.Capacity}
	want := map[meter.Kind]int64{}
	for _, kind := range kinds {
		demand(t, m, kind, "", 100)
		demand(t, m, kind, "call 1", 30)
		want[kind] = demand(t, m, kind, "", 0)
	}
	fillStore(t, from, 50)
	for _, url := range []string{redis + "?prefix=one:", postgres.URL("schema", "one"), redis + "?prefix=two:", redis + "?prefix=three:", "pebble:" + t.TempDir()} {
		to := openURL(t, url)
		k := newCopier(from, to)
		if err := k.run(t.Context(), false, false); err != nil || k.counters != 3 || k.both.count != 50 {
			t.Fatalf("to %s: %d counters, %d records, error %v", url, k.counters, k.both.count, err)
		}
		m := meterOf(to)
		for _, kind := range kinds {
			if got := demand(t, m, kind, "", 0); got != want[kind] {
				t.Errorf("to %s: %d remain of kind %d, want %d", url, got, kind, want[kind])
			}
			if got := demand(t, m, kind, "call 1", 30); got != want[kind] {
				t.Errorf("to %s: %d remain of kind %d after a repetition, want %d", url, got, kind, want[kind])
			}
		}
		from = to
	}
	// A target's own counters stay.
	other := openURL(t, redis+"?prefix=four:")
	demand(t, meterOf(other), meter.Allowance, "", 999)
	if err := newCopier(from, other).run(t.Context(), false, false); err == nil {
		t.Error("a target with limits was taken for empty")
	}
	k := newCopier(from, other)
	if err := k.run(t.Context(), false, true); err != nil || k.counters != 2 {
		t.Errorf("merged %d counters, error %v", k.counters, err)
	}
	if got := demand(t, meterOf(other), meter.Allowance, "", 0); got != 1 {
		t.Errorf("the target's own allowance has %d left, want 1", got)
	}
	if got := demand(t, meterOf(other), meter.Balance, "", 0); got != want[meter.Balance] {
		t.Errorf("a balance of %d was merged, want %d", got, want[meter.Balance])
	}
}

// looked runs store check, whose output must not show the password.
func looked(t *testing.T, url, secret string) (report storeCheckJSON, stderr string, code int) {
	t.Helper()
	table, complaint, _ := call(t, "", "store", "check", url)
	stdout, stderr, code := call(t, "", "store", "check", url, "--json")
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%s: %v", stdout, err)
	}
	if all := table + complaint + stdout + stderr; strings.Contains(all, secret) {
		t.Errorf("the password is shown: %s", all)
	}
	return report, stderr, code
}

func TestCheckOfSharedStores(t *testing.T) {
	t.Parallel()
	const secret = "pass-of-redis"
	redis := servers.Redis(t, servers.RedisOptions{Password: secret, AOF: "always", Config: []string{"maxmemory-policy noeviction"}})
	loose := servers.Redis(t, servers.RedisOptions{Password: secret})
	postgres := servers.Postgres(t, servers.PostgresOptions{})
	weak := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	for name, c := range map[string]struct {
		url, secret string
		weaker      bool
	}{
		"redis as it should be":        {redis.URL(), secret, false},
		"redis that keeps nothing":     {loose.URL(), secret, true},
		"postgres as it comes":         {postgres.URL(), servers.PostgresPassword, false},
		"postgres that does not fsync": {weak.URL(), servers.PostgresPassword, true},
	} {
		report, stderr, code := looked(t, c.url, c.secret)
		if !report.Reachable || !report.Shared || report.Latency == nil || report.Clock == nil || code == exitUnknown {
			t.Errorf("%s: exit %d, %+v %s", name, code, report, stderr)
		}
		weaker := 0
		for _, p := range report.Promises {
			if !p.Kept && p.Name != "answers come in time" && p.Name != "a decision fits in 20 ms" { // that is the machine's affair
				weaker++
				if p.Weaker == "" || p.Remedy == "" {
					t.Errorf("%s: %+v says too little", name, p)
				}
			}
		}
		if (weaker > 0) != c.weaker || c.weaker && code != exitFailed {
			t.Errorf("%s: exit %d, %d promises are weaker: %+v", name, code, weaker, report.Promises)
		}
		s := openURL(t, c.url)
		if left := contents(t, s); len(left) != 0 {
			t.Errorf("%s: the check left %v", name, left)
		}
	}
	if err := redis.Stop(); err != nil {
		t.Fatal(err)
	}
	if report, stderr, code := looked(t, redis.URL(), secret); code != exitUnknown || report.Reachable || !strings.Contains(stderr, "nothing listens there") {
		t.Errorf("a server that is away: exit %d, %+v %s", code, report, stderr)
	}
	if report, stderr, code := looked(t, strings.Replace(loose.URL(), secret, "another-word", 1), "another-word"); code != exitUnknown || report.Reachable {
		t.Errorf("a wrong password: exit %d, %+v %s", code, report, stderr)
	}
}

// What a shared store does not keep is told when the gateway starts.
func TestServeWarnsOfTheStore(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	weak := servers.Postgres(t, servers.PostgresOptions{NoSync: true})
	s := start(t, nil, "serve", "--contract", "problem", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "off",
		"--store", weak.URL())
	s.log.await(t, "level=WARN msg=\"the store keeps a promise only in part\"")
	s.log.await(t, "remedy=")
	s.stop()
	if text := s.log.text.String(); strings.Contains(text, servers.PostgresPassword) {
		t.Errorf("the password is in the log:\n%s", text)
	}
}

// Half a copy is no store to serve from.
func TestServeRefusesHalfACopy(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	redis := servers.Redis(t, servers.RedisOptions{})
	s := openURL(t, redis.URL())
	half := &copier{from: &store.Memory{}, to: s, fromName: "pebble:old"}
	if err := half.begin(t.Context(), false, false); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := call(t, "", "serve", "--contract", "problem", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "off",
		"--store", redis.URL())
	if code != exitFailed || !strings.Contains(stderr, "the store is the target of an unfinished copy of pebble:old") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
