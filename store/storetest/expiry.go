package storetest

import (
	"fmt"
	"time"

	"github.com/failwell/failwell/store"
)

func testExpiry(f *fixture) {
	for i, ttl := range []time.Duration{1, time.Millisecond, 1500 * time.Microsecond, time.Second, 24 * time.Hour} {
		key := fmt.Sprintf("k%d", i)
		now, err := f.Now(f.ctx)
		if err != nil || !now.Equal(f.clock.Now()) {
			f.Fatalf("the store's clock says %v, %v; want %v", now, err, f.clock.Now())
		}
		v := f.swap(key, 0, "v", ttl)
		expires := f.holds(key, "v", v).Expires
		if late := expires.Sub(now.Add(ttl)); late < 0 || late >= time.Millisecond || !expires.Equal(expires.Truncate(time.Millisecond)) {
			f.Fatalf("ttl %v at %v: expires %v; want the next whole millisecond", ttl, now, expires)
		}
		f.clock.Set(expires.Add(-1))
		f.holds(key, "v", v)
		if keys := f.keys(key, 10); len(keys) != 1 {
			f.Fatalf("scan just before expiry: %q", keys)
		}
		f.clock.Set(expires)
		f.absent(key)
		if keys := f.keys(key, 10); len(keys) != 0 {
			f.Fatalf("scan at expiry: %q", keys)
		}
		f.swapFails(store.ErrConflict, key, v)
		f.deleteFails(store.ErrAbsent, key, v)
	}
}

func testExpiryRewritten(f *fixture) {
	v := f.swap("longer", 0, "a", time.Second)
	v = f.swap("longer", v, "b", time.Hour)
	forever := f.swap("forever", f.swap("forever", 0, "a", time.Second), "b", 0)
	shorter := f.swap("shorter", f.swap("shorter", 0, "a", time.Hour), "b", time.Second)
	f.holds("shorter", "b", shorter)
	same := f.swap("same", f.swap("same", 0, "a", time.Second), "b", time.Second)
	gone := f.swap("gone", 0, "a", time.Second)
	f.delete("gone", gone)
	gone = f.swap("gone", 0, "b", 0)

	f.holds("same", "b", same)
	f.clock.Advance(time.Second + time.Millisecond)
	f.churn(200)
	f.holds("longer", "b", v)
	f.holds("forever", "b", forever)
	f.holds("gone", "b", gone)
	f.absent("shorter")
	f.absent("same")
	f.clock.Advance(time.Hour)
	f.churn(200)
	f.absent("longer")
	f.holds("forever", "b", forever)
}

// churn makes calls, within which a store reclaims what has expired.
func (f *fixture) churn(calls int) {
	f.Helper()
	for i := range calls {
		key := fmt.Sprintf("churn%d", i%7)
		f.delete(key, f.put(key, "x", time.Minute))
	}
}

// testManyExpired has a store reclaim while records of all kinds are around:
// only what is due may go.
func testManyExpired(f *fixture) {
	const n = 300
	versions := make(map[string]store.Version)
	for i := range n {
		f.swap(fmt.Sprintf("due%03d", i), 0, "v", time.Duration(1+i%9)*time.Second)
		key := fmt.Sprintf("later%03d", i)
		versions[key] = f.swap(key, 0, "v", time.Hour)
	}
	f.clock.Advance(5*time.Second + time.Millisecond)
	f.churn(n)
	left := 0
	for i := range n {
		if 1+i%9 > 5 {
			left++
		}
	}
	if keys := f.keys("due", 100); len(keys) != left {
		f.Fatalf("%d records of %d are left; want %d", len(keys), n, left)
	}
	f.clock.Advance(5*time.Second + time.Millisecond)
	f.churn(n)
	if keys := f.keys("due", 100); len(keys) != 0 {
		f.Fatalf("%d expired records are left", len(keys))
	}
	for key, v := range versions {
		f.holds(key, "v", v)
	}
	for i := range n {
		key := fmt.Sprintf("due%03d", i)
		f.holds(key, "new", f.swap(key, 0, "new", 0))
	}
}
