package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/redisstore"
)

func do(t *testing.T, r *servers.RedisServer, args ...string) string {
	t.Helper()
	answer, err := r.Do(args...)
	if err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	return answer
}

func swap(t *testing.T, s store.Store, key string, old store.Version, value string, ttl time.Duration) store.Version {
	t.Helper()
	v, err := s.Swap(t.Context(), key, old, []byte(value), ttl)
	if err != nil {
		t.Fatalf("swap %q: %v", key, err)
	}
	return v
}

// eventually polls, since a server's process is waited for.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-time.After(time.Millisecond)
	}
}

func taking(owner string) *meter.Taking {
	return &meter.Taking{
		Owner: owner, Demands: []meter.Demand{{Limit: "rate", Subject: owner, Cost: 1, Rule: &meter.Rule{Limit: 1_000_000, Per: time.Second}}},
		Outcomes: make([]meter.Outcome, 1),
	}
}

// The server is killed again and again while writers write: what they were told
// is there, versions grow, and they go on by themselves.
func TestKilledMidCall(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{AOF: "always"})
	s := open(t, r.URL(), redisstore.Options{})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const writers = 8
	told := make([]store.Version, writers)
	progress := make(chan struct{}, 1)
	for i := range writers {
		wg.Go(func() {
			key := fmt.Sprintf("k%d", i)
			for n := 0; ctx.Err() == nil; n++ {
				got, err := s.Get(ctx, key)
				if err == nil && got.Version < told[i] {
					t.Errorf("%s: version %d after %d was reported", key, got.Version, told[i])
				}
				if err == nil || errors.Is(err, store.ErrAbsent) {
					if errors.Is(err, store.ErrAbsent) && told[i] != 0 {
						t.Errorf("%s: version %d is gone", key, told[i])
					}
					var v store.Version
					v, err = s.Swap(ctx, key, got.Version, []byte(fmt.Sprint(n)), time.Hour)
					if err == nil {
						told[i] = v
						select {
						case progress <- struct{}{}:
						default:
						}
					}
				}
				if err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	for range 5 {
		for range 20 {
			<-progress
		}
		if err := errors.Join(r.Kill9(), r.Start()); err != nil {
			t.Error(err)
			break
		}
	}
	<-progress
	stop()
	wg.Wait()
}

// What the server has forgotten of scripts is sent again.
func TestScriptsGone(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s := open(t, r.URL(), redisstore.Options{})
	v := swap(t, s, "k", 0, "a", 0)
	do(t, r, "SCRIPT", "FLUSH")
	v = swap(t, s, "k", v, "b", 0)
	do(t, r, "SCRIPT", "FLUSH")
	if err := errors.Join(s.Take(t.Context(), taking("o")), s.Delete(t.Context(), "k", v)); err != nil {
		t.Error(err)
	}
}

// Full memory refuses writes, and nothing else; what is written then can be
// removed, and makes room.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{Config: []string{"maxmemory 6mb", "maxmemory-policy noeviction"}})
	s := open(t, r.URL(), redisstore.Options{})
	value := strings.Repeat("v", 100_000)
	versions := map[string]store.Version{}
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		key := fmt.Sprint(i)
		var v store.Version
		if v, err = s.Swap(t.Context(), key, 0, []byte(value), 0); err == nil {
			versions[key] = v
		}
	}
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "memory is full") {
		t.Fatalf("%d records, %v", len(versions), err)
	}
	do(t, r, "CONFIG", "SET", "maxmemory", "2mb")
	if err := s.Take(t.Context(), taking("o")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "memory is full") {
		t.Errorf("take: %v", err)
	}
	for key, v := range versions {
		if got, err := s.Get(t.Context(), key); err != nil || got.Version != v || string(got.Value) != value {
			t.Fatalf("%s: version %d, %v", key, got.Version, err)
		}
		if err := s.Delete(t.Context(), key, v); err != nil {
			t.Fatal(err)
		}
	}
	swap(t, s, "again", 0, value, 0)
}

