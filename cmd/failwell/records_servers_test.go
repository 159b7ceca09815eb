//go:build unix

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/record"
)

// TestRecordsOnAllStores: three thousand records are written, indexed, and found
// by another reader, by id, trace and page, on each driver.
func TestRecordsOnAllStores(t *testing.T) {
	t.Parallel()
	const n = 3000
	for _, url := range []string{
		"memory:", "pebble:" + t.TempDir(), servers.Redis(t, servers.RedisOptions{}).URL(), servers.Postgres(t, servers.PostgresOptions{NoSync: true}).URL("schema", "records"),
	} {
		s := openURL(t, url)
		l := &record.Log{Store: s, MaxRate: -1}
		for i := range n {
			now := time.Now()
			l.Add(&record.Record{
				ID: fmt.Sprint("id-", i), Time: now, Ended: now, Account: fmt.Sprint("account-", i%3), Status: 200 + 229*(i%2), Trace: fmt.Sprint("trace-", i/2), Stage: record.Handling,
			})
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if stats := l.Stats(); stats.Written != n || stats.Dropped != 0 {
			t.Errorf("%s: %+v", url, stats)
		}
		reader := &record.Log{Store: s}
		found, err := reader.Find(t.Context(), "id-7")
		if err != nil || len(found) != 1 || found[0].Account != "account-1" {
			t.Fatalf("%s: %+v %v", url, found, err)
		}
		if o, err := reader.Siblings(t.Context(), &found[0]); err != nil || len(o) != 1 || o[0].ID != "id-6" {
			t.Errorf("%s: %+v %v", url, o, err)
		}
		count, q := 0, record.Query{Failed: true, Account: "account-2", Limit: 100}
		for {
			page, err := reader.Search(t.Context(), q)
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			count += len(page.Records)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if count != n/6 {
			t.Errorf("%s: %d records of the account failed, want %d", url, count, n/6)
		}
		if err := reader.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
