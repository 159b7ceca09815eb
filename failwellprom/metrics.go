// Package failwellprom counts, for Prometheus, what becomes of the calls of a
// [failwell.Transport].
package failwellprom

import (
	"cmp"
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/failwell/failwell"
)

// Metrics is a prometheus.Collector. Labels are of closed lists: conditions,
// reasons, classes of statuses. What a caller or a server can choose (an address,
// an id, a code that no contract knows) is never one, so that nobody fills a time
// series database from outside.
//
// It is safe for concurrent use; the fields must not change after the first.
//
//	metrics := &failwellprom.Metrics{API: "heppu"}
//	prometheus.MustRegister(metrics)
//	transport := &failwell.Transport{Contract: heppu, Hooks: []failwell.Hooks{metrics.Hooks()}}
type Metrics struct {
	// API is a label of all of them. Optional: "" leaves it out.
	API string
	// Buckets of the durations, in seconds. Optional: nil is from 5 ms to 5 minutes.
	Buckets []float64

	once     sync.Once
	attempts *prometheus.CounterVec
	took     *prometheus.HistogramVec
	waited   *prometheus.HistogramVec
	gaveUp   *prometheus.CounterVec
}

func (m *Metrics) make() {
	m.once.Do(func() {
		labels := prometheus.Labels{}
		if m.API != "" {
			labels["api"] = m.API
		}
		buckets := m.Buckets
		if buckets == nil {
			buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
		}
		histogram := func(name, help string, by string) *prometheus.HistogramVec {
			return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: labels, Buckets: buckets}, []string{by})
		}
		counter := func(name, help string, by ...string) *prometheus.CounterVec {
			return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, by)
		}
		m.attempts = counter("failwell_client_attempts_total", "Tries of calls, by class of status and by what went wrong.", "status", "condition")
		m.took = histogram("failwell_client_attempt_seconds", "How long a try took until the headers of its response, or its failure, were there.", "status")
		m.waited = histogram("failwell_client_wait_seconds", "How long calls waited: to repeat, or for room in a limit.", "for")
		m.gaveUp = counter("failwell_client_give_ups_total", "Calls that failed, by what went wrong and by why they were not repeated.", "condition", "stopped")
	})
}

// Hooks belong into [failwell.Transport].Hooks. Several transports may share them.
func (m *Metrics) Hooks() failwell.Hooks {
	m.make()
	return failwell.Hooks{
		OnAttempt: func(_ *http.Request, a failwell.Attempt) {
			class := classOf(a.Status)
			m.attempts.WithLabelValues(class, string(a.Condition)).Inc()
			m.took.WithLabelValues(class).Observe(a.Duration.Seconds())
		},
		OnWait: func(_ *http.Request, w failwell.Wait) {
			why := "repetition"
			if w.Paced {
				why = "room"
			}
			m.waited.WithLabelValues(why).Observe(w.For.Seconds())
		},
		OnGiveUp: func(_ *http.Request, e *failwell.Error) {
			m.gaveUp.WithLabelValues(string(cmp.Or(e.Condition, "unknown")), string(e.Stopped)).Inc()
		},
	}
}

// classOf is "2xx" and the like, "none" where no response came.
func classOf(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	m.make()
	m.attempts.Describe(to)
	m.took.Describe(to)
	m.waited.Describe(to)
	m.gaveUp.Describe(to)
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.make()
	m.attempts.Collect(to)
	m.took.Collect(to)
	m.waited.Collect(to)
	m.gaveUp.Collect(to)
}
