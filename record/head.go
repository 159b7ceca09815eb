package record

import "encoding/binary"

const headVersion = 1

// head is what is known of a block without reading its records.
type head struct {
	name        string
	first, last int64 // Unix nanoseconds
	n           int
	size        int // bytes of the body
	filter      filter
	// here is the body of a block that is still in this process.
	here []byte
}

func (h *head) encode() []byte {
	b := make([]byte, 0, 40+len(h.filter))
	b = append(b, headVersion)
	b = binary.AppendVarint(b, h.first)
	b = binary.AppendVarint(b, h.last-h.first)
	b = binary.AppendUvarint(b, uint64(h.n))
	b = binary.AppendUvarint(b, uint64(h.size))
	return append(b, h.filter...)
}

// decodeHead reads a head; name is its key without the prefix.
func decodeHead(name string, b []byte) (*head, bool) {
	r := reader{b: b}
	if r.byte() != headVersion {
		return nil, false
	}
	h := &head{name: name, first: r.int()}
	h.last = h.first + r.int()
	h.n, h.size, h.filter = int(r.uint()), int(r.uint()), r.b
	return h, !r.bad && h.last >= h.first
}
