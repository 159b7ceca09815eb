package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

func testScanPages(f *fixture) {
	const n = 500
	want := make([]string, 0, n)
	versions := make(map[string]store.Version)
	for i := range n {
		key := fmt.Sprintf("k/%d", i*7919%n)
		want = append(want, key)
		versions[key] = f.swap(key, 0, "value of "+key, 0)
	}
	slices.Sort(want)
	for _, page := range []int{1, 7, 64, n - 1, n, n + 1, 1 << 20} {
		if got := f.keys("k/", page); !slices.Equal(got, want) {
			f.Fatalf("pages of %d: %d keys %.200q", page, len(got), got)
		}
	}
	for r, err := range store.All(f.ctx, f.Store, "", 0) {
		if err != nil || string(r.Value) != "value of "+r.Key || r.Version != versions[r.Key] || !r.Expires.IsZero() {
			f.Fatalf("scan: %s, %v", show(r), err)
		}
	}
	page, err := f.Scan(f.ctx, "k/", "k/25", 3)
	if err != nil || len(page) > 3 || len(page) == 0 || page[0].Key != "k/250" {
		f.Fatalf("after k/25: %v, %v", page, err)
	}
	page, err = f.Scan(f.ctx, "k/", "k/25!not there", 1)
	if err != nil || len(page) != 1 || page[0].Key != "k/250" {
		f.Fatalf("after a key that is not there: %v, %v", page, err)
	}
}

func testScanPrefixes(f *fixture) {
	all := []string{
		"\x00", "\x00\x00", "\x00a", "a", "a\x00", "a\x00b", "a\xff", "a\xff\xff", "a\xff\xffz", "ab", "b",
		"\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff", "\xff\xffz", "é", "z\x80invalid utf-8",
	}
	for _, key := range all {
		f.swap(key, 0, key, 0)
	}
	slices.Sort(all)
	for _, prefix := range append([]string{"", "c", "\xff\xff\xff\xff", "\xfe"}, all...) {
		var want []string
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		for _, page := range []int{1, 2, 100} {
			if got := f.keys(prefix, page); !slices.Equal(got, want) {
				f.Errorf("prefix %q, pages of %d: %q; want %q", prefix, page, got, want)
			}
		}
		for _, after := range all {
			first := slices.IndexFunc(want, func(key string) bool { return key > after })
			page, err := f.Scan(f.ctx, prefix, after, 1)
			switch {
			case err != nil:
				f.Fatal(err)
			case first < 0 && len(page) != 0, first >= 0 && (len(page) != 1 || page[0].Key != want[first]):
				f.Errorf("prefix %q after %q: %v", prefix, after, page)
			}
		}
	}
}

// testScanBytes asks for more bytes than fit on a page: the walk must still
// show everything, and no page may hold it all.
func testScanBytes(f *fixture) {
	value := strings.Repeat("v", store.MaxValue)
	const n = store.MaxPage/store.MaxValue + 3
	for i := range n {
		f.swap(fmt.Sprintf("k%02d", i), 0, value, 0)
	}
	page, err := f.Scan(f.ctx, "", "", 1<<20)
	if err != nil || len(page) == 0 || len(page)*store.MaxValue > store.MaxPage+store.MaxValue {
		f.Fatalf("a page of %d records of 1 MiB, %v", len(page), err)
	}
	if keys := f.keys("", 1<<20); len(keys) != n || !slices.IsSorted(keys) {
		f.Fatalf("the walk shows %d of %d records", len(keys), n)
	}
}

// testScanChanges changes the store between pages: what is there throughout is
// shown once, what has gone is not.
func testScanChanges(f *fixture) {
	const n = 100
	versions := make([]store.Version, n)
	for i := range n {
		versions[i] = f.swap(fmt.Sprintf("k%03d", i), 0, "v", 0)
	}
	seen := make(map[string]int)
	after := ""
	for step := 0; ; step++ {
		page, err := f.Scan(f.ctx, "k", after, 10)
		if err != nil {
			f.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			seen[r.Key]++
		}
		after = page[len(page)-1].Key
		if i := 99 - step; step < 5 {
			f.delete(fmt.Sprintf("k%03d", i), versions[i])
		}
		f.swap(fmt.Sprintf("k%03d-new", step), 0, "v", time.Hour)
		f.delete(after, f.put(after, "rewritten", 0))
	}
	for i := range n {
		want := 1
		if i > 94 {
			want = 0
		}
		if key := fmt.Sprintf("k%03d", i); seen[key] != want {
			f.Errorf("%s was shown %d times; want %d", key, seen[key], want)
		}
	}
}