// A server that evicts loses records whole: what is there is what was written,
// and versions of what is gone do not come back.
func TestEviction(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{Config: []string{"maxmemory 6mb", "maxmemory-policy allkeys-lru"}})
	s := open(t, r.URL(), redisstore.Options{})
	const n = 200
	versions := make([]store.Version, n)
	value := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 60_000) }
	for i := range n {
		versions[i] = swap(t, s, fmt.Sprintf("k%03d", i), 0, string(value(i)), 0)
	}
	lost := 0
	for i := range n {
		key := fmt.Sprintf("k%03d", i)
		got, err := s.Get(t.Context(), key)
		switch {
		case errors.Is(err, store.ErrAbsent):
			lost++
			if _, err := s.Swap(t.Context(), key, versions[i], nil, 0); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s was lost, and its version serves: %v", key, err)
			}
			if v := swap(t, s, key, 0, string(value(i)), 0); v <= versions[i] {
				t.Errorf("%s: version %d after %d", key, v, versions[i])
			}
		case err != nil:
			t.Fatal(err)
		case got.Version != versions[i] || !bytes.Equal(got.Value, value(i)):
			t.Errorf("%s is not what was written", key)
		}
	}
	if lost == 0 {
		t.Error("nothing was evicted")
	}
	last := ""
	for got, err := range store.All(t.Context(), s, "k", 7) {
		var i int
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(got.Key, "k%d", &i); err != nil || got.Key <= last || !bytes.Equal(got.Value, value(i)) {
			t.Errorf("scan shows %q after %q, %v", got.Key, last, err)
		}
		last = got.Key
	}
	p := promise(t, s, "records stay until they expire")
	if p.Kept || !strings.Contains(p.Found, "allkeys-lru") || !strings.Contains(p.Weaker, "sent again") || !strings.Contains(p.Remedy, "noeviction") {
		t.Errorf("%+v", p)
	}
}

// After a failover the old name may lead to a replica: writes are refused in
// words until that has passed.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	primary, r := servers.Redis(t, servers.RedisOptions{}), servers.Redis(t, servers.RedisOptions{})
	s := open(t, r.URL(), redisstore.Options{})
	v := swap(t, s, "k", 0, "v", 0)
	host, port, _ := strings.Cut(primary.Addr(), ":")
	do(t, r, "REPLICAOF", host, port)
	_, err := s.Swap(t.Context(), "k", v, nil, 0)
	taken := s.Take(t.Context(), taking("o"))
	for what, err := range map[string]error{"swap": err, "take": taken} {
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "replica") || !strings.Contains(err.Error(), r.Addr()) {
			t.Errorf("%s on a replica: %v", what, err)
		}
	}
	do(t, r, "REPLICAOF", "NO", "ONE")
	eventually(t, "after the failover", func() error { return s.Take(t.Context(), taking("o")) })
}

// Keys of ours that hold what somebody else wrote are told, and left alone.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{})
	s := open(t, r.URL()+"?prefix=f:", redisstore.Options{})
	for i, write := range [][]string{
		{"SET", "", "somebody's words"}, {"SET", "", strings.Repeat("x", 40)}, {"HSET", "", "f", "v"}, {"LPUSH", "", "x"},
	} {
		key := fmt.Sprintf("k%d", i)
		v := swap(t, s, key, 0, "ours", 0)
		write[1] = do(t, r, "KEYS", "f:*r:"+key)
		do(t, r, "DEL", write[1])
		do(t, r, write...)
		_, get := s.Get(t.Context(), key)
		_, insert := s.Swap(t.Context(), key, 0, nil, 0)
		_, rewrite := s.Swap(t.Context(), key, v, nil, 0)
		_, scan := s.Scan(t.Context(), key, "", 1)
		for what, err := range map[string]error{"get": get, "insert": insert, "rewrite": rewrite, "scan": scan, "delete": s.Delete(t.Context(), key, v)} {
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "prefix") {
				t.Errorf("%s over %s: %v", what, write, err)
			}
		}
		if do(t, r, "EXISTS", write[1]) != "1" {
			t.Errorf("%s is gone", write)
		}
	}
	if err := s.Take(t.Context(), taking("o")); err != nil {
		t.Fatal(err)
	}
	rates := do(t, r, "KEYS", "f:*m:o}r")
	do(t, r, "DEL", rates)
	do(t, r, "SET", rates, "x")
	if err := s.Take(t.Context(), taking("o")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "prefix") {
		t.Errorf("take: %v", err)
	}
}

// Neither a server that starts with nothing nor one whose clock went back gives
// a version out again.
func TestVersionsAfterLoss(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{}) // keeps nothing
	s := open(t, r.URL()+"?prefix=f:", redisstore.Options{})
	before := swap(t, s, "k", 0, "lost", 0)
	if err := errors.Join(r.Kill9(), r.Start()); err != nil {
		t.Fatal(err)
	}
	var after store.Version
	eventually(t, "after the restart", func() (err error) {
		after, err = s.Swap(t.Context(), "k", 0, nil, 0)
		return err
	})
	if after <= before {
		t.Errorf("version %d after %d was lost", after, before)
	}
	sequence := do(t, r, "KEYS", "f:*sequence")
	const ahead = 4_000_000_000_000_000 // the clock was in 2096
	do(t, r, "SET", sequence, fmt.Sprint(int64(ahead)))
	for range 3 {
		if err := s.Delete(t.Context(), "k", after); err != nil {
			t.Fatal(err)
		}
		v := swap(t, s, "k", 0, "", 0)
		if v <= ahead || v <= after || v > ahead+10 {
			t.Errorf("version %d after %d", v, after)
		}
		after = v
	}
}
