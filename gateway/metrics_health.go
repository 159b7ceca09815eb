package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/failwell/failwell/admission"
)

// health is read when somebody asks for the metrics: what admission and the
// gateway know of themselves.
type health struct{ g *Gateway }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	descLimits   = describe("limit_decisions_total", "Decisions over limits kept in the store: exact there, or by the policy of each limit while it is away.", "mode")
	descErrors   = describe("store_errors_total", "Questions of limits that the store did not answer in time.")
	descOwed     = describe("settlements_waiting", "Settlements of ended calls that the store has not taken yet: what those calls took stays charged until then.")
	descStore    = describe("store_seconds", "Time that the store took to decide over limits.")
	descDegraded = describe("degraded", "1 while a part goes on without the store.", "part")
	descOutages  = describe("degraded_total", "How often a part began to go on without the store.", "part")
	descLookups  = describe("lookups_total", "Look-ups of keys and accounts: hit in memory, miss, or stale while the store is away.", "of", "result")
	descRunning  = describe("requests_in_flight", "Requests under way.")
	descKeyed    = describe("idempotent_calls_in_flight", "Calls under way that hold an idempotency key.")
	descBytes    = describe("in_flight_bytes", "Bytes of request bodies under way, as max_in_flight counts them.")
	descBound    = describe("adaptive_limit", "Calls that may run at once at present; 0 without adaptive_limit.")
	descRecords  = describe("records_total", "Records of requests: written to the store, sampled (left out on purpose) or dropped (the store did not keep up, or too many failed at once).", "result")
	descWaiting  = describe("records_waiting", "Records that are not in the store yet.")
	descSpans    = describe("spans_total", "Requests of which spans were sent to the collector, or dropped.", "result")
	descHealthy  = describe("upstreams", "Upstreams by whether they get requests.", "state")
)

// Describe implements prometheus.Collector.
func (h *health) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descLimits, descErrors, descOwed, descStore, descDegraded, descOutages, descLookups, descRunning, descKeyed, descBytes, descBound, descHealthy,
		descRecords, descWaiting, descSpans,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (h *health) Collect(to chan<- prometheus.Metric) {
	n := h.g.live.Load()
	if n == nil {
		return // asked before the first contract was loaded
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	x := n.admission.Health()
	counter(descLimits, x.Exact, "exact")
	counter(descLimits, x.Local, "local")
	counter(descLimits, x.Open, "open")
	counter(descLimits, x.Closed, "closed")
	counter(descErrors, x.Errors)
	gauge(descOwed, x.Unsettled)
	calls, buckets := addedUp(&x.Latency)
	to <- prometheus.MustNewConstHistogram(descStore, calls, x.Latency.Sum.Seconds(), buckets)
	gauge(descDegraded, asNumber(x.Away), "limits")
	gauge(descDegraded, asNumber(x.KeysAway), "keys")
	counter(descOutages, x.Outages, "limits")
	counter(descOutages, x.KeyOutages, "keys")
	for of, l := range map[string]admission.Lookups{"key": x.Keys, "account": x.Accounts} {
		counter(descLookups, l.Hits, of, "hit")
		counter(descLookups, l.Misses, of, "miss")
		counter(descLookups, l.Stale, of, "stale")
	}
	gauge(descRunning, h.g.underWay.Load())
	gauge(descKeyed, int64(n.admission.Reserved()))
	gauge(descBytes, x.InFlightBytes)
	gauge(descBound, x.CallLimit)
	if h.g.records != nil {
		s := h.g.records.Stats()
		counter(descRecords, s.Written, "written")
		counter(descRecords, s.Sampled, "sampled")
		counter(descRecords, s.Dropped, "dropped")
		gauge(descWaiting, int64(s.Waiting))
	}
	if h.g.spans != nil {
		counter(descSpans, h.g.spans.sent.Load(), "sent")
		counter(descSpans, h.g.spans.dropped.Load(), "dropped")
	}
	healthy, ejected := int64(0), int64(0)
	for _, u := range n.pool.members {
		if u.status(h.g.config.now()).Healthy {
			healthy++
		} else {
			ejected++
		}
	}
	gauge(descHealthy, healthy, "healthy")
	gauge(descHealthy, ejected, "ejected")
}

func asNumber(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// addedUp adds the buckets up, as the format has them.
func addedUp(h *admission.Histogram) (sum uint64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.Bounds))
	for i, n := range h.Counts {
		sum += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i].Seconds()] = sum
		}
	}
	return sum, buckets
}
