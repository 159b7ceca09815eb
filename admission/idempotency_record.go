package admission

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/contract"
)

// recordState is the state of a record; docs/design.md has the table.
type recordState uint8

const (
	// stateReleased is absent to everybody. It is written instead of nothing, so
	// that who looked before cannot take the present absence for the one it saw.
	stateReleased recordState = iota
	stateInFlight
	stateCompleted
	stateTombstone
	stateUnknown
)

// owner is who works on a call.
type owner struct {
	// process tells a process from the one before it: what a store that no other
	// process can use says of another process is from before a restart.
	process [8]byte
	// controller tells apart several in one process.
	controller [8]byte
}

// process is this one.
var process = identity()

func identity() (id [8]byte) {
	_, _ = rand.Read(id[:]) // it never fails, see crypto/rand
	return id
}

// kept is a record as it is kept under a key.
type kept struct {
	state recordState
	// keep and lease are those of the contract when the record was written. The
	// instant of that is its expiry minus keep, on the store's clock.
	keep, lease time.Duration
	// age is how long the call had been under way when the record was written.
	age   time.Duration
	owner owner
	// turn numbers the reservations of an owner.
	turn uint64
	// claim is the owner's on what calls with the key hold.
	claim uint64
	// payload is nil until the payload is known.
	payload *Fingerprint
	// answer has the id of the request in every state; the rest as far as kept.
	answer Answer
	// size and digest (SHA-256) of a body that is not kept, as far as it was seen.
	size   int64
	digest [sha256.Size]byte
}

const recordFormat = 2

// How a fingerprint is kept.
const (
	printPending = iota
	printWhole
	printPart
)

// room is what the record takes at most.
func (k *kept) room() int {
	// Besides texts there are 8 numbers, 3 single bytes, 2 ids of 8 bytes and 2 sums.
	const fixed, text = 8*binary.MaxVarintLen64 + 3 + 2*8 + 2*sha256.Size, binary.MaxVarintLen64
	n := fixed + text + len(k.answer.RequestID) + len(k.answer.Body)
	for i := range k.answer.Header {
		h := &k.answer.Header[i]
		n += text + len(h.Name) + text + len(h.Value)
	}
	return n
}

// encode writes the record in a form of its own: in JSON a body of the greatest
// length would not fit into a store's value, and most of a record is its body.
func (k *kept) encode() []byte {
	b := make([]byte, 0, k.room())
	b = append(b, recordFormat, byte(k.state))
	b = binary.AppendUvarint(b, uint64(k.keep/time.Millisecond))
	b = binary.AppendUvarint(b, uint64(k.lease/time.Millisecond))
	b = binary.AppendUvarint(b, uint64(k.age/time.Millisecond))
	b = append(b, k.owner.process[:]...)
	b = append(b, k.owner.controller[:]...)
	b = binary.AppendUvarint(b, k.turn)
	b = binary.AppendUvarint(b, k.claim)
	b = k.payload.encode(b)
	b = appendText(b, k.answer.RequestID)
	if k.state != stateCompleted && k.state != stateTombstone {
		return b
	}
	b = binary.AppendUvarint(b, uint64(k.answer.Status))
	if k.state == stateTombstone {
		b = binary.AppendUvarint(b, uint64(k.size))
		return append(b, k.digest[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(k.answer.Header)))
	for i := range k.answer.Header {
		b = appendText(b, k.answer.Header[i].Name)
		b = appendText(b, k.answer.Header[i].Value)
	}
	return append(b, k.answer.Body...)
}

func (f *Fingerprint) encode(b []byte) []byte {
	if f == nil {
		return append(b, printPending)
	}
	kind := byte(printPart)
	if f.Whole {
		kind = printWhole
	}
	b = append(append(b, kind), f.Sum[:]...)
	return binary.AppendUvarint(b, uint64(f.Bytes))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errRecord = errors.New("admission: an idempotency record cannot be read")

// decodeKept reads a record. Its body is part of data.
func decodeKept(data []byte) (*kept, error) {
	r := recordReader{data: data}
	if format := r.octet(); format != recordFormat {
		return nil, fmt.Errorf("%w: it has format %d, this version of failwell reads %d", errRecord, format, recordFormat)
	}
	k := &kept{state: recordState(r.octet()), keep: r.wait(), lease: r.wait(), age: r.wait()}
	r.fill(k.owner.process[:])
	r.fill(k.owner.controller[:])
	k.turn, k.claim = r.number(), r.number()
	kind := r.octet()
	if kind != printPending {
		k.payload = &Fingerprint{Whole: kind == printWhole}
		r.fill(k.payload.Sum[:])
		k.payload.Bytes = r.size()
	}
	k.answer.RequestID = r.text()
	switch k.state {
	case stateTombstone:
		k.answer.Status, k.size = int(r.size()), r.size()
		r.fill(k.digest[:])
	case stateCompleted:
		k.answer.Status = int(r.size())
		for n := r.number(); n > 0 && !r.broken; n-- {
			k.answer.Header = append(k.answer.Header, contract.HeaderValue{Name: r.text(), Value: r.text()})
		}
		k.answer.Body, r.data = r.data, nil
	case stateReleased, stateInFlight, stateUnknown:
	}
	final := k.state == stateCompleted || k.state == stateTombstone
	switch {
	case r.broken, len(r.data) > 0, k.state > stateUnknown, kind > printPart:
		return nil, fmt.Errorf("%w: it is damaged", errRecord)
	case final && (k.answer.Status < 100 || k.answer.Status > 999):
		return nil, fmt.Errorf("%w: its status is %d", errRecord, k.answer.Status)
	}
	return k, nil
}

// recordReader takes a record apart. Once broken it returns zeros.
type recordReader struct {
	data   []byte
	broken bool
}

func (r *recordReader) octet() byte {
	var b [1]byte
	r.fill(b[:])
	return b[0]
}

func (r *recordReader) fill(to []byte) {
	if r.broken = r.broken || len(r.data) < len(to); !r.broken {
		r.data = r.data[copy(to, r.data):]
	}
}

func (r *recordReader) number() uint64 {
	x, n := binary.Uvarint(r.data)
	if r.broken = r.broken || n <= 0; r.broken {
		return 0
	}
	r.data = r.data[n:]
	return x
}

// size is a number that is not absurd.
func (r *recordReader) size() int64 {
	const most = 1 << 48
	x := r.number()
	if r.broken = r.broken || x > most; r.broken {
		return 0
	}
	return int64(x)
}

// wait is a duration of whole milliseconds.
func (r *recordReader) wait() time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Millisecond)
	x := r.number()
	if r.broken = r.broken || x > most; r.broken {
		return 0
	}
	return time.Duration(x) * time.Millisecond
}

func (r *recordReader) text() string {
	n := r.number()
	if r.broken = r.broken || n > uint64(len(r.data)); r.broken {
		return ""
	}
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}
