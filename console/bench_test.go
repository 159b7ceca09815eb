package console_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/console"
	"github.com/failwell/failwell/record"
	"github.com/failwell/failwell/store/pebblestore"
)

// BenchmarkPages loads pages with a million records of the last hour in an
// embedded store, as a browser does that has signed in.
func BenchmarkPages(b *testing.B) {
	disk, err := pebblestore.Open(b.TempDir(), pebblestore.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = disk.Close() })
	log := &record.Log{Store: disk, MaxBytes: -1, MaxRate: -1, MaxFailures: -1, Logger: slog.New(slog.DiscardHandler)}
	b.Cleanup(func() { _ = log.Close(b.Context()) })
	s := open(b, func(c *console.Console) { c.Records = log })
	keys := []admission.Key{s.key("acme"), s.key("globex"), s.key("initech")}
	id := ""
	busy(keys, 1_000_000, func(r *record.Record) {
		for log.Stats().Waiting > 20_000 {
			time.Sleep(time.Millisecond)
		}
		if r.Status == http.StatusTooManyRequests && id == "" {
			id = r.ID
		}
		log.Add(r)
	})
	for log.Stats().Waiting > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	if got := log.Stats(); got.Dropped > 0 || got.Written < 1_000_000 {
		b.Fatalf("%+v", got)
	}
	s.signIn(s.gateway.AdminToken())
	for name, path := range map[string]string{
		"overview": "", "overview of 7 days": "?window=7d", "requests": "requests", "errors": "requests?failed=on", "text": "requests?q=mem_013062", "code": "requests?code=internal_error", "nothing": "requests?account=nobody",
		"request": "requests/" + id, "key": "keys/" + keys[0].ID, "account": "accounts/acme",
	} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				code, body := s.get("/console/" + path)
				if size = len(body); code != http.StatusOK {
					b.Fatal(fmt.Sprint(code, body))
				}
			}
			b.ReportMetric(float64(size), "B/page")
		})
	}
}
