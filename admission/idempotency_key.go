package admission

import "strings"

// maxIdempotencyKey is the longest key in characters, as most APIs that have
// keys allow it.
const maxIdempotencyKey = 255

// readKey reads the values of an idempotency header: one key, as it is or as
// the string of a structured field (draft-ietf-httpapi-idempotency-key-header,
// RFC 9651 section 3.3.3). Both forms of a key are the same key. The problem is
// text for callers.
func readKey(values []string) (key, problem string) {
	for i, value := range values {
		one, problem := PlainKey(value)
		switch {
		case problem != "":
			return "", problem
		case i > 0 && one != key:
			return "", "was sent with several values"
		}
		key = one
	}
	switch {
	case key == "":
		return "", "is empty"
	case len(key) > maxIdempotencyKey:
		return "", "has more than 255 characters"
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] >= 0x7f {
			return "", "has other characters than visible ASCII"
		}
	}
	return key, ""
}

// PlainKey returns an idempotency key without the quotes that it has as the
// string of a structured field: both forms are the same key. The problem is text
// for callers.
func PlainKey(value string) (key, problem string) { return unquote(strings.Trim(value, " \t")) }

func unquote(value string) (key, problem string) {
	const broken = "is not a whole quoted string"
	inner, quoted := strings.CutPrefix(value, `"`)
	if !quoted {
		return value, ""
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '"' && i == len(inner)-1:
			return b.String(), ""
		case c == '"':
			return "", broken
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(inner) && (inner[i+1] == '"' || inner[i+1] == '\\'):
			i++
			b.WriteByte(inner[i])
		default:
			return "", "has an escape that is none"
		}
	}
	return "", broken
}
