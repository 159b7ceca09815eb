package contract

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference is what encoding/json makes of a body.
func reference(body []byte) (v any, ok bool) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	ok = d.Decode(&v) == nil
	return v, ok
}

func sameJSON(t *testing.T, body []byte) {
	t.Helper()
	want, valid := reference(body)
	var tree jsonTree
	ok := tree.parse(body)
	var got any
	if ok {
		got = tree.root().any()
	}
	if ok != valid {
		t.Fatalf("%.200q: taken %v, encoding/json says %v", body, ok, valid)
	}
	if ok && !reflect.DeepEqual(got, want) {
		t.Fatalf("%.200q: %.500v, want %.500v", body, got, want)
	}
}

var bodies = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `truex`, `"`, `""`, `"a`, `{}`, `[]`, `{`, `[`, `[1,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{1:2}`,
	`0`, `-0`, `01`, `-`, `1.`, `.5`, `1e`, `1E+7`, `1e-07`, `1.25e2`, `+1`, `0x1`, `123456789012345678901234567890`, `1 2`, `{} ]`, `[]}`, `{"a":1}x`,
	" {\t\"a\" :\r\n[ 1 , {\"b\":null} ] } ", `{"a":1,"a":2}`, `{"":[[],[[]]]}`, `"\u00e9\n\"\\\/\b\f\r\t"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`,
	`"\ud83d\u0041"`, `"\ud83dx"`, `"\u12"`, `"\u12G4"`, `"\U0041"`, `"\x41"`, `"\`, `"\u`, "\"a\nb\"", "\"a\\n\x01\"", "\"a\x7fb\"", "\"\xff\"", "\xef\xbb\xbf{}",
	`{"error":{"code":"broken","message":"Broken."}}`, "\x00", `{"a":"b\u0000"}`, `{"\u0061":1,"a":2}`, `[1]` + "\x00",
}

func TestTreesAreEncodingJSON(t *testing.T) {
	for _, body := range bodies {
		sameJSON(t, []byte(body))
	}
	for _, depth := range []int{maxDepth - 1, maxDepth, maxDepth + 1} {
		sameJSON(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		sameJSON(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
	long := `{"message":"` + strings.Repeat("x", sharedText) + `","code":"y"}`
	sameJSON(t, []byte(long))
}

func FuzzTree(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(sameJSON)
}

// BenchmarkTree reads what most failures hold.
func BenchmarkTree(b *testing.B) {
	body := []byte(`{"error":{"code":"broken","message":"Broken.","request_id":"01a22b8d-5009-7f00-9dac-4fdf2b4864d8","retry_after":3}}`)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		var trees jsonTrees
		for b.Loop() {
			tree := trees.borrow()
			if !tree.parse(body) {
				b.Fatal("not read")
			}
			trees.giveBack(tree)
		}
	})
	b.Run("encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			if d.Decode(&v) != nil {
				b.Fatal("not read")
			}
		}
	})
}
