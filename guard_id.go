package failwell

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell/contract"
)

// maxRequestID is the longest id accepted from a caller.
const maxRequestID = 128

// requestID keeps a caller's id when it is sane and makes one otherwise, for a
// request that came at an instant.
func requestID(h *contract.RequestIDHeader, sent []string, at time.Time) string {
	if len(sent) == 1 && saneID(h.Format, sent[0]) {
		return sent[0]
	}
	if h.Prefix == "" {
		return idAt(at).String()
	}
	return h.Prefix + idAt(at).String()
}

// idAt is a UUIDv7 (RFC 9562 section 5.7), so that ids sort by time: to 1/4096 of
// a millisecond (section 6.2, method 3). The rest is of the runtime's generator,
// ChaCha8 seeded by the system: ids have to be unique, not secret, and this spares
// a system call, and a lock that the uuid package has for its clock.
func idAt(at time.Time) (id uuid.UUID) {
	const version, variant = 7 << 12, 2 << 62
	milli := at.UnixMilli()
	part := at.Sub(time.UnixMilli(milli)) * 4096 / time.Millisecond
	binary.BigEndian.PutUint64(id[:8], uint64(milli)<<16|version|uint64(part))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()&(1<<62-1)|variant) //nolint:gosec // see above
	return id
}

func saneID(format, id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	if format == "uuid" {
		return isUUID(id)
	}
	for i := range len(id) {
		b := id[i]
		if b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("._~-", b) >= 0 {
			continue
		}
		return false
	}
	return true
}

// isUUID accepts the canonical form only, 36 characters.
func isUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	return uuid.Validate(id) == nil
}
