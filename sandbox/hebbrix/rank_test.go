package hebbrix

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// The scores are worked out by hand. Three texts of 3, 1 and 3 words, 7/3 on
// average. "tea" is in two of them: its rarity is ln(1 + 1.5/2.5) = ln 1.6. In the
// first it stands twice: 2·2.2 / (2 + 1.2·(0.25 + 0.75·9/7)) = 14/11; in the second
// once: 2.2 / (1 + 1.2·(0.25 + 0.75·3/7)) = 77/59. "coffee" is in one: ln(1 + 2.5/1.5)
// = ln(8/3), and 2.2 / (1 + 1.2·(0.25 + 0.75·9/7)) = 77/86.
func TestRankByHand(t *testing.T) {
	t.Parallel()
	texts := []string{"Tea, tea, MILK!", "tea", "coffee with milk"}
	common, rare := math.Log(1.6), math.Log(8.0/3)
	for query, want := range map[string][]hit{
		"tea":         {{1, common * 77 / 59, 1}, {0, common * 14 / 11, 1}},
		"TEA tea Tea": {{1, common * 77 / 59, 1}, {0, common * 14 / 11, 1}},
		"coffee":      {{2, rare * 77 / 86, 1}},
		"coffee milk": {{2, rare*77/86 + common*77/86, 2}, {0, common * 77 / 86, 1}},
		"water":       nil,
		"?!":          nil,
		"te":          nil,
	} {
		got, _ := rank(query, texts)
		if len(got) != len(want) {
			t.Errorf("%q: %v, want %v", query, got, want)
			continue
		}
		for i := range got {
			if got[i].index != want[i].index || got[i].matched != want[i].matched || math.Abs(got[i].score-want[i].score) > 1e-12 {
				t.Errorf("%q: %v, want %v", query, got, want)
			}
		}
	}
	if hits, asked := rank("tea", nil); hits != nil || asked != 1 {
		t.Errorf("nothing stored: %v, %d", hits, asked)
	}
}

// What ranking promises whatever the texts are.
func TestRankLaws(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-e]{1,2}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), " ") })
		texts, query := rapid.SliceOfN(text, 1, 8).Draw(t, "texts"), word.Draw(t, "query")
		hits, _ := rank(query, texts)
		seen := map[int]bool{}
		for i, h := range hits {
			if h.score <= 0 || math.IsNaN(h.score) || i > 0 && h.score > hits[i-1].score || seen[h.index] {
				t.Fatalf("%v", hits)
			}
			seen[h.index] = true
		}
		for i, text := range texts {
			if has := slices.Contains(strings.Fields(text), query); has != seen[i] {
				t.Fatalf("%q in %q: %v, found %v", query, text, has, seen[i])
			}
		}
	})
}

func TestTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"It's 25 °C, naïve Straße": "[it s 25 c naïve strasse]",
		"ＦＵＬＬ ｗｉｄｔｈ ﬁsh":           "[full width fish]",
		"東京タワーへ go":                "[東 京 タ ワ ー へ go]",
		"नमस्ते":                   "[नमस्ते]",
		"\x00 -- \n":               "[]",
	} {
		if got := fmt.Sprint(terms(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	got := sentences(`One. "Two!" Three? 3.14 is four… 五。六！ seven`)
	if want := `[One. "Two!" Three? 3.14 is four… 五。 六！ seven]`; fmt.Sprint(got) != want || len(got) != 7 {
		t.Errorf("%d %v, want %s", len(got), got, want)
	}
}

// Pieces are no longer than they may be, and nothing of the text is lost.
func TestChunks(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 300), strings.Repeat("b", 498)
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"paragraphs that fit":     {a + "\n \n\n" + b, []string{a + "\n\n" + b}},
		"paragraphs that do not":  {a + "\n\n" + b + "b", []string{a, b + "b"}},
		"a long word":             {strings.Repeat("ü", 1700), []string{strings.Repeat("ü", 800), strings.Repeat("ü", 800), strings.Repeat("ü", 100)}},
		"sentences stay together": {strings.Repeat("a", 500) + ". " + strings.Repeat("b", 500) + ".", []string{strings.Repeat("a", 500) + ".", strings.Repeat("b", 500) + "."}},
		"nothing":                 {" \n\n \t\n", nil},
	} {
		if got := chunks(tc.text); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab日. \n")), 0, 5000, -1).Draw(t, "text")
		bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
		pieces := chunks(text)
		if bare(strings.Join(pieces, "")) != bare(text) {
			t.Fatal("something was lost")
		}
		for _, p := range pieces {
			if n := utf8.RuneCountInString(p); n == 0 || n > chunkRunes {
				t.Fatalf("a piece of %d", n)
			}
		}
	})
}

func TestExtract(t *testing.T) {
	t.Parallel()
	page := `<!doctype html><html><head><title>Tea</title><style>p{}</style><script>var x="<p>no"</script></head>
<body><h1>Green&nbsp;tea</h1><p>Made of <b>leaves</b>,
not beans.<br>Drunk hot.</p><ul><li>one<li>two</ul><template>no</template><p>End &amp; done</body>`
	for _, tc := range []struct {
		format, text string
		want         []string
		err          error
	}{
		{formatText, "\ufeffone\r\n\r\ntwo", []string{"one\n\ntwo"}, nil},
		{formatMarkdown, "# Tea\n\n- leaves", []string{"# Tea\n\n- leaves"}, nil},
		{formatCSV, "name, age\nAda,36\n\"Bob, jr\",\n", []string{"name: Ada\nage: 36\n\nname: Bob, jr"}, nil},
		{formatCSV, "a,b\n1,2,3\n", nil, errBrokenCSV},
		{formatCSV, "a,b\n\"1,2\n", nil, errBrokenCSV},
		{formatCSV, "a,b\n", nil, errNoText},
		{formatCSV, "\n", nil, errNoText},
		{formatHTML, page, []string{"Tea\n\nGreen\u00a0tea\n\nMade of leaves, not beans.\nDrunk hot.\n\none\ntwo\n\nEnd & done"}, nil},
		{formatHTML, "<p><script>only</script>", nil, errNoText},
		{formatHTML, strings.Repeat("<div>", 50000) + "deep", []string{"deep"}, nil},
		{formatHTML, "</script>open <style>p{", []string{"open"}, nil},
		{formatText, "caf\xe9", nil, errNotUTF8},
		{formatText, "a\x00b", nil, errNotUTF8},
	} {
		d := document{Format: tc.format, Data: []byte(tc.text)}
		got, err := d.pieces()
		for i := range got {
			got[i] = tidy(got[i])
		}
		if !slices.Equal(got, tc.want) || (err == nil) != (tc.err == nil) || err != nil && !strings.Contains(err.Error(), tc.err.Error()) {
			t.Errorf("%s %.80q: %q, %v, want %q, %v", tc.format, tc.text, got, err, tc.want, tc.err)
		}
	}
}

// tidy takes the spaces off both ends of each line.
func tidy(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}
