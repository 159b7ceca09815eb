//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/failwell/failwell/internal/servers"
)

// TestHebbrixTranscript: what Hebbrix's document shows of idempotency, in front
// of a service that knows nothing of it, on each store.
func TestHebbrixTranscript(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"memory", "pebble", "redis", "postgres"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			service := servers.FastAPI(t, "memories:app")
			g := serve(t, "hebbrix", open(t, store).url, service, "--timeout", "1m") // Python may take its time to begin
			key := g.newKey(t, "ada", "pro")
			post := func(idempotency, content string) *reply {
				t.Helper()
				return must(t, "POST", g.url+"/v1/memories", key, `{"content":"`+content+`"}`,
					"Content-Type", "application/json", "Idempotency-Key", idempotency)
			}
			first := post("7ea4", "tea, not coffee")
			if first.status != 201 || first.header.Get("X-Idempotent-Replay") != "" || !strings.Contains(first.body, "tea, not coffee") {
				t.Fatalf("first: %v", first)
			}
			same := func(when string, r *reply) {
				t.Helper()
				if r.status != 201 || r.header.Get("X-Idempotent-Replay") != "true" || r.body != first.body ||
					r.header.Get("Content-Type") != first.header.Get("Content-Type") {
					t.Errorf("%s: %v\nwant the same as %v", when, r, first)
				}
			}
			same("again", post("7ea4", "tea, not coffee"))
			same("quoted, as the IETF draft has it", post(`"7ea4"`, "tea, not coffee"))
			if r := post("7ea4", "coffee"); r.status != 422 || strings.Contains(r.body, "tea") {
				t.Errorf("another payload: %v", r)
			}
			if r := post("7ea5", "tea, not coffee"); r.status != 201 || r.body == first.body {
				t.Errorf("another key: %v", r)
			}
			// Duplicates of a call under way wait for its answer.
			replies := make([]*reply, 5)
			var callers sync.WaitGroup
			for i := range replies {
				callers.Go(func() {
					replies[i], _ = ask(t.Context(), "POST", g.url+"/v1/memories", key, `{"content":"rain"}`, "Content-Type", "application/json", "Idempotency-Key", "7ea6")
				})
			}
			callers.Wait()
			replayed := 0
			for _, r := range replies {
				if r == nil || r.status != 201 || r.body != replies[0].body {
					t.Fatalf("at once: %v", replies)
				}
				if r.header.Get("X-Idempotent-Replay") == "true" {
					replayed++
				}
			}
			if replayed != 4 {
				t.Errorf("%d of 5 callers at once got a replay", replayed)
			}
			// The service has done each of them once.
			var list struct {
				Count int `json:"total_count"`
			}
			r := must(t, "GET", service+"/v1/memories", "", "")
			if err := json.Unmarshal([]byte(r.body), &list); err != nil || list.Count != 3 {
				t.Errorf("the service holds %v, want 3 memories", r)
			}
			if store == "memory" {
				return
			}
			g.down(t)
			g.up(t)
			same("after a crash of the gateway", post("7ea4", "tea, not coffee"))
		})
	}
}
