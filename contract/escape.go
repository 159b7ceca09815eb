package contract

import (
	"unicode/utf8"
)

// escape says how text is written into a body.
type escape uint8

const (
	escapeNone escape = iota
	escapeJSON
	escapeXML
)

func (e escape) append(dst []byte, s string) []byte {
	switch e {
	case escapeJSON:
		return appendEscaped(dst, s)
	case escapeXML:
		return appendXML(dst, s)
	default:
		return append(dst, s...)
	}
}

const hexDigits = "0123456789abcdef"

// appendEscaped writes s as the inside of a JSON string (RFC 8259 section 7).
// Bytes that are not UTF-8 become U+FFFD. HTML characters stay as they are:
// this is not HTML.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= 0x20 && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch b {
			case '"', '\\':
				dst = append(dst, '\\', b)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		// U+2028 and U+2029 are legal in JSON but end a line in JavaScript.
		if r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', '2', '0', '2', hexDigits[r&15])
			i += size
			start = i
			continue
		}
		i += size
	}
	return append(dst, s[start:]...)
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendXML writes character data (XML 1.0 section 2.4); characters that XML
// cannot hold become U+FFFD.
func appendXML(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '"':
			dst = append(dst, "&quot;"...)
		case r < 0x20 && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF:
			dst = append(dst, "\ufffd"...)
		case r == '\r':
			dst = append(dst, "&#13;"...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
