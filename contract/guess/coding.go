package guess

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// maxBody is how much of a body is looked at, before and after decompression.
const maxBody = 1 << 20

// undress removes chunked framing and compression that is really there: curl
// shows the header fields also when it has removed the codings itself.
func undress(body []byte, header map[string][]string) []byte {
	if len(body) > maxBody {
		body = body[:maxBody+1] // one more, so that the cut shows
	}
	fields := newHead(header)
	if strings.Contains(strings.ToLower(fields.first("transfer-encoding")), "chunked") {
		if plain, ok := dechunk(body); ok {
			body = plain
		}
	}
	var r io.Reader
	var err error
	switch {
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(bytes.NewReader(body))
	case strings.Contains(strings.ToLower(fields.first("content-encoding")), "deflate") && !printable(body):
		if r, err = zlib.NewReader(bytes.NewReader(body)); err != nil {
			r, err = flate.NewReader(bytes.NewReader(body)), nil
		}
	default:
		return body
	}
	if err != nil {
		return body
	}
	// A broken tail keeps the part before it.
	plain, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil && len(plain) == 0 {
		return body
	}
	return plain
}

// dechunk undoes RFC 9112 section 7.1 and accepts a missing tail.
func dechunk(b []byte) ([]byte, bool) {
	var out []byte
	for len(b) > 0 {
		line, _, ok := bytes.Cut(b[:min(len(b), 64)], []byte("\n"))
		if !ok {
			return out, len(out) > 0
		}
		size, _, _ := strings.Cut(string(bytes.TrimSpace(line)), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		if err != nil {
			return nil, false
		}
		b = b[len(line)+1:]
		if n == 0 {
			return out, true
		}
		n = min(n, uint64(len(b)))
		out = append(out, b[:n]...)
		b = bytes.TrimPrefix(bytes.TrimPrefix(b[n:], []byte("\r")), []byte("\n"))
	}
	return out, len(out) > 0
}

func printable(b []byte) bool {
	for _, c := range b[:min(len(b), 64)] {
		if c < 0x20 && c != '\t' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// decodeUTF16 recognises UTF-16 by its mark, or by zero bytes in every second
// place, and returns UTF-8; other input comes back as it is.
func decodeUTF16(b []byte) []byte {
	if len(b) < 4 {
		return b
	}
	order, bom := unicode.LittleEndian, unicode.UseBOM
	switch {
	case b[0] == 0xff && b[1] == 0xfe, b[0] == 0xfe && b[1] == 0xff:
	case b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0:
		bom = unicode.IgnoreBOM
	case b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		order, bom = unicode.BigEndian, unicode.IgnoreBOM
	default:
		return b
	}
	out, err := unicode.UTF16(order, bom).NewDecoder().Bytes(b[:min(len(b), 2*maxBody)])
	if err != nil {
		return b
	}
	return out
}

// toUTF8 decodes a body. The declared charset counts only for bytes that are
// not UTF-8 already; undeclared ones are read as windows-1252, as browsers do.
func toUTF8(b []byte, contentType string) string {
	if wide := decodeUTF16(b); !bytes.Equal(wide, b) {
		return strings.ToValidUTF8(strings.TrimPrefix(string(wide), "\ufeff"), "\ufffd")
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	label := charsetOf(contentType)
	if label == "" {
		label = declaredCharset(b)
	}
	if utf8.Valid(b) && !strings.HasPrefix(label, "utf-16") && !strings.HasPrefix(label, "iso-2022") {
		return string(b)
	}
	if label != "" && !strings.HasPrefix(label, "utf-8") {
		if enc, err := htmlindex.Get(label); err == nil {
			if out, err := enc.NewDecoder().Bytes(b); err == nil {
				return strings.ToValidUTF8(string(out), "\ufffd")
			}
		}
	}
	if label == "" && mostlyText(b) {
		if out, err := charmap.Windows1252.NewDecoder().Bytes(b); err == nil {
			return strings.ToValidUTF8(string(out), "\ufffd")
		}
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func charsetOf(contentType string) string {
	_, rest, ok := strings.Cut(strings.ToLower(contentType), "charset=")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, ";")
	return strings.Trim(rest, " \t\"'")
}

// declaredCharset looks for encoding="…" of XML and charset=… of HTML.
func declaredCharset(b []byte) string {
	head := strings.ToLower(string(b[:min(len(b), 1024)]))
	for _, mark := range []string{"encoding=", "charset="} {
		if !strings.HasPrefix(strings.TrimSpace(head), "<") {
			return ""
		}
		if _, rest, ok := strings.Cut(head, mark); ok {
			rest = strings.TrimLeft(rest, "\"' ")
			if end := strings.IndexAny(rest, "\"' />?;"); end > 0 {
				return rest[:end]
			}
		}
	}
	return ""
}

// mostlyText tells text in a one-byte charset from binary.
func mostlyText(b []byte) bool {
	control, high := 0, 0
	sample := b[:min(len(b), 4096)]
	for _, c := range sample {
		switch {
		case c < 0x20 && c != '\t' && c != '\r' && c != '\n':
			control++
		case c >= 0x80:
			high++
		}
	}
	return control == 0 && high*2 <= len(sample)
}
