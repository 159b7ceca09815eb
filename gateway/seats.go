package gateway

import (
	"hash/maphash"
	"math/bits"
	"net"
	"net/http"
	"sync"
)

// seats number the connections that an address has open at the same time, from
// the lowest free number on. The number tells a crowd of callers apart, while
// somebody who opens one connection after the other always has the same one.
type seats struct {
	mu    sync.Mutex
	seed  maphash.Seed // other gateways number for themselves
	taken map[string]*row
}

// row is one address's seats.
type row struct {
	used []uint64
	open int
}

func newSeats() *seats { return &seats{seed: maphash.MakeSeed(), taken: map[string]*row{}} }

// take seats a connection and returns its token, and what frees the seat.
func (s *seats) take(addr net.Addr) (token uint32, leave func()) {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.taken[host]
	if r == nil {
		r = &row{}
		s.taken[host] = r
	}
	word := 0
	for word < len(r.used) && r.used[word] == ^uint64(0) {
		word++
	}
	if word == len(r.used) {
		r.used = append(r.used, 0)
	}
	bit := bits.TrailingZeros64(^r.used[word])
	r.used[word] |= 1 << bit
	r.open++
	number := word*64 + bit
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(host) // never fails
	_, _ = h.Write([]byte{byte(number), byte(number >> 8), byte(number >> 16)})
	return max(uint32(h.Sum64()), 1), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.used[word] &^= 1 << bit
		if r.open--; r.open == 0 {
			delete(s.taken, host)
		}
	}
}

// seatOf is the token of the connection that a request came on.
func seatOf(r *http.Request) uint32 {
	if c, ok := r.Context().Value(connKey{}).(*clientConn); ok {
		return c.seat
	}
	return 0
}
