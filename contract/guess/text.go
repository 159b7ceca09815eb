package guess

import "strings"

// textCode reads "Error 1015", "error code: 1020", "Code: NoSuchKey" from prose
// or a page. A number that is an HTTP status is no code.
func textCode(s string) found {
	if len(s) > 8<<10 {
		s = s[:8<<10]
	}
	lower := asciiLower(s)
	for _, mark := range []string{"error code", "errorcode", "error_code", "error"} {
		from := 0
		for range 8 {
			at := strings.Index(lower[from:], mark)
			if at < 0 {
				break
			}
			from += at + len(mark)
			rest := strings.TrimLeft(s[from:], " \t\r\n:=#")
			end := strings.IndexAny(rest, " \t\r\n,;<)")
			if end < 0 {
				end = len(rest)
			}
			word := strings.TrimRight(rest[:end], ".")
			if isNumber(word) && len(word) >= 4 || mark != "error" && isSymbol(word) && strings.ContainsAny(word, "_0123456789") && !isNumber(word) {
				return found{word, 30, "the text", nil}
			}
		}
	}
	word, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if word = strings.TrimSpace(word); len(word) < 64 && isSymbol(word) && strings.Contains(word, "_") && word == strings.TrimSpace(s) {
		return found{word, 30, "the text", nil}
	}
	return found{}
}
