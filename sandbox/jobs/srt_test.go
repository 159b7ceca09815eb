package jobs

import (
	"slices"
	"strings"
	"testing"
)

func TestParseSRT(t *testing.T) {
	t.Parallel()
	const one = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
	for name, tc := range map[string]struct{ text, want string }{
		"one":                    {one, ""},
		"no end of line":         {strings.TrimSpace(one), ""},
		"byte order mark":        {"\ufeff" + one, ""},
		"without text":           {"1\n00:00:01,000 --> 00:00:02,000\n", ""},
		"more empty lines":       {one + "\n\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n\n\n", ""},
		"a hundred hours":        {"1\n100:00:01,000 --> 100:00:02,000\nHello\n", ""},
		"nothing":                {"", "line 1: there is no subtitle"},
		"no number":              {"00:00:01,000 --> 00:00:02,000\nHello\n", "line 1: "},
		"a number twice":         {one + "\n" + one, "line 5: "},
		"no times":               {"1\n", "line 1: subtitle 1 has no times"},
		"a point":                {"1\n00:00:01.000 --> 00:00:02.000\nHello\n", "line 2: "},
		"another arrow":          {"1\n00:00:01,000 -> 00:00:02,000\nHello\n", "line 2: "},
		"sixty seconds":          {"1\n00:00:60,000 --> 00:01:02,000\nHello\n", "line 2: "},
		"backwards":              {"1\n00:00:03,000 --> 00:00:02,000\nHello\n", "ends before it begins"},
		"begins before another":  {one + "\n2\n00:00:00,500 --> 00:00:04,000\nBye\n", "line 6: subtitle 2 begins before"},
		"after more empty lines": {one + "\n\n\n\nx\n", "line 8: "},
	} {
		cues, err := parseSRT(tc.text)
		if tc.want == "" && (err != nil || len(cues) == 0) || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, %v, want %q", name, cues, err, tc.want)
		}
	}
}

// What is read and written again is the same, and reads the same again.
func FuzzParseSRT(f *testing.F) {
	f.Add("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\r\n00:00:03,000 --> 00:00:04,000\r\nBye\r\n")
	f.Add("\ufeff1\n00:00:01,000 --> 65535:59:59,999\n\n")
	f.Add("1\n00:00:01,000 --> 00:00:02,000\n \n")
	f.Add("1\n00:00:00,000 --> 00:00:00,000\n0\r")
	f.Fuzz(func(t *testing.T, text string) {
		cues, err := parseSRT(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("no line in %v", err)
			}
			return
		}
		again, err := parseSRT(string(formatSRT(cues, "")))
		if err != nil || len(again) != len(cues) {
			t.Fatalf("%d cues, then %d: %v", len(cues), len(again), err)
		}
		for i := range cues {
			if cues[i].from != again[i].from || cues[i].to != again[i].to || !slices.Equal(cues[i].lines, again[i].lines) {
				t.Fatalf("cue %d: %v, then %v", i, cues[i], again[i])
			}
		}
	})
}
