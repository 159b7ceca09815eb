package admission

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/meter"
)

// book is one owner's record and those who want something of it. The queue
// belongs to the shard's lock, the rest to whoever is busy with the book.
type book struct {
	owner, key string
	queue      []*order
	busy       bool

	// page is the record as it was last read or written, nil when it is not known.
	page *page
	// doubts are writes of which nobody knows whether they happened.
	doubts []doubt
	// owed is what has to be given back, with the next batch.
	owed []*order
}

// doubt is what to give back if a write turns out to have happened.
type doubt struct {
	batch uint64
	owed  []*order
}

// page is a record taken apart.
type page struct {
	version store.Version
	// batch is a number by which its writer knows it again; last is the latest
	// instant of a decision in Unix microseconds.
	batch uint64
	last  meter.Micros
	lines []line
	index map[string]int
}

// line is the state of one limit.
type line struct {
	name  string
	state meter.State
}

const (
	pageFormat = 2
	// backwards is how far the clock may seem to go back because another process
	// knows the store's clock a little differently.
	backwards = 10 * time.Second
	// spare is added to a record's life, so that it never ends before its states
	// do by the clock of a process that is behind.
	spare = time.Minute
)

var errCorruptLedger = errors.New("admission: a ledger record is corrupt; delete it to start the account's limits anew")

// parsePage reads: a byte for the format, batch, last, the number of lines, and
// for each the length of its name, the name and the state.
func parsePage(data []byte) (*page, error) {
	p := &page{index: map[string]int{}}
	if len(data) < 9 || data[0] != pageFormat {
		return nil, fmt.Errorf("%w: unknown format", errCorruptLedger)
	}
	p.batch = binary.BigEndian.Uint64(data[1:9])
	data = data[9:]
	last, n := binary.Varint(data)
	if n <= 0 {
		return nil, fmt.Errorf("%w: cut off", errCorruptLedger)
	}
	p.last, data = meter.Micros(last), data[n:]
	for len(data) > 0 {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return nil, fmt.Errorf("%w: cut off", errCorruptLedger)
		}
		name := string(data[n : n+int(size)])
		state, rest, err := meter.ParseState(data[n+int(size):])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCorruptLedger, err)
		}
		data = rest
		p.index[name] = len(p.lines)
		p.lines = append(p.lines, line{name, state})
	}
	return p, nil
}

// instant is now, but no earlier than the last decision: else what another
// process has just taken would look as if it came from a clock that went back,
// and count as free. Waits are told from now all the same.
func (p *page) instant(now time.Time) meter.Instant {
	at := meter.At(now)
	if behind := p.last - at.Now; behind > 0 && behind <= meter.Micros(backwards/time.Microsecond) {
		at.Now, at.Past = p.last, at.Past-time.Duration(behind)*time.Microsecond
	}
	return at
}

// at finds a limit's place, and makes one for a limit that is new.
func (p *page) at(d *meter.Demand) int {
	name := lineName(d)
	i, ok := p.index[name]
	if !ok {
		i = len(p.lines)
		p.lines = append(p.lines, line{name: name})
		p.index[name] = i
	}
	return i
}

// lineName makes one name of three that may hold anything.
func lineName(d *meter.Demand) string {
	name := make([]byte, 0, len(d.Limit)+len(d.Subject)+len(d.Operation)+2)
	name = append(binary.AppendUvarint(name, uint64(len(d.Limit))), d.Limit...)
	name = append(binary.AppendUvarint(name, uint64(len(d.Subject))), d.Subject...)
	return string(append(name, d.Operation...))
}

// prune drops what says nothing any more.
func (p *page) prune(at meter.Instant) {
	kept := p.lines[:0]
	for i := range p.lines {
		if !p.lines[i].state.Idle(at) {
			kept = append(kept, p.lines[i])
		}
	}
	if len(kept) == len(p.lines) {
		return
	}
	clear(p.lines[len(kept):])
	p.lines = kept
	clear(p.index)
	for i := range kept {
		p.index[kept[i].name] = i
	}
}

// encode returns the record and how long it says anything; 0 is for ever.
func (p *page) encode(at meter.Instant) (data []byte, life time.Duration) {
	data = make([]byte, 9, 256)
	data[0] = pageFormat
	binary.BigEndian.PutUint64(data[1:], p.batch)
	data = binary.AppendVarint(data, int64(p.last))
	ends, mortal := at.Now, true
	for i := range p.lines {
		l := &p.lines[i]
		data = binary.AppendUvarint(data, uint64(len(l.name)))
		data = append(data, l.name...)
		data = l.state.Append(data)
		end, ok := l.state.Ends(at)
		ends, mortal = max(ends, end), mortal && ok
	}
	if mortal {
		life = time.Duration(ends-at.Now)*time.Microsecond + spare
	}
	return data, life
}

// shorten makes a record fit that is too long; see Ledger.MaxRecord.
func (p *page) shorten(at meter.Instant, bound int) (data []byte, life time.Duration, err error) {
	for data, life = p.encode(at); len(data) > bound; data, life = p.encode(at) {
		ended := 0
		for i := range p.lines {
			size := len(p.lines[i].state.Append(nil))
			// A hold has 16 bytes at least: this ends an eighth of them at most.
			ended += p.lines[i].state.Shorten(size / 128)
		}
		if ended == 0 {
			return nil, 0, &store.SizeError{What: "value", Size: len(data), Max: bound}
		}
	}
	return data, life, nil
}
