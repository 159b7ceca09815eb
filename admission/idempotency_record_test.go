package admission

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

func samples() []kept {
	base := kept{
		state: stateInFlight, keep: 24 * time.Hour, lease: 30 * time.Second, age: time.Millisecond,
		owner: owner{[8]byte{1, 2}, [8]byte{3}}, turn: 1 << 40, claim: 1 << 52, answer: Answer{RequestID: "0197-a"},
	}
	printed, part := base, base
	printed.payload = &Fingerprint{Sum: [32]byte{7}, Bytes: 300, Whole: true}
	printed.state = stateUnknown
	part.state, part.payload = stateReleased, &Fingerprint{Sum: [32]byte{8}, Bytes: 1 << 33}
	completed := printed
	completed.state = stateCompleted
	completed.answer = Answer{
		RequestID: "b", Status: 201, Body: []byte("body"),
		Header: []contract.HeaderValue{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Empty"}},
	}
	buried := completed
	buried.bury(200, 1<<30, [32]byte{9})
	return []kept{base, printed, part, completed, buried}
}

func equal(a, b any) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(kept{}, owner{}), cmp.Transformer("body", func(b []byte) string { return string(b) }))
}

// TestRecordSurvives: what is encoded is decoded; what is cut short or longer is
// refused, but for the body, which is the rest.
func TestRecordSurvives(t *testing.T) {
	t.Parallel()
	for _, k := range samples() {
		data := k.encode()
		got, err := decodeKept(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := equal(&k, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for n := range len(data) - len(k.answer.Body) {
			if _, err := decodeKept(data[:n]); err == nil {
				t.Errorf("state %d: %d of %d bytes are a record", k.state, n, len(data))
			}
		}
		if _, err := decodeKept(append(data, 0)); err == nil && k.state != stateCompleted {
			t.Errorf("state %d: a byte too many is read over", k.state)
		}
	}
	for _, k := range samples() {
		k.keep, k.lease, k.age, k.turn, k.claim = 1<<62, 1<<62, 1<<62, 1<<63, 1<<63
		if size, room := len(k.encode()), k.room(); size > room {
			t.Errorf("state %d: %d bytes, where %d are the most", k.state, size, room)
		}
	}
	small := samples()[0]
	if n := len(small.encode()); n > 100 {
		t.Errorf("a record in flight has %d bytes", n)
	}
	full := samples()[3]
	full.answer.Body = make([]byte, 1<<20)
	if n := len(full.encode()); n > store.MaxValue {
		t.Errorf("a whole answer of 1 MiB has %d bytes", n)
	}
}

func FuzzRecord(f *testing.F) {
	for _, k := range samples() {
		f.Add(k.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := decodeKept(data)
		if err != nil {
			return
		}
		if size, room := len(k.encode()), k.room(); size > room {
			t.Errorf("%d bytes, where %d are the most", size, room)
		}
		again, err := decodeKept(k.encode())
		if err != nil {
			t.Fatalf("not read back: %v", err)
		}
		if diff := equal(k, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

// FuzzReadKey: whatever is accepted is visible, bounded, and the same key when
// it is quoted.
func FuzzReadKey(f *testing.F) {
	for _, s := range []string{"abc", `"abc"`, `"a\"b"`, `"`, "", `\`, "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		key, problem := readKey([]string{value})
		if (key == "") == (problem == "") {
			t.Fatalf("key %q, problem %q", key, problem)
		}
		if key == "" {
			return
		}
		quoted := bytes.ReplaceAll(bytes.ReplaceAll([]byte(key), []byte(`\`), []byte(`\\`)), []byte(`"`), []byte(`\"`))
		if again, problem := readKey([]string{`"` + string(quoted) + `"`}); again != key {
			t.Errorf("%q quoted is %q: %s", key, again, problem)
		}
	})
}

// TestFingerprint: every part counts, and no two parts can be shifted into each
// other. A part of a body is compared with what of it was read.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	call := &Call{Method: "POST", Path: "/a"}
	p := Payload{Query: "q", ContentType: "text/plain", Body: []byte("hello")}
	whole := p.fingerprint(call)
	for name, other := range map[string]struct {
		call Call
		p    Payload
	}{
		"method": {Call{Method: "PUT", Path: "/a"}, p},
		"path":   {Call{Method: "POST", Path: "/b"}, p},
		"query":  {*call, Payload{Query: "", ContentType: "text/plain", Body: p.Body}},
		"type":   {*call, Payload{Query: "q", ContentType: "text/html", Body: p.Body}},
		"body":   {*call, Payload{Query: "q", ContentType: "text/plain", Body: []byte("hellp")}},
		"longer": {*call, Payload{Query: "q", ContentType: "text/plain", Body: []byte("hello ")}},
		"shift":  {*call, Payload{Query: "qt", ContentType: "ext/plain", Body: p.Body}},
	} {
		other.p.payload = nil
		if same, err := other.p.matches(&other.call, &whole); same || err != nil {
			t.Errorf("%s does not count", name)
		}
	}
	part := Fingerprint{Bytes: 3}
	h := p.Hash(call)
	h.Write([]byte("hel"))
	h.Sum(part.Sum[:0])
	for body, want := range map[string]bool{"hello": true, "help": true, "hel": true, "he": false, "hal": false} {
		for _, stream := range []bool{false, true} {
			p := Payload{Query: "q", ContentType: "text/plain", Body: []byte(body)}
			if stream {
				p.Stream, p.Body = bytes.NewReader(p.Body), nil
			}
			if same, err := p.matches(call, &part); same != want || err != nil {
				t.Errorf("%q, stream %v: %v, %v", body, stream, same, err)
			}
		}
	}
	p = Payload{Query: "q", ContentType: "text/plain", Stream: bytes.NewReader([]byte("hello"))}
	if same, err := p.matches(call, &whole); !same || err != nil {
		t.Errorf("the stream of the same body: %v, %v", same, err)
	}
}

func BenchmarkRecord(b *testing.B) {
	k := samples()[3]
	k.answer.Body = make([]byte, 1024)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.encode()
		}
	})
	data := k.encode()
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeKept(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
