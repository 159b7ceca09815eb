package guess

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what is returned, in bytes.
const (
	maxMessage   = 4 << 10
	maxCode      = 128
	maxRequestID = 200
	maxName      = 256
	maxFields    = 100
	maxWhy       = 16
)

// clean makes s valid UTF-8 without control characters, with single blanks for
// line breaks, and at most limit bytes.
func clean(s string, limit int) string {
	s = strings.TrimSpace(s)
	if len(s) > limit*2 {
		s = s[:limit*2] // what is cut here cannot be in the result
	}
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if !plain {
		s = strings.ToValidUTF8(s, "\ufffd")
		var b strings.Builder
		blank := false
		for _, r := range s {
			switch {
			case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
				blank = true
				continue
			case unicode.IsControl(r) || r == '\ufeff' || unicode.Is(unicode.Bidi_Control, r):
				continue
			case blank && r == ' ':
				continue
			}
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			b.WriteRune(r)
		}
		s = b.String()
	}
	if len(s) > limit {
		s = s[:limit]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimSpace(s)
}
