package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/record"
)

func TestDecisions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r    record.Record
		want string
	}{
		"served": {
			record.Record{Stage: record.Handling, Status: 200, Tries: []record.Try{{To: "http://b", Status: 200, Took: time.Millisecond}}},
			"route+ key+ account+ permission+ feature+ load+ idempotency- limits+ validation+ reservation- work+(http://b answered 200 after 1ms)",
		},
		"limited": {
			record.Record{Stage: record.Admission, Condition: condition.RateLimited, Code: "slow", Status: 429,
				Limits: []record.Limit{{Kind: "rate", Max: 60, Per: time.Minute, Cost: 1, Refused: true, Binding: true}}},
			"route+ key+ account+ permission+ feature+ load+ idempotency- limits!(rate_limited: the rate had 0 left of 60 per 1m, 1 needed) validation- reservation- work-",
		},
		"no key": {
			record.Record{Stage: record.Admission, Condition: condition.KeyMissing, Status: 401},
			"route+ key!(key_missing) account- permission- feature- load- idempotency- limits- validation- reservation- work-",
		},
		"mismatch": {
			record.Record{Stage: record.Reservation, Condition: condition.IdempotencyMismatch, Status: 422, Idempotency: record.Idempotency{State: record.Refused}},
			"route+ key+ account+ permission+ feature+ load+ idempotency+(refused) limits+ validation+ reservation!(refused idempotency_mismatch) work-",
		},
		"upstream down": {
			record.Record{Stage: record.Handling, Condition: condition.UpstreamUnreachable, Code: "down", Status: 502, Tries: []record.Try{{To: "http://b", Failed: "refused"}}},
			"route+ key+ account+ permission+ feature+ load+ idempotency- limits+ validation+ reservation- work!(upstream_unreachable: http://b gave no answer: refused)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, d := range c.r.Decisions() {
				s := d.Step + map[record.Result]string{record.Passed: "+", record.Stopped: "!", record.Skipped: "-"}[d.Result]
				if d.Detail != "" {
					s += "(" + d.Detail + ")"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}
