package record

import (
	"fmt"
	"slices"
	"time"
)

// Series are counts over time.
type Series struct {
	Step    time.Duration `json:"step_ns"`
	Buckets []Bucket      `json:"buckets"`
}

// Bucket counts the requests that ended within one step.
type Bucket struct {
	Start time.Time `json:"start"`
	// Requests is all of them, Refused those that a limit refused, Replayed those
	// that got an earlier answer, Dropped those of which no record could be kept.
	Requests int64 `json:"requests"`
	Refused  int64 `json:"refused,omitempty"`
	Replayed int64 `json:"replayed,omitempty"`
	Dropped  int64 `json:"dropped,omitempty"`
	// Counts are by operation, code and class, in no promised order.
	Counts []Count `json:"counts,omitempty"`
	// Latency counts by Bounds: Latency[i] took at most Bounds[i], the last one
	// longer than all.
	Latency [len(bounds) + 1]int64 `json:"latency"`
}

// Count is how many requests ended alike.
type Count struct {
	// Operation is "" where none matched. Code is "" where failwell wrote no error.
	Operation string `json:"operation,omitempty"`
	Code      string `json:"code,omitempty"`
	// Class is the status divided by 100; 0 for callers who left.
	Class int   `json:"class"`
	N     int64 `json:"n"`
}

var bounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond, 8 * time.Millisecond,
	16 * time.Millisecond, 32 * time.Millisecond, 64 * time.Millisecond, 128 * time.Millisecond, 256 * time.Millisecond, 512 * time.Millisecond,
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second,
}

// Bounds are the upper bounds of Bucket.Latency.
func Bounds() []time.Duration { return slices.Clone(bounds[:]) }

// MaxBuckets is how many steps a series may have.
const MaxBuckets = 2000

// place is the index of a duration in Bucket.Latency.
func place(took time.Duration) int {
	i, _ := slices.BinarySearch(bounds[:], took)
	return i
}

// kind is what a Count counts.
type kind struct {
	operation, code string
	class           int
}

// add counts more of a kind.
func (b *Bucket) add(k kind, n int64) {
	for i := range b.Counts {
		if c := &b.Counts[i]; c.Code == k.code && c.Class == k.class && c.Operation == k.operation {
			c.N += n
			return
		}
	}
	b.Counts = append(b.Counts, Count{k.operation, k.code, k.class, n})
}

// count counts one request.
func (b *Bucket) count(r *Record) {
	b.Requests++
	if r.refused() {
		b.Refused++
	}
	if r.Idempotency.State == Replayed {
		b.Replayed++
	}
	b.Latency[place(r.Took)]++
	b.add(kind{r.Operation, r.Code, classOf(r.Status)}, 1)
}

// merge adds another bucket's counts.
func (b *Bucket) merge(o *Bucket) {
	b.Requests += o.Requests
	b.Refused += o.Refused
	b.Replayed += o.Replayed
	b.Dropped += o.Dropped
	for i := range o.Counts {
		c := &o.Counts[i]
		b.add(kind{c.Operation, c.Code, c.Class}, c.N)
	}
	for i, n := range o.Latency {
		b.Latency[i] += n
	}
}

func classOf(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// newSeries makes the buckets from since to until.
func newSeries(since, until time.Time, step time.Duration) (Series, error) {
	if over := step % Step; step < Step || over > 0 {
		step = max(step-over+Step, Step)
	}
	since = since.Truncate(step)
	if !since.Before(until) {
		return Series{}, fmt.Errorf("%w: it ends at %v, which is not after %v", ErrRange, until, since)
	}
	n := int((until.Sub(since) + step - 1) / step)
	if n > MaxBuckets {
		return Series{}, fmt.Errorf("%w: %d steps of %v, at most %d", ErrRange, n, step, MaxBuckets)
	}
	s := Series{Step: step, Buckets: make([]Bucket, n)}
	for i := range s.Buckets {
		s.Buckets[i].Start = since.Add(time.Duration(i) * step).UTC()
	}
	return s, nil
}

// at is the bucket of an instant, nil when it is outside.
func (s *Series) at(t time.Time) *Bucket {
	if len(s.Buckets) == 0 || t.Before(s.Buckets[0].Start) {
		return nil
	}
	i := int(t.Sub(s.Buckets[0].Start) / s.Step)
	if i >= len(s.Buckets) {
		return nil
	}
	return &s.Buckets[i]
}
