package pebblestore

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/failwell/failwell/store"
)

// dues are records that began together and are due together: one entry of the
// index for up to cleanMax of them, where one each would be a third of all that
// keyed writes put into the engine. A record that is rewritten later than that
// leaves its place here to be found out of date.
type dues struct {
	at int64
	// id tells it from others that are due then.
	id      store.Version
	records int
	keys    []byte
}

func (d *dues) add(key string) {
	if d.keys == nil {
		const some = 8
		d.keys = make([]byte, 0, some*(binary.MaxVarintLen16+len(key)))
	}
	d.keys = append(binary.AppendUvarint(d.keys, uint64(len(key))), key...)
	d.records++
}

func (d *dues) put(b *pebble.Batch) error {
	op := b.SetDeferred(duesKeySize, len(d.keys))
	appendDuesKey(op.Key[:0], d.at, d.id)
	copy(op.Value, d.keys)
	return op.Finish()
}

const duesKeySize = dueSize + 8

func appendDuesKey(b []byte, at int64, id store.Version) []byte {
	return binary.BigEndian.AppendUint64(appendDue(b, spaceDues, at), uint64(id))
}

// dueKeys takes the entry of an index apart.
func dueKeys(b []byte) (keys []string, err error) {
	for len(b) > 0 {
		size, n := binary.Uvarint(b)
		if n <= 0 || size == 0 || size > uint64(len(b)-n) {
			return nil, errShortRecord
		}
		keys = append(keys, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return keys, nil
}

// moveDeadline has the index of deadlines follow a record. Mostly it stays: a
// record that is rewritten soon, for as long a life, is due with the same ones.
func moveDeadline(b *pebble.Batch, key string, before, after int64) error {
	before, after = due(before), due(after)
	if before == after {
		return nil
	}
	var err error
	if before != 0 {
		err = b.Delete(expiryKey(before, key), nil)
	}
	if after != 0 {
		op := b.SetDeferred(expiryKeySize(key), 0)
		appendExpiryKey(op.Key[:0], after, key)
		err = errors.Join(err, op.Finish())
	}
	return err
}
