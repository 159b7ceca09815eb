package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Do sends one command, past any client under test, and returns the answer as
// text; the elements of a list stand on lines. An error answer is an error.
func (r *RedisServer) Do(args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr(), patience) //nolint:noctx // bounded
	if err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing of it is needed any more
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	in := bufio.NewReader(conn)
	if r.opts.Password != "" {
		if _, err := ask(conn, in, "AUTH", r.opts.Password); err != nil {
			return "", err
		}
	}
	return ask(conn, in, args...)
}

func ask(conn io.Writer, in *bufio.Reader, args ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	return readAnswer(in)
}

// readAnswer reads one value of the protocol's second version.
func readAnswer(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return "", errors.New("servers: an empty line instead of an answer")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '-':
		return "", fmt.Errorf("servers: %s", rest)
	case '+', ':':
		return rest, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil || (kind != '$' && kind != '*') {
		return "", fmt.Errorf("servers: unexpected answer %q", line)
	}
	if kind == '$' {
		if n < 0 {
			return "", nil
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return "", fmt.Errorf("servers: %w", err)
		}
		return string(text[:n]), nil
	}
	var elements []string
	for range n {
		element, err := readAnswer(in)
		if err != nil {
			return "", err
		}
		elements = append(elements, element)
	}
	return strings.Join(elements, "\n"), nil
}
