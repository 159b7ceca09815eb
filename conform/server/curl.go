package server

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// printer words what the schema library finds.
var printer = message.NewPrinter(language.English)

func newReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// quote is a word of a POSIX shell that stands for s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// longWord is how long a value may be before it is written as what makes it.
const longWord = 256

// quoteHeader is a word that is a header.
func quoteHeader(name, value string) string {
	if len(value) > longWord && strings.Trim(value, value[:1]) == "" {
		return fmt.Sprintf(`"%s: $(head -c %d /dev/zero | tr '\0' %s)"`, name, len(value), value[:1])
	}
	return quote(name + ": " + value)
}

// quoteKey is a word that ends in a key: by a variable, where the key is
// somebody's, and as it is where the check has made it up.
func (k *checker) quoteKey(before, key string) string {
	if k.config.Keys[key] == "" {
		return quote(before + k.key(key))
	}
	if strings.ContainsAny(before, "\"$`\\") {
		return quote(before) + `"$` + variable(key) + `"`
	}
	return `"` + before + `$` + variable(key) + `"`
}

// curl is a command line that sends a request and shows the whole answer. extra
// are further options.
func (k *checker) curl(q *request, extra ...string) string {
	if q.raw != "" {
		return k.rawCommand(q.raw)
	}
	args := append([]string{"curl", "-s", "-i"}, extra...)
	switch {
	case q.method == http.MethodHead:
		args = append(args, "-I")
	case q.method != http.MethodGet || q.body != "" || q.blanks > 0:
		args = append(args, "-X", q.method)
	}
	before := ""
	for _, h := range k.headers(q) {
		if h.shell == "" { // longer than a word may be
			before = fmt.Sprintf("(printf '%s: '; head -c %d /dev/zero | tr '\\0' a) | ", h.name, len(h.value))
			args = append(args, "-H", "@-")
			continue
		}
		args = append(args, "-H", h.shell)
	}
	switch {
	case q.blanks > 0:
		before = fmt.Sprintf("head -c %d /dev/zero | tr '\\0' ' ' | ", q.blanks)
		args = append(args, "-H", "'Expect:'", "--data-binary", "@-")
	case strings.ContainsAny(q.body, "\r\n"):
		before = "printf " + printfWord(q.body) + " | "
		args = append(args, "--data-binary", "@-")
	case q.body != "":
		args = append(args, "-d", quote(q.body))
	}
	return before + strings.Join(append(args, k.quotedAddress(q)), " ")
}

func (k *checker) quotedAddress(q *request) string {
	scheme := k.scheme()
	if q.key == "" || scheme.In != "query" {
		return quote(k.address(q))
	}
	keyless := *q
	keyless.key = ""
	address := k.address(&keyless)
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return k.quoteKey(address+separator+scheme.Name+"=", q.key)
}

// printfWord is a word of a shell from which printf makes the text. printf reads
// the same escapes as Go for all that a probe is made of.
func printfWord(text string) string {
	return "'" + strings.NewReplacer("\r", `\r`, "\n", `\n`, "%", "%%", `\`, `\\`, "'", `'\''`).Replace(text) + "'"
}

// rawCommand writes bytes on a connection.
func (k *checker) rawCommand(raw string) string {
	text := printfWord(raw)
	host, port := k.origin.Hostname(), k.origin.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if k.origin.Scheme == "https" {
		if port == "" {
			port = "443"
		}
		return fmt.Sprintf("printf %s | openssl s_client -quiet -connect %s:%s", text, host, port)
	}
	if port == "" {
		port = "80"
	}
	return fmt.Sprintf("printf %s | curl -s -m 5 telnet://%s:%s", text, host, port)
}

// reproduce is the command lines that lead to an exchange, one a line.
func (k *checker) reproduce(x *exchange) string {
	var lines []string
	for y := x; y != nil; y = y.before {
		lines = append(lines, k.step(y))
	}
	slices.Reverse(lines)
	if x.request.once != "" {
		lines = slices.Insert(lines, 0, "ID="+unheard+"-$(date +%s)-$$")
	}
	return strings.Join(lines, "\n")
}

// step is the command line of one exchange, with the wait before it.
func (k *checker) step(x *exchange) string {
	line := k.curl(&x.request)
	switch x.kind {
	case kindEarly, kindOnTime:
		if x.before != nil {
			wait := x.at - x.before.at - x.before.took
			line = "sleep " + strconv.FormatFloat(max(wait, 0).Seconds(), 'f', 2, 64) + "; " + line
		}
	case kindFill:
		return k.until429(line, k.limited(x))
	case kindFull:
		line = k.until429(line, true) + "; " + line
	case kindSpend:
		return k.untilRefused(x, line)
	case kindCrowd:
		return fmt.Sprintf("for i in $(seq %d); do %s%s & done; wait", k.crowd(), ownKey(x), line)
	case kindFreed:
		return fmt.Sprintf("for i in $(seq %d); do %s%s >/dev/null & done; wait; %s", k.crowd(), ownKey(x), line, line)
	case kindAtOnce:
		return fmt.Sprintf("for i in $(seq %d); do %s & done; wait", atOnce, line)
	}
	return line
}

// until429 is a loop that uses a limit up. It prints the last two answers, or all.
func (k *checker) until429(line string, last bool) string {
	calls := 2*k.filled() + 1
	if last {
		return fmt.Sprintf(`for i in $(seq %d); do b=$r; r=$(%s); case "$r" in HTTP/*' 429'*) break;; esac; done; printf '%%s\n' "$b" "$r"`, calls, line)
	}
	return fmt.Sprintf(`for i in $(seq %d); do r=$(%s); printf '%%s\n' "$r"; case "$r" in HTTP/*' 429'*) break;; esac; done`, calls, line)
}

// filled counts the calls that used the limit up.
func (k *checker) filled() int {
	n := 0
	for _, x := range k.seen {
		if x.kind == kindFill {
			n++
		}
	}
	return n
}

// told is an exchange in a line of evidence.
func (x *exchange) told(since time.Duration) (at time.Duration, line string) {
	line = x.line()
	if x.subject != "" {
		line += ", " + x.subject
	}
	return x.at - since, line + ": " + x.outcome()
}

// outcome is the answer in short.
func (x *exchange) outcome() string {
	if x.err != nil {
		return x.err.Error()
	}
	said := statusText(x.status)
	if x.failed && x.failure.WireCode != "" {
		said += " " + x.failure.WireCode
	}
	if wait := x.header.Get("Retry-After"); wait != "" {
		said += ", Retry-After " + wait
	}
	return said
}
