package hebbrix

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"mime"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The formats whose text is read.
const (
	formatText     = "txt"
	formatMarkdown = "md"
	formatCSV      = "csv"
	formatHTML     = "html"
)

// supported is what a refusal lists.
var supported = []any{formatText, formatMarkdown, formatCSV, formatHTML}

// formatOf goes by the file's name, and by its declared type when that has no
// extension.
func formatOf(name, mediaType string) (format string, ok bool) {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt":
		return formatText, true
	case ".md", ".markdown":
		return formatMarkdown, true
	case ".csv":
		return formatCSV, true
	case ".html", ".htm":
		return formatHTML, true
	case "":
		mediaType, _, _ = mime.ParseMediaType(mediaType)
		format, ok = map[string]string{
			"text/plain": formatText, "text/markdown": formatMarkdown, "text/csv": formatCSV, "text/html": formatHTML,
		}[mediaType]
	}
	return format, ok
}

// Why a document fails; its owner reads it.
var (
	errNoText    = errors.New("the document holds no text")
	errNotUTF8   = errors.New("the document is not text in UTF-8")
	errBrokenCSV = errors.New("the table cannot be read")
)

// extract reads the text of a document. Paragraphs are parted by blank lines.
func extract(format string, data []byte) (string, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return "", errNotUTF8
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	switch format {
	case formatCSV:
		return fromCSV(text)
	case formatHTML:
		return fromHTML(text), nil
	default: // the marks of Markdown are made to be read
		return text, nil
	}
}

// fromCSV makes a paragraph of each row that says which value is what.
func fromCSV(text string) (string, error) {
	rows := csv.NewReader(strings.NewReader(text))
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return "", nil
	}
	var out strings.Builder
	for err == nil {
		var row []string
		if row, err = rows.Read(); err != nil {
			break
		}
		for i, value := range row {
			if value = strings.TrimSpace(value); value != "" {
				fmt.Fprintf(&out, "%s: %s\n", strings.TrimSpace(head[i]), value)
			}
		}
		out.WriteByte('\n')
	}
	if !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: %w", errBrokenCSV, err)
	}
	return out.String(), nil
}

// fromHTML keeps what a reader would see.
func fromHTML(text string) string {
	var out strings.Builder
	hidden := 0
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		kind := z.Next()
		switch kind {
		case html.ErrorToken: // the end: a tokenizer takes any text
			return out.String()
		case html.TextToken:
			if hidden == 0 {
				out.WriteString(spaces.ReplaceAllLiteralString(string(z.Text()), " "))
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			if unseen[tag] && kind != html.SelfClosingTagToken {
				hidden = max(0, hidden+map[html.TokenType]int{html.StartTagToken: 1, html.EndTagToken: -1}[kind])
			}
			out.WriteString(breaks[tag])
		case html.CommentToken, html.DoctypeToken:
		}
	}
}

// spaces are one space to a reader, and so are lines that HTML does not break.
var spaces = regexp.MustCompile(`\s+`)

// unseen are elements whose text nobody sees.
var unseen = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Template: true, atom.Noscript: true}

// breaks is what elements put between the text before and after them.
var breaks = map[atom.Atom]string{
	atom.P: "\n\n", atom.Div: "\n\n", atom.Section: "\n\n", atom.Article: "\n\n", atom.Header: "\n\n", atom.Footer: "\n\n",
	atom.H1: "\n\n", atom.H2: "\n\n", atom.H3: "\n\n", atom.H4: "\n\n", atom.H5: "\n\n", atom.H6: "\n\n", atom.Table: "\n\n",
	atom.Ul: "\n\n", atom.Ol: "\n\n", atom.Pre: "\n\n", atom.Blockquote: "\n\n", atom.Title: "\n\n",
	atom.Br: "\n", atom.Li: "\n", atom.Tr: "\n", atom.Td: " ", atom.Th: " ",
}
