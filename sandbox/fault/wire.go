package fault

import (
	"bytes"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// mangles reports whether the answer itself is touched.
func (d *Decision) mangles() bool {
	f := &d.fault
	return f.resetBefore || f.reset >= 0 || f.stall >= 0 || f.dripBytes > 0 || f.Body != "" || f.ContentType != "" || f.Status != 0 ||
		f.RetryAfter != "" || len(f.Missing) > 0 || len(f.Duplicate) > 0 || len(f.Headers) > 0 || f.CutEvents > 0
}

// breakOff ends the connection as a machine that vanishes does: with a reset
// where the protocol has one.
func breakOff(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // by the sandbox's listener
			conn = wrapped.NetConn()
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is not sent yet is dropped, and RST goes out
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// cut sends what there is and ends the connection.
func (m *mangler) cut() {
	_ = http.NewResponseController(m.ResponseWriter).Flush()
	breakOff(m.ResponseWriter)
}

// mangler is between a handler that answers and a wire that lies.
type mangler struct {
	http.ResponseWriter

	request  *http.Request
	decision *Decision
	begun    bool
	replaced bool // the body is another one
	sent     int
	events   int
}

// Unwrap serves http.ResponseController.
func (m *mangler) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (m *mangler) WriteHeader(status int) {
	if status < 200 {
		m.ResponseWriter.WriteHeader(status)
		return
	}
	if m.begun {
		return
	}
	m.begun = true
	f := &m.decision.fault
	if f.resetBefore {
		breakOff(m.ResponseWriter)
	}
	if f.Status != 0 {
		status = f.Status
	}
	h := m.Header()
	if f.Body != "" || f.Status != 0 {
		h.Del("Content-Length")
		m.replaced = f.Body != "" && f.Body != "truncated"
	}
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	}
	switch {
	case f.retryAfterAhead != 0:
		h.Set("Retry-After", time.Now().Add(f.retryAfterAhead).UTC().Format(http.TimeFormat))
	case f.RetryAfter != "":
		h["Retry-After"] = []string{f.RetryAfter}
	}
	for name, value := range f.Headers {
		h.Set(name, value)
	}
	for _, name := range f.Missing {
		h[http.CanonicalHeaderKey(name)] = nil
	}
	for _, name := range f.Duplicate {
		key := http.CanonicalHeaderKey(name)
		if values := h[key]; len(values) > 0 {
			h[key] = append(values, values[0])
		}
	}
	m.ResponseWriter.WriteHeader(status)
	if slices.ContainsFunc(f.Missing, func(name string) bool { return strings.EqualFold(name, "Content-Length") }) {
		// net/http counts for itself what it can hold back.
		_ = http.NewResponseController(m.ResponseWriter).Flush()
	}
	if m.replaced {
		m.send(other(f.Body))
	}
}

// other is a body that nobody expects.
func other(kind string) []byte {
	switch kind {
	case "malformed":
		return []byte(`{"error": {"message": "the pen ran ou`)
	case "html":
		return []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n")
	case "binary":
		return bytes.Repeat([]byte{0x00, 0xff, 0xfe, 0x80}, 32)
	}
	return nil
}

// Write implements http.ResponseWriter.
func (m *mangler) Write(p []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	if m.replaced {
		return len(p), nil
	}
	f := &m.decision.fault
	if f.Body == "truncated" {
		// Half of it, in a connection that ends as if that were all.
		m.send(p[:len(p)/2])
		return len(p), nil
	}
	if f.CutEvents > 0 {
		for at := 0; at < len(p); {
			end := bytes.Index(p[at:], []byte("\n\n"))
			if end < 0 {
				break
			}
			if m.events++; m.events > f.CutEvents {
				m.send(p[:at+end/2])
				m.cut()
			}
			at += end + 2
		}
	}
	m.send(p)
	return len(p), nil
}

// send passes bytes on as the fault lets it.
func (m *mangler) send(p []byte) {
	f := &m.decision.fault
	for len(p) > 0 {
		n := len(p)
		if f.dripBytes > 0 {
			n = min(n, f.dripBytes)
		}
		if f.reset >= 0 {
			n = min(n, f.reset-m.sent)
		}
		if f.stall >= 0 {
			n = min(n, f.stall-m.sent)
		}
		if n > 0 {
			if _, err := m.ResponseWriter.Write(p[:n]); err != nil {
				return
			}
			m.sent += n
			p = p[n:]
		}
		m.hold(len(p) == 0)
	}
}

// hold does what is due between two pieces of the body.
func (m *mangler) hold(last bool) {
	f := &m.decision.fault
	switch {
	case f.reset >= 0 && m.sent >= f.reset:
		m.cut()
	case f.stall >= 0 && m.sent >= f.stall:
		_ = http.NewResponseController(m.ResponseWriter).Flush()
		_ = pause(m.request.Context(), longest)
		panic(http.ErrAbortHandler)
	case f.dripBytes > 0 && !last:
		_ = http.NewResponseController(m.ResponseWriter).Flush()
		if !pause(m.request.Context(), f.dripEvery) {
			panic(http.ErrAbortHandler)
		}
	}
}
