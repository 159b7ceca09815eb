package admission

import "strings"

// samePath gives the spellings of a path one form, as far as no service may take
// them for different ones (RFC 3986 section 6.2.2): unreserved characters stand
// for themselves, and what remains encoded is so in capitals. Dot segments never
// get here.
func samePath(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) || unhex(path[i+1]) > 15 || unhex(path[i+2]) > 15 {
			b = append(b, path[i])
			continue
		}
		const digits = "0123456789ABCDEF"
		high, low := unhex(path[i+1]), unhex(path[i+2])
		if c := high<<4 | low; unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[high], digits[low])
		}
		i += 2
	}
	return string(b)
}

// unreserved characters mean the same whether they are encoded or not (RFC 3986
// section 2.3).
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// unhex is the value of a hexadecimal digit, more than 15 for anything else.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
