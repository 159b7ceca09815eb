package record

import (
	"encoding/base64"
	"encoding/binary"
	"time"
)

// position is a place in the order of records: an end, and the id that tells
// apart what ended in the same nanosecond.
type position struct {
	at int64 // Unix nanoseconds
	id string
}

func positionOf(r *Record) position { return position{r.Ended.UnixNano(), r.ID} }

// before reports whether p is older than o.
func (p position) before(o position) bool { return p.at < o.at || p.at == o.at && p.id < o.id }

func (p position) time() time.Time { return time.Unix(0, p.at).UTC() }

// maxCursor bounds a cursor: the longest id, and its instant.
const maxCursor = 512

func (p position) String() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(p.id)), uint64(p.at))
	return base64.RawURLEncoding.EncodeToString(append(b, p.id...))
}

func parsePosition(s string) (position, error) {
	if len(s) > maxCursor {
		return position{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 8 {
		return position{}, ErrCursor
	}
	return position{int64(binary.BigEndian.Uint64(b)), string(b[8:])}, nil
}
