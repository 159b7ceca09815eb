package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// ServeHTTP implements http.Handler: a caller's request, as the ports get it.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.underWay.Add(1)
	defer g.underWay.Add(-1)
	n := g.live.Load()
	if status := suspicious(w, r, int(n.settings.MaxHeader)); status != 0 {
		n.guard.WriteError(w, r, refused(status, n.contract))
		return
	}
	n.hygiene.clean(r)
	n.handler.ServeHTTP(w, pace(w, r))
}

// suspicious returns the status for requests that net/http lets through and
// that are refused here; 0 for all others.
func suspicious(w http.ResponseWriter, r *http.Request, maxHeader int) int {
	c, http1 := r.Context().Value(connKey{}).(*clientConn)
	if !http1 {
		if r.ProtoMajor >= 2 && headSize(r) > maxHeader {
			return http.StatusRequestHeaderFieldsTooLarge
		}
		return 0
	}
	c.serving.Store(true)
	c.announced(r)
	if r.ProtoMajor >= 2 { // the preface of HTTP/2, on a connection that speaks HTTP/1
		return http.StatusBadRequest
	}
	switch c.framing(r) {
	case framingContradictory:
		w.Header().Set("Connection", "close")
		return http.StatusBadRequest
	case framingUnseen:
		w.Header().Set("Connection", "close")
	case framingClear:
	}
	return 0
}

// headSize is what HTTP/2 counts (RFC 9113 section 6.5.2).
func headSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + 3*32
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + 32
		}
	}
	return size
}

// refused is the error for what net/http refuses with a status of its own.
func refused(status int, c *contract.Contract) error {
	of := condition.OfStatus(status)
	if status >= 500 || status == http.StatusExpectationFailed {
		of = condition.RequestMalformed // an HTTP version or a transfer coding that nobody knows
	}
	e := failwell.FromCondition(of, fmt.Errorf("the request was refused before it could be read: %s", http.StatusText(status)))
	if code, _ := c.For(of); code.Allows(status) {
		e.Status = status
	}
	return e
}

// refusal renders an answer for a connection on which no request could be read.
func (g *Gateway) refusal(status int) []byte {
	n := g.live.Load()
	r := &http.Request{URL: &url.URL{}, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}
	w := &recorder{header: http.Header{}}
	n.guard.WriteError(w, r, refused(status, n.contract))
	class := classOf(w.status)
	g.responses[class].Add(1)
	g.metrics.requests.WithLabelValues(outside, classes[class], "").Inc()
	return w.wire()
}

func classOf(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// done counts requests and logs those that the settings ask for.
func (g *Gateway) done(which string, watch *observer) func(*http.Request, failwell.Outcome) {
	return func(r *http.Request, o failwell.Outcome) {
		g.responses[classOf(o.Status)].Add(1)
		watch.observe(&o)
		// What the guard itself answered with 5xx it has logged with the cause.
		if which != "all" && (which == "off" || o.Status > 0 && o.Status < 500 || o.Code != nil) {
			return
		}
		status := o.Status
		if status == 0 {
			status = 499 // as nginx has it: the caller went away
		}
		attrs := make([]slog.Attr, 0, 9)
		attrs = append(attrs, slog.String("request_id", o.RequestID), slog.String("method", r.Method), slog.String("path", o.Path),
			slog.Int("status", status), slog.Int64("bytes", o.Bytes), slog.Duration("took", o.Took))
		if o.Code != nil {
			attrs = append(attrs, slog.String("code", o.Code.Name))
		}
		if o.Key != nil {
			attrs = append(attrs, slog.String("key", o.Key.ID))
		}
		if o.Account != nil {
			attrs = append(attrs, slog.String("account", o.Account.ID))
		}
		g.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	}
}
