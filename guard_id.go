package failwell

import (
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
	id, err := uuid.NewV7()
	if err != nil { // the system has no randomness; an id still has to be unique
		id = uuid.Must(uuid.NewUUID())
	}
	if h.Prefix == "" {
		return id.String()
	}
	return h.Prefix + id.String()
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
