package gateway

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// sending watches whether a request that must not be sent twice was sent at all.
// net/http says so of dialling only; a kept connection that the upstream has
// closed meanwhile is the common case besides, and there what counts is whether
// a byte was written.
type sending struct {
	mu   sync.Mutex
	got  bool
	conn *patientConn // nil when bytes cannot be counted
	from int64
}

// watch notes the connection that a request is given.
func (s *sending) watch(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: s.gotConn}))
}

func (s *sending) gotConn(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = true
	if s.conn, _ = conn.(*patientConn); s.conn != nil {
		s.from = s.conn.written.Load()
	}
}

// nothing reports whether it is proven that nothing was sent. net/http has
// stopped writing when it reports an error.
func (s *sending) nothing() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.got || s.conn != nil && s.conn.written.Load() == s.from
}
