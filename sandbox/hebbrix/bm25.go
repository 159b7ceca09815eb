package hebbrix

import (
	"cmp"
	"math"
	"slices"
	"unicode"
)

// Okapi BM25 as Robertson and Zaragoza give it (The Probabilistic Relevance
// Framework: BM25 and Beyond, 2009, section 3.2), with the form of the inverse
// document frequency that stays positive for words that most texts hold.
const (
	saturation = 1.2  // k1: how soon more of the same word counts no more
	lengthwise = 0.75 // b: how much longer texts are held back
)

// hit is a text that holds at least one word of a query.
type hit struct {
	index   int // of the text
	score   float64
	matched int // how many of the query's words it holds
}

// rank orders the texts that hold a word of the query, best first. A word that
// the query repeats counts once. asked is the number of its words.
func rank(query string, texts []string) (hits []hit, asked int) {
	terms := terms(query)
	place := map[string]int{}
	for _, t := range terms {
		if _, ok := place[t]; !ok {
			place[t] = len(place)
		}
	}
	asked = len(place)
	if asked == 0 || len(texts) == 0 {
		return nil, asked
	}
	counts := make([][]int, len(texts)) // of the query's words, nil where there are none
	lengths, total := make([]int, len(texts)), 0
	holders := make([]int, asked)
	for i, text := range texts {
		counts[i], lengths[i] = count(text, place)
		total += lengths[i]
		for t, n := range counts[i] {
			if n > 0 {
				holders[t]++
			}
		}
	}
	average := float64(total) / float64(len(texts))
	for i, count := range counts {
		if count == nil {
			continue
		}
		h := hit{index: i}
		for t, n := range count {
			if n == 0 {
				continue
			}
			rarity := math.Log(1 + (float64(len(texts)-holders[t])+0.5)/(float64(holders[t])+0.5))
			weight := float64(n) * (saturation + 1) / (float64(n) + saturation*(1-lengthwise+lengthwise*float64(lengths[i])/average))
			h.score += rarity * weight
			h.matched++
		}
		hits = append(hits, h)
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	return hits, asked
}

// count says how often a text holds each of the words, nil for never, and how
// many words it has.
func count(text string, place map[string]int) (counts []int, length int) {
	for _, t := range terms(text) {
		length++
		if at, ok := place[t]; ok {
			if counts == nil {
				counts = make([]int, len(place))
			}
			counts[at]++
		}
	}
	return counts, length
}

// terms are the words of a text: runs of letters, digits and marks. Scripts
// without spaces between words give their characters.
func terms(text string) (out []string) {
	word := []rune{}
	end := func() {
		if len(word) > 0 {
			out = append(out, string(word))
			word = word[:0]
		}
	}
	for _, r := range fold(text) {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai):
			end()
			out = append(out, string(r))
		case unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark):
			word = append(word, r)
		default:
			end()
		}
	}
	end()
	return out
}
