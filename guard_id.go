package failwell

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"

	"github.com/failwell/failwell/contract"
)

// maxRequestID is the longest id accepted from a caller.
const maxRequestID = 128

// requestID keeps a caller's id when it is sane and makes one otherwise: a
// UUIDv7 (RFC 9562 section 5.7), so that ids sort by time.
func requestID(h *contract.RequestIDHeader, sent []string) string {
	if len(sent) == 1 && saneID(h.Format, sent[0]) {
		return sent[0]
	}
	id := uuid.Must(uuid.NewV7FromReader(random{})) // random never fails
	if h.Prefix == "" {
		return id.String()
	}
	return h.Prefix + id.String()
}

// random reads from the runtime's generator, ChaCha8 seeded by the system: ids
// have to be unique, not secret, and this spares a system call.
type random struct{}

// Read implements io.Reader.
func (random) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		var eight [8]byte
		binary.LittleEndian.PutUint64(eight[:], rand.Uint64()) //nolint:gosec // see above
		copy(p[i:], eight[:])
	}
	return len(p), nil
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
