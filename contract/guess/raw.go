package guess

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// ErrTooLarge is returned by [ParseRaw] when the header block alone exceeds the
// bound.
var ErrTooLarge = errors.New("guess: header block over 256 KiB")

const (
	maxHeader = 256 << 10
	maxBlocks = 32
)

// ParseRaw reads the text that `curl -i` prints: a status line of HTTP/1.0 to
// HTTP/3, header lines ended by CRLF or LF, a blank line, the body. Of several
// header blocks (100-continue, a proxy's CONNECT, redirects, authentication
// rounds) the last belongs to the body. Lines of `curl -v` are understood too.
//
// A text without a status line is taken as a body alone, with Status 0, unless
// it begins with header lines. Chunked framing and gzip or deflate coding are
// undone when the body really has them. The only error is [ErrTooLarge].
func ParseRaw(b []byte) (Response, error) {
	b = decodeUTF16(b)
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	b = unverbose(b)
	var r Response
	rest := bytes.TrimLeft(b, " \t\r\n")
	if after, ok := skipCommand(rest); ok {
		rest = after
	}
	for range maxBlocks {
		status, isHead := statusLine(rest)
		if !isHead {
			break
		}
		_, lines, _ := bytes.Cut(rest, []byte("\n"))
		header, body, err := headerBlock(lines)
		if err != nil {
			return Response{}, err
		}
		r.Status, r.Header, r.Body = status, header, body
		if next := bytes.TrimLeft(body, "\r\n"); bytes.HasPrefix(next, []byte("HTTP/")) {
			rest = next
			continue
		}
		r.Body = undress(r.Body, r.Header)
		return r, nil
	}
	if r.Header == nil && looksLikeHeader(rest) {
		header, body, err := headerBlock(rest)
		if err != nil {
			return Response{}, err
		}
		status, _ := strconv.Atoi(newHead(header).first(":status"))
		return Response{Status: valid(status), Header: header, Body: undress(body, header)}, nil
	}
	if r.Header == nil {
		r.Body = b
	}
	r.Body = undress(r.Body, r.Header)
	return r, nil
}

// statusLine reads "HTTP/1.1 404 Not Found", "HTTP/2 429" and the like.
func statusLine(b []byte) (int, bool) {
	if !bytes.HasPrefix(b, []byte("HTTP/")) {
		return 0, false
	}
	line, _, _ := bytes.Cut(b[:min(len(b), 512)], []byte("\n"))
	words := bytes.Fields(line)
	if len(words) < 2 || len(words[1]) < 3 {
		return 0, false
	}
	status, err := strconv.Atoi(string(words[1][:3]))
	if err != nil || valid(status) == 0 {
		return 0, false
	}
	return status, true
}

func valid(status int) int {
	if status < 100 || status > 999 {
		return 0
	}
	return status
}

// headerBlock reads up to the blank line. Folded lines continue the one before.
func headerBlock(b []byte) (map[string][]string, []byte, error) {
	header := map[string][]string{}
	last := ""
	from := len(b)
	for len(b) > 0 {
		if from-len(b) > maxHeader {
			return nil, nil, ErrTooLarge
		}
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		if len(line) > maxHeader {
			return nil, nil, ErrTooLarge
		}
		b = rest
		line = bytes.TrimRight(line, "\r")
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && last != "" {
			values := header[last]
			values[len(values)-1] += " " + string(bytes.TrimSpace(line))
			continue
		}
		from := 0
		if line[0] == ':' { // HTTP/2 pseudo header
			from = 1
		}
		colon := bytes.IndexByte(line[from:], ':')
		if colon < 0 {
			continue
		}
		last = string(bytes.TrimSpace(line[:from+colon]))
		header[last] = append(header[last], string(bytes.TrimSpace(line[from+colon+1:])))
	}
	return header, b, nil
}

// looksLikeHeader tells a header block without a status line from a text that
// happens to hold a colon: it wants a field that responses really have.
func looksLikeHeader(b []byte) bool {
	known := false
	b = b[:min(len(b), 16<<10)]
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return known
		}
		name, _, ok := strings.Cut(strings.TrimPrefix(string(line), ":"), ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t{}[]<>\"'") {
			return false
		}
		switch strings.ToLower(name) {
		case "content-type", "date", "server", "content-length", "status", "retry-after", "cache-control":
			known = true
		}
	}
	return known
}

// skipCommand drops a leading "$ curl …" line of a pasted session.
func skipCommand(b []byte) ([]byte, bool) {
	if !bytes.HasPrefix(b, []byte("$ ")) {
		return b, false
	}
	_, rest, ok := bytes.Cut(b, []byte("\n"))
	return bytes.TrimLeft(rest, " \t\r\n"), ok
}

// unverbose turns the marks of `curl -v` into what `curl -i` would print.
func unverbose(b []byte) []byte {
	if len(b) < 2 || !bytes.Contains(b[:min(len(b), 64<<10)], []byte("< HTTP/")) {
		return b
	}
	if c := b[0]; c != '*' && c != '>' && c != '<' {
		return b
	}
	var out bytes.Buffer
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		switch {
		case bytes.HasPrefix(line, []byte("< ")):
			out.Write(line[2:])
			out.WriteByte('\n')
		case bytes.Equal(bytes.TrimSpace(line), []byte("<")):
			out.WriteByte('\n')
		case bytes.HasPrefix(line, []byte("* ")), bytes.HasPrefix(line, []byte(">")),
			bytes.HasPrefix(line, []byte("{ [")), bytes.HasPrefix(line, []byte("} [")):
		default:
			out.Write(b)
			return out.Bytes()
		}
		b = rest
	}
	return out.Bytes()
}
