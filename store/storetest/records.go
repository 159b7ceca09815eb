package storetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

func testAbsence(f *fixture) {
	f.absent("nobody")
	f.swapFails(store.ErrConflict, "nobody", 7)
	f.deleteFails(store.ErrAbsent, "nobody", 7)
	f.deleteFails(store.ErrAbsent, "nobody", 0)
	f.absent("nobody")
	if keys := f.keys("", 10); len(keys) != 0 {
		f.Fatalf("an empty store scans to %q", keys)
	}
}

func testSwap(f *fixture) {
	first := f.swap("k", 0, "one", 0)
	if r := f.holds("k", "one", first); !r.Expires.IsZero() {
		f.Fatalf("expires %v without a time to live", r.Expires)
	}
	f.swapFails(store.ErrConflict, "k", 0)
	f.swapFails(store.ErrConflict, "k", first+1)
	f.holds("k", "one", first)
	second := f.swap("k", first, "two", 0)
	f.swapFails(store.ErrConflict, "k", first)
	f.holds("k", "two", second)
	empty := f.swap("k", second, "", 0)
	f.holds("k", "", empty)

	other := f.swap("kk", 0, "neighbour", 0)
	f.holds("k", "", empty)
	f.holds("kk", "neighbour", other)
}

func testDelete(f *fixture) {
	v := f.swap("k", 0, "one", 0)
	f.deleteFails(store.ErrConflict, "k", 0)
	f.deleteFails(store.ErrConflict, "k", v+1)
	f.holds("k", "one", v)
	f.delete("k", v)
	f.absent("k")
	f.deleteFails(store.ErrAbsent, "k", v)
	f.swapFails(store.ErrConflict, "k", v)
	f.holds("k", "again", f.swap("k", 0, "again", 0))
}

// testVersions is the guard against ABA: whoever holds an old version can never
// hit a later record of the key with it.
func testVersions(f *fixture) {
	var last store.Version
	grows := func(v store.Version, how string) {
		f.Helper()
		if v <= last {
			f.Fatalf("%s: version %d after %d", how, v, last)
		}
		last = v
	}
	for range 20 {
		grows(f.swap("k", 0, "a", 0), "insert")
		grows(f.swap("k", last, "b", time.Second), "rewrite")
		f.clock.Advance(time.Second + time.Millisecond)
		f.swapFails(store.ErrConflict, "k", last)
		grows(f.swap("k", 0, "c", 0), "insert after expiry")
		f.delete("k", last)
		f.swapFails(store.ErrConflict, "k", last)
	}
}

func testSizes(f *fixture) {
	key := strings.Repeat("k", store.MaxKey)
	value := strings.Repeat("v", store.MaxValue)
	f.holds(key, value, f.swap(key, 0, value, 0))

	refused := func(what string, size, limit int, err error) {
		f.Helper()
		var bound *store.SizeError
		if !errors.Is(err, store.ErrTooLarge) || !errors.As(err, &bound) ||
			bound.What != what || bound.Size != size || bound.Max != limit {
			f.Fatalf("%s of %d bytes: %v", what, size, err)
		}
	}
	_, err := f.Swap(f.ctx, key+"k", 0, nil, 0)
	refused("key", store.MaxKey+1, store.MaxKey, err)
	_, err = f.Get(f.ctx, key+"k")
	refused("key", store.MaxKey+1, store.MaxKey, err)
	refused("key", store.MaxKey+1, store.MaxKey, f.Delete(f.ctx, key+"k", 1))
	_, err = f.Swap(f.ctx, "k", 0, []byte(value+"v"), 0)
	refused("value", store.MaxValue+1, store.MaxValue, err)
	f.absent("k")
	if keys := f.keys(key+"k", 10); len(keys) != 0 {
		f.Fatalf("a prefix longer than any key scans to %d records", len(keys))
	}
}

func testInvalid(f *fixture) {
	_, swapEmpty := f.Swap(f.ctx, "", 0, nil, 0)
	_, getEmpty := f.Get(f.ctx, "")
	_, negative := f.Swap(f.ctx, "k", 0, nil, -1)
	_, noLimit := f.Scan(f.ctx, "", "", 0)
	for what, err := range map[string]error{
		"swap of an empty key":   swapEmpty,
		"get of an empty key":    getEmpty,
		"delete of an empty key": f.Delete(f.ctx, "", 1),
		"negative ttl":           negative,
		"scan limit 0":           noLimit,
	} {
		if !errors.Is(err, store.ErrInvalid) {
			f.Errorf("%s: %v; want ErrInvalid", what, err)
		}
	}
	f.absent("k")
}

func testAliases(f *fixture) {
	given := []byte("mine")
	v, err := f.Swap(f.ctx, "k", 0, given, 0)
	if err != nil {
		f.Fatal(err)
	}
	given[0] = 'X'
	r := f.holds("k", "mine", v)
	r.Value[0] = 'Y'
	_ = append(r.Value, "beyond"...)
	page, err := f.Scan(f.ctx, "", "", 1)
	if err != nil || len(page) != 1 || string(page[0].Value) != "mine" {
		f.Fatalf("scan: %v, %v", page, err)
	}
	page[0].Value[0] = 'Z'
	f.holds("k", "mine", v)
}

func testCancelled(f *fixture) {
	v := f.swap("k", 0, "kept", 0)
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, get := f.Get(ctx, "k")
	_, swap := f.Swap(ctx, "k", v, []byte("lost"), 0)
	_, scan := f.Scan(ctx, "", "", 1)
	_, now := f.Now(ctx)
	for what, err := range map[string]error{
		"get": get, "swap": swap, "scan": scan, "now": now, "delete": f.Delete(ctx, "k", v),
	} {
		if !errors.Is(err, context.Canceled) {
			f.Errorf("%s: %v; want context.Canceled", what, err)
		}
	}
	f.holds("k", "kept", v)
}

func testClosed(f *fixture) {
	v := f.swap("k", 0, "v", 0)
	if err := f.Close(); err != nil {
		f.Fatalf("close: %v", err)
	}
	if err := f.Close(); err != nil {
		f.Fatalf("second close: %v", err)
	}
	_, get := f.Get(f.ctx, "k")
	_, swap := f.Swap(f.ctx, "k", v, nil, 0)
	_, scan := f.Scan(f.ctx, "", "", 1)
	_, now := f.Now(f.ctx)
	for what, err := range map[string]error{
		"get": get, "swap": swap, "scan": scan, "now": now, "delete": f.Delete(f.ctx, "k", v),
	} {
		if !errors.Is(err, store.ErrClosed) {
			f.Errorf("%s: %v; want ErrClosed", what, err)
		}
	}
}
