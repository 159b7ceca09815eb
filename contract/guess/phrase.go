package guess

import (
	"strconv"
	"strings"
	"sync"

	"github.com/failwell/failwell/contract/condition"
)

// lexicon holds the rules of words.go, compiled. It is read-only.
type lexicon struct {
	phrases []phrase
	// starts lists the phrases whose first word may begin with two letters.
	starts  map[string][]int
	scripts []rule
	sql     map[string]condition.Condition
	rpc     map[string]condition.Condition
	grpc    map[string]condition.Condition
	status  map[int]condition.Condition
	reasons map[string]bool
}

type scopeOf uint8

const (
	inBoth scopeOf = iota
	inCode
	inText
)

type phrase struct {
	rule
	where scopeOf
	words []word
}

type word struct {
	gap      int // tokens that may be skipped before this word
	exact    map[string]bool
	prefixes []string
}

// words is built once and never written again.
var words = sync.OnceValue(newLexicon)

func newLexicon() *lexicon {
	l := &lexicon{
		starts: map[string][]int{}, scripts: scripts(), sql: sqlStates(), rpc: rpcCodes(),
		grpc: grpcCodes(), status: moreStatuses(), reasons: reasons(),
	}
	for _, r := range commonRules() {
		l.add(r, inBoth)
	}
	for _, r := range codeRules() {
		l.add(r, inCode)
	}
	for _, r := range textRules() {
		l.add(r, inText)
	}
	return l
}

func (l *lexicon) add(r rule, where scopeOf) {
	p := phrase{rule: r, where: where}
	gap := 0
	for part := range strings.FieldsSeq(r.phrase) {
		switch part {
		case "_":
			gap = 3
			continue
		case "__":
			gap = 8
			continue
		}
		w := word{gap: gap, exact: map[string]bool{}}
		gap = 0
		for alt := range strings.SplitSeq(part, "|") {
			if head, ok := strings.CutSuffix(alt, "*"); ok {
				w.prefixes = append(w.prefixes, head)
			} else {
				w.exact[alt] = true
			}
		}
		p.words = append(p.words, w)
	}
	at := len(l.phrases)
	l.phrases = append(l.phrases, p)
	seen := map[string]bool{}
	start := func(s string) {
		if two := s[:min(2, len(s))]; !seen[two] {
			seen[two] = true
			l.starts[two] = append(l.starts[two], at)
		}
	}
	for s := range p.words[0].exact {
		start(s)
	}
	for _, s := range p.words[0].prefixes {
		start(s)
	}
}

func (w *word) matches(token string) bool {
	if w.exact[token] {
		return true
	}
	for _, p := range w.prefixes {
		if strings.HasPrefix(token, p) {
			return true
		}
	}
	return false
}

// matchAt reports whether the words from k on match at tokens[i:].
func (p *phrase) matchAt(tokens []string, i, k int) bool {
	for skip := 0; skip <= p.words[k].gap && i+skip < len(tokens); skip++ {
		if tokens[i+skip] == sentenceEnd {
			return false
		}
		if !p.words[k].matches(tokens[i+skip]) {
			continue
		}
		if k+1 == len(p.words) || p.matchAt(tokens, i+skip+1, k+1) {
			return true
		}
	}
	return false
}

// holdsOn reports whether a rule counts under a status.
func (r *rule) holdsOn(status int) bool {
	if r.on == "" {
		return true
	}
	for part := range strings.FieldsSeq(r.on) {
		if class, ok := strings.CutSuffix(part, "xx"); ok {
			if strconv.Itoa(status/100) == class {
				return true
			}
		} else if strconv.Itoa(status) == part {
			return true
		}
	}
	return false
}

// evidence is the heaviest rule that a text matches, per condition.
type evidence map[condition.Condition]int

func (e evidence) note(c condition.Condition, weight int) {
	e[c] = max(e[c], weight)
}

// best is the heaviest condition; the vocabulary's order breaks ties.
func (e evidence) best() (condition.Condition, int) {
	var at condition.Condition
	top := 0
	if len(e) == 0 {
		return at, top
	}
	for c := range condition.Each {
		if w := e[c]; w > top {
			at, top = c, w
		}
	}
	return at, top
}

// read matches the phrases against a code or a prose text.
func (l *lexicon) read(s string, isCode bool, status int) evidence {
	found := evidence{}
	if s == "" {
		return found
	}
	tokens := tokenise(s)
	for i, token := range tokens {
		for _, at := range l.starts[token[:min(2, len(token))]] {
			p := &l.phrases[at]
			if p.where == inCode && !isCode || p.where == inText && isCode {
				continue
			}
			if p.weight > found[p.is] && p.matchAt(tokens, i, 0) && p.holdsOn(status) {
				found.note(p.is, p.weight)
			}
		}
	}
	if !isCode {
		for _, r := range l.scripts {
			if strings.Contains(s, r.phrase) {
				found.note(r.is, r.weight)
			}
		}
	}
	return found
}

const maxTokens = 400

// sentenceEnd is the token between two sentences; no phrase reaches over it.
const sentenceEnd = "."

// tokenise splits at everything that is no letter or digit and where a small
// letter is followed by a capital; apostrophes vanish, so can't is cant.
func tokenise(s string) []string {
	var tokens []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			tokens = append(tokens, b.String())
			b.Reset()
		}
	}
	lower := false
	for i := 0; i < len(s) && len(tokens) < maxTokens; i++ {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			// camelCase, and the last capital of HTTPError.
			next := i+1 < len(s) && s[i+1] >= 'a' && s[i+1] <= 'z'
			if lower || (next && b.Len() > 0) {
				flush()
			}
			b.WriteByte(c + 'a' - 'A')
			lower = false
		case c >= 'a' && c <= 'z':
			b.WriteByte(c)
			lower = true
		case c >= '0' && c <= '9':
			b.WriteByte(c)
			lower = false
		case (c == '.' || c == ';' || c == '!' || c == '?') && i+1 < len(s) && (s[i+1] == ' ' || s[i+1] == '\n'):
			flush()
			tokens = append(tokens, sentenceEnd)
			lower = false
		case c == '\'', c == '`':
		case c == 0xe2 && strings.HasPrefix(s[i:], "\u2019"):
			i += 2
		default:
			flush()
			lower = false
		}
	}
	flush()
	return tokens
}
