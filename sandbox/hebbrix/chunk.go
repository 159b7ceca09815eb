package hebbrix

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// chunkRunes is the greatest length of a piece of a document. The API's document
// gives no number; this is about 200 tokens of a language model.
const chunkRunes = 800

var (
	paragraphEnd = regexp.MustCompile(`\n[ \t]*\n\s*`)
	// sentenceEnd is where a sentence may end: behind its mark, before the space.
	sentenceEnd = regexp.MustCompile(`[.!?…]["')\]]*(\s+)|[。！？]()`)
)

// chunks cuts a text into pieces that end with a paragraph where they can, else
// with a sentence, a word, and only then within one.
func chunks(text string) []string {
	var p packer
	for _, paragraph := range paragraphEnd.Split(text, -1) {
		paragraph = strings.TrimSpace(paragraph)
		if utf8.RuneCountInString(paragraph) <= chunkRunes {
			p.add("\n\n", paragraph)
			continue
		}
		p.flush()
		for _, sentence := range sentences(paragraph) {
			if utf8.RuneCountInString(sentence) <= chunkRunes {
				p.add(" ", sentence)
				continue
			}
			for word := range strings.FieldsSeq(sentence) {
				for utf8.RuneCountInString(word) > chunkRunes {
					head := string([]rune(word)[:chunkRunes])
					p.add(" ", head)
					word = word[len(head):]
				}
				p.add(" ", word)
			}
		}
		p.flush()
	}
	p.flush()
	return p.pieces
}

// packer fills pieces up to chunkRunes.
type packer struct {
	pieces  []string
	current strings.Builder
	runes   int
}

func (p *packer) add(between, text string) {
	n := utf8.RuneCountInString(text)
	if n == 0 {
		return
	}
	if p.runes > 0 && p.runes+len(between)+n > chunkRunes {
		p.flush()
	}
	if p.runes > 0 {
		p.current.WriteString(between)
		p.runes += len(between)
	}
	p.current.WriteString(text)
	p.runes += n
}

func (p *packer) flush() {
	if p.runes > 0 {
		p.pieces = append(p.pieces, p.current.String())
	}
	p.current.Reset()
	p.runes = 0
}

// sentences cuts a text behind the marks that end sentences.
func sentences(text string) (out []string) {
	from := 0
	keep := func(to int) {
		if s := strings.TrimSpace(text[from:to]); s != "" {
			out = append(out, s)
		}
		from = to
	}
	for _, at := range sentenceEnd.FindAllStringIndex(text, -1) {
		keep(at[1])
	}
	keep(len(text))
	return out
}

// fold makes texts equal that differ in case, width and space.
func fold(text string) string {
	return strings.Join(strings.Fields(cases.Fold().String(norm.NFKC.String(text))), " ")
}
