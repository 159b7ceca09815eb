package admission

import (
	"crypto/sha256"
	"hash"
	"io"
)

// Fingerprint tells whether two calls under one key have the same payload: a
// SHA-256 over method, path, query, content type and body.
type Fingerprint struct {
	Sum [sha256.Size]byte
	// Bytes of the body that are in the sum, from its beginning.
	Bytes int64
	// Whole says that these are all. Of a call that was answered before its body
	// had been read, the part that was read is what the answer came from.
	Whole bool
}

// Payload is what tells apart calls that carry the same key.
type Payload struct {
	Query, ContentType string
	// Body is all of the body, unless there is a Stream.
	Body []byte
	// Stream is a body that is still to be read. Reserve reads it only to compare
	// it with that of a call whose outcome is final. The caller bounds it.
	Stream io.Reader

	payload *Fingerprint
}

// Hash returns the hash of a call's payload, to which its body is still to be
// written.
func (p *Payload) Hash(call *Call) hash.Hash {
	h := sha256.New()
	h.Write(p.head(nil, call))
	return h
}

// head is what is hashed before the body.
func (p *Payload) head(b []byte, call *Call) []byte {
	return appendParts(b, call.Method, samePath(call.Path), p.Query, p.ContentType)
}

// fingerprint of a payload that is all there.
func (p *Payload) fingerprint(call *Call) Fingerprint {
	if p.payload == nil {
		f := Fingerprint{Bytes: int64(len(p.Body)), Whole: true}
		var room [1024]byte
		if b := p.head(room[:0], call); len(b)+len(p.Body) <= len(room) {
			f.Sum = sha256.Sum256(append(b, p.Body...))
		} else {
			h := p.Hash(call)
			h.Write(p.Body)
			h.Sum(f.Sum[:0])
		}
		p.payload = &f
	}
	return *p.payload
}

// matches reports whether the payload is the one of a fingerprint. A stream is
// read for it, as far as needed; an error is the stream's own.
func (p *Payload) matches(call *Call, f *Fingerprint) (bool, error) {
	switch {
	case p.Stream == nil && f.Whole:
		return p.fingerprint(call) == *f, nil
	case p.Stream == nil && int64(len(p.Body)) < f.Bytes:
		return false, nil
	}
	h := p.Hash(call)
	if p.Stream == nil {
		h.Write(p.Body[:f.Bytes])
	} else {
		n, err := p.hashStream(h, f)
		if err != nil || n != f.Bytes {
			return false, err
		}
	}
	return [sha256.Size]byte(h.Sum(nil)) == f.Sum, nil
}

func (p *Payload) hashStream(h hash.Hash, f *Fingerprint) (int64, error) {
	from := p.Stream
	if !f.Whole {
		from = io.LimitReader(from, f.Bytes)
	}
	return io.Copy(h, from) //nolint:wrapcheck // the caller's own reader says what is wrong with the body
}
