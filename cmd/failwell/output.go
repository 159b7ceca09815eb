package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/term"
)

// painter sets text off, on terminals only and not where NO_COLOR
// (no-color.org) asks for plain text. It knows how wide the terminal is.
type painter struct {
	on   bool
	wide int // columns; 0 where there is no terminal
}

func (c *console) painterFor(w io.Writer) painter {
	p := painter{on: isTerminal(w) && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"}
	if f, ok := w.(*os.File); ok {
		p.wide, _, _ = term.GetSize(f.Fd()) // 0 when it is no terminal
	}
	return p
}

// Texts are broken at most, and at least, at so many columns.
const (
	width     = 100
	narrowest = 40
)

// columns is where texts are broken: what the terminal has, or width.
func (p painter) columns() int {
	if p.wide == 0 {
		return width
	}
	return min(max(p.wide, narrowest), width)
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p painter) paint(s string, style func(lipgloss.Style) lipgloss.Style) string {
	if !p.on || s == "" {
		return s
	}
	return style(lipgloss.NewStyle()).Render(s)
}

func (p painter) bold(s string) string {
	return p.paint(s, func(s lipgloss.Style) lipgloss.Style { return s.Bold(true) })
}

func (p painter) faint(s string) string {
	return p.paint(s, func(s lipgloss.Style) lipgloss.Style { return s.Faint(true) })
}

func (p painter) bad(s string) string {
	return p.paint(s, func(s lipgloss.Style) lipgloss.Style { return s.Foreground(lipgloss.Red).Bold(true) })
}

func (p painter) good(s string) string {
	return p.paint(s, func(s lipgloss.Style) lipgloss.Style { return s.Foreground(lipgloss.Green) })
}

// status paints an HTTP status by its class.
func (p painter) status(code int) string {
	s := "---"
	if code != 0 {
		s = strconv.Itoa(code)
	}
	if code >= 200 && code < 400 {
		return p.good(s)
	}
	return p.bad(s)
}

// pairs prints labels and texts in two columns, texts broken between words.
// Empty texts are left out; lines that are indented stay as they are.
func (c *console) pairs(p painter, rows [][2]string) error {
	label := 0
	for _, r := range rows {
		if r[1] != "" {
			label = max(label, utf8.RuneCountInString(r[0]))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		name := r[0]
		for line := range strings.SplitSeq(r[1], "\n") {
			parts := []string{line}
			if !strings.HasPrefix(line, " ") {
				parts = broken(line, p.columns()-label-4)
			}
			for _, part := range parts {
				b.WriteString("  " + p.faint(name+strings.Repeat(" ", label-utf8.RuneCountInString(name))) + "  " + part + "\n")
				name = ""
			}
		}
	}
	return c.print(b.String())
}

// broken breaks a line that is too long between words.
func broken(text string, columns int) []string {
	if text != "" && utf8.RuneCountInString(text) <= columns {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line == "" {
		return lines
	}
	return append(lines, line)
}

func (c *console) print(s string) error {
	if _, err := io.WriteString(c.stdout, s); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

func (c *console) printf(format string, args ...any) error {
	return c.print(fmt.Sprintf(format, args...))
}

// json prints one JSON value on one line.
func (c *console) json(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// notef tells a person something beside the result.
func (c *console) notef(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
}
