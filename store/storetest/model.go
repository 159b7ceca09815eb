package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/store"
)

// model is a store as a plain map, with the greatest version each key ever had.
type model struct {
	records map[string]store.Record
	highest map[string]store.Version
	clock   *Clock
}

func (m *model) live(key string) (store.Record, bool) {
	r, ok := m.records[key]
	return r, ok && (r.Expires.IsZero() || m.clock.Now().Before(r.Expires))
}

func (m *model) scan(prefix, after string, limit int) []store.Record {
	var page []store.Record
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		if r, ok := m.live(key); ok && strings.HasPrefix(key, prefix) && key > after && len(page) < limit {
			page = append(page, r)
		}
	}
	return page
}

// testModel compares random histories with the model.
func testModel(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		clock := NewClock()
		s := f.open(f.T, clock.Now)
		defer func() {
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
		}()
		walk(t, f, clock, func() store.Store { return s }, nil)
	})
}

// walk runs one random history. again, if given, closes and opens the store.
func walk(t *rapid.T, f *fixture, clock *Clock, s func() store.Store, again func()) {
	m := &model{records: make(map[string]store.Record), highest: make(map[string]store.Version), clock: clock}
	keys := rapid.SampledFrom([]string{"a", "a\x00", "ab", "a\xff", "b", "\xff", "\xff\xff", "\x00"})
	prefixes := rapid.SampledFrom([]string{"", "a", "a\xff", "\xff", "\x00", "c"})
	ttls := rapid.SampledFrom([]time.Duration{0, 0, 1, 700 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, time.Second})
	version := func(key string) store.Version {
		r, _ := m.live(key)
		return rapid.SampledFrom([]store.Version{r.Version, r.Version, r.Version, 0, m.highest[key], m.highest[key] + 1}).Draw(t, "old")
	}
	actions := map[string]func(*rapid.T){
		"swap": func(t *rapid.T) {
			key, ttl := keys.Draw(t, "key"), ttls.Draw(t, "ttl")
			old, value := version(key), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value")
			present, ok := m.live(key)
			v, err := s().Swap(f.ctx, key, old, value, ttl)
			if (!ok && old != 0) || (ok && old != present.Version) {
				if !errors.Is(err, store.ErrConflict) || v != 0 {
					t.Fatalf("swap %q from %d: %d, %v; want ErrConflict", key, old, v, err)
				}
				return
			}
			if err != nil || v <= m.highest[key] {
				t.Fatalf("swap %q from %d: version %d, %v; the highest was %d", key, old, v, err, m.highest[key])
			}
			m.highest[key] = v
			m.records[key] = store.Record{
				Key: key, Value: value, Version: v, Expires: store.Expires(store.Deadline(clock.Now(), ttl)),
			}
		},
		"delete": func(t *rapid.T) {
			key := keys.Draw(t, "key")
			old := version(key)
			present, ok := m.live(key)
			var want error
			switch {
			case !ok:
				want = store.ErrAbsent
			case old != present.Version:
				want = store.ErrConflict
			}
			if err := s().Delete(f.ctx, key, old); !errors.Is(err, want) {
				t.Fatalf("delete %q at %d: %v; want %v", key, old, err, want)
			}
			if want == nil {
				delete(m.records, key)
			}
		},
		"get": func(t *rapid.T) {
			key := keys.Draw(t, "key")
			want, ok := m.live(key)
			got, err := s().Get(f.ctx, key)
			if !ok {
				if !errors.Is(err, store.ErrAbsent) {
					t.Fatalf("get %q: %s, %v; want ErrAbsent", key, show(got), err)
				}
				return
			}
			if err != nil || !same(got, want) {
				t.Fatalf("get %q: %s, %v; want %s", key, show(got), err, show(want))
			}
		},
		"scan": func(t *rapid.T) {
			prefix, limit := prefixes.Draw(t, "prefix"), rapid.IntRange(1, 9).Draw(t, "limit")
			after := rapid.OneOf(rapid.Just(""), keys).Draw(t, "after")
			got, err := s().Scan(f.ctx, prefix, after, limit)
			if want := m.scan(prefix, after, limit); err != nil || !slices.EqualFunc(got, want, same) {
				t.Fatalf("scan %q after %q, %d: %v, %v; want %v", prefix, after, limit, got, err, want)
			}
		},
		"advance": func(t *rapid.T) {
			clock.Advance(rapid.SampledFrom([]time.Duration{1, time.Millisecond, 4 * time.Millisecond, time.Second}).Draw(t, "by"))
		},
	}
	if again != nil {
		actions["reopen"] = func(*rapid.T) { again() }
	}
	t.Repeat(actions)
}

func same(a, b store.Record) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.Version == b.Version && a.Expires.Equal(b.Expires)
}
