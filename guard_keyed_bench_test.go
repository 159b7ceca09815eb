package failwell_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

// BenchmarkKeyed compares a write under an idempotency key with one without, and
// with a replay. On Pebble each keyed write makes two synced commits; 64 callers
// share them.
func BenchmarkKeyed(b *testing.B) {
	stores := map[string]func(b *testing.B) store.Store{
		"memory": func(*testing.B) store.Store { return &store.Memory{} },
		"pebble": func(b *testing.B) store.Store {
			b.Helper()
			s, err := pebblestore.Open(b.TempDir(), pebblestore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
	}
	answer := strings.Repeat("x", 512)
	for name, open := range stores {
		for _, kind := range []string{"unkeyed", "keyed", "replay"} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				s := open(b)
				defer s.Close()
				x := newTill(b, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
				x.Admission.Store = s
				h := x.Wrap(x.handler)
				var n atomic.Int64
				b.SetParallelism(32) // 64 callers on two cores
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						r := httptest.NewRequest(http.MethodPost, "/pay", strings.NewReader("5"))
						switch kind {
						case "keyed":
							r.Header.Set("Idempotency-Key", strconv.FormatInt(n.Add(1), 36))
						case "replay":
							r.Header.Set("Idempotency-Key", strconv.FormatInt(n.Add(1)%64, 36))
						}
						h.ServeHTTP(httptest.NewRecorder(), r)
					}
				})
			})
		}
	}
}
