package gateway

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
)

// metrics are counted per request. Labels hold words of the contract and of the
// closed vocabulary only: nothing that a caller chooses, so that their number
// has a bound and nobody's key or id is among them.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	decisions *prometheus.CounterVec
	admitted  prometheus.Counter
	replayed  prometheus.Counter
	keyed     *prometheus.CounterVec
	decided   prometheus.Histogram
	took      prometheus.Histogram
}

// decisionBuckets span a key at hand in the process and a store that has
// almost timed out, in seconds.
var decisionBuckets = []float64{5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2e-2, 5e-2}

// tookBuckets span an answer of the gateway's own and an upstream's timeout.
var tookBuckets = []float64{1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

const (
	namespace = "failwell"
	// outside labels requests that matched no operation.
	outside = "none"
	// statusClass is the class of a status, "gone" when the caller has left.
	statusClass = "status"
	operationID = "operation"
)

func newMetrics(g *Gateway) *metrics {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counters("requests_total", "Requests by operation, class of status, and code of the contract where the gateway wrote the error.", operationID, statusClass, "code"),
		decisions: counters("decisions_total", "Decisions by the condition that refused; admitted for the others.", "condition"),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "replays_total", Help: "Answers given once more under an idempotency key.",
		}),
		decided: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "decision_seconds", Help: "Time to decide about keys, plans and limits.", Buckets: decisionBuckets,
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "request_seconds", Help: "Time from the head of a request to the end of its response.", Buckets: tookBuckets,
		}),
	}
	m.keyed = counters("idempotent_requests_total", "Requests with an idempotency key by what became of it: worked, replayed, freed, doubted, refused, unprotected.", "state")
	for _, state := range []record.IdempotencyState{record.Worked, record.Replayed, record.Freed, record.Doubted, record.Refused, record.Unprotected} {
		m.keyed.WithLabelValues(string(state)) // there from the start, at 0
	}
	m.admitted = m.decisions.WithLabelValues("admitted")
	m.registry.MustRegister(m.requests, m.decisions, m.replayed, m.keyed, m.decided, m.took, &health{g},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// classes are the values of statusClass in the order of classOf.
var classes = [...]string{"gone", "1xx", "2xx", "3xx", "4xx", "5xx"}

// counted are the counters of one operation's responses that carry no code of
// the gateway's, looked up once.
type counted [len(classes)]atomic.Pointer[prometheus.Counter]

// observer counts the requests of one generation.
type observer struct {
	*metrics
	operations map[*contract.Operation]*counted
	others     counted
}

func (m *metrics) observer(c *contract.Contract) *observer {
	o := &observer{metrics: m, operations: make(map[*contract.Operation]*counted, len(c.Operations))}
	for _, x := range c.Operations {
		o.operations[x] = &counted{}
	}
	return o
}

func (o *observer) observe(x *failwell.Outcome) {
	o.took.Observe(x.Took.Seconds())
	if x.Decided > 0 {
		o.decided.Observe(x.Decided.Seconds())
		if x.Refusal == "" {
			o.admitted.Inc()
		} else {
			o.decisions.WithLabelValues(string(x.Refusal)).Inc()
		}
	}
	if x.ReplayOf != "" {
		o.replayed.Inc()
	}
	if x.Idempotency != "" {
		o.keyed.WithLabelValues(string(x.Idempotency)).Inc()
	}
	class := classOf(x.Status)
	if x.Code != nil {
		o.requests.WithLabelValues(idOf(x.Operation), classes[class], x.Code.Name).Inc()
		return
	}
	spot := &o.others[class]
	if known := o.operations[x.Operation]; known != nil {
		spot = &known[class]
	}
	counter := spot.Load()
	if counter == nil { // the first of its kind
		made := o.requests.WithLabelValues(idOf(x.Operation), classes[class], "")
		counter = &made
		spot.Store(counter)
	}
	(*counter).Inc()
}

func idOf(o *contract.Operation) string {
	if o == nil {
		return outside
	}
	return o.ID
}

// handler serves the metrics. What it cannot collect is missing from them and
// in the log.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}
