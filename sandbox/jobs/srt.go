package jobs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// cue is one subtitle.
type cue struct {
	from, to time.Duration
	lines    []string
}

// parseSRT reads subtitles in SubRip form: blocks of a number, a line of two
// times and text, with empty lines between. Numbers must rise, times must be in
// order; anything else is a broken file.
func parseSRT(text string) ([]cue, error) {
	text = strings.TrimPrefix(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\ufeff")
	var cues []cue
	line, last := 0, 0
	for block := range strings.SplitSeq(strings.TrimRight(text, "\n")+"\n\n", "\n\n") {
		begun := strings.TrimLeft(block, "\n")
		lines := strings.Split(strings.TrimRight(begun, "\n"), "\n")
		first := line + 1 + len(block) - len(begun)
		line += strings.Count(block, "\n") + 2
		if len(lines) == 1 && strings.TrimSpace(lines[0]) == "" {
			continue
		}
		number, err := strconv.Atoi(strings.TrimSpace(lines[0]))
		if err != nil || number <= last {
			return nil, fmt.Errorf("line %d: %q is not the number of the next subtitle", first, clip(lines[0]))
		}
		last = number
		if len(lines) < 2 {
			return nil, fmt.Errorf("line %d: subtitle %d has no times", first, number)
		}
		c := cue{lines: lines[2:]}
		if c.from, c.to, err = parseTimes(lines[1]); err != nil {
			return nil, fmt.Errorf("line %d: %w", first+1, err)
		}
		if len(cues) > 0 && c.from < cues[len(cues)-1].from {
			return nil, fmt.Errorf("line %d: subtitle %d begins before the one above it", first+1, number)
		}
		cues = append(cues, c)
	}
	if len(cues) == 0 {
		return nil, errors.New("line 1: there is no subtitle")
	}
	return cues, nil
}

func parseTimes(s string) (from, to time.Duration, err error) {
	a, b, ok := strings.Cut(s, " --> ")
	if ok {
		if from, err = parseTime(a); err == nil {
			to, err = parseTime(b)
		}
	}
	switch {
	case !ok || err != nil:
		return 0, 0, fmt.Errorf("%q are no times, as 00:00:01,000 --> 00:00:02,500", clip(s))
	case to < from:
		return 0, 0, fmt.Errorf("%q ends before it begins", clip(s))
	}
	return from, to, nil
}

// parseTime reads hours, minutes, seconds and milliseconds.
func parseTime(s string) (time.Duration, error) {
	s, milli, ok := strings.Cut(strings.TrimSpace(s), ",")
	parts := strings.Split(s, ":")
	if !ok || len(parts) != 3 || len(milli) != 3 {
		return 0, strconv.ErrSyntax
	}
	var total time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil || len(parts[i]) < 2 || i > 0 && n > 59 {
			return 0, strconv.ErrSyntax
		}
		total += time.Duration(n) * unit
	}
	n, err := strconv.ParseUint(milli, 10, 16)
	return total + time.Duration(n)*time.Millisecond, err //nolint:wrapcheck // nobody is told
}

func formatTime(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d:%02d,%03d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// work is what a job does on entering a state.
func (j *job) work() error {
	switch j.Status {
	case "transcribed":
		j.Output = formatSRT(heard(j.Input.MediaURL), "")
	case "translated", "dubbed":
		text := j.Input.SRTContent
		switch {
		case len(j.Output) > 0:
			text = string(j.Output)
		case text == "":
			text = string(formatSRT(heard(j.Input.SRTURL), ""))
		}
		cues, err := parseSRT(text)
		if err != nil {
			return err
		}
		j.Words = words(cues)
		j.Length = cues[len(cues)-1].to.Seconds()
		mark := ""
		if j.Status == "translated" {
			mark = j.Input.TargetLanguage
		}
		j.Output = formatSRT(cues, mark)
	}
	return nil
}

func words(cues []cue) (n int) {
	for _, c := range cues {
		n += len(strings.Fields(strings.Join(c.lines, " ")))
	}
	return n
}

// heard stands for what would be heard in media that nobody plays.
func heard(address string) []cue {
	return []cue{
		{0, 2 * time.Second, []string{"(what is said in " + address[strings.LastIndexByte(address, '/')+1:] + ")"}},
		{2 * time.Second, 4 * time.Second, []string{"(made up by the sandbox)"}},
	}
}

// formatSRT writes subtitles; mark says into which language they would be put.
func formatSRT(cues []cue, mark string) []byte {
	var out strings.Builder
	for i, c := range cues {
		fmt.Fprintf(&out, "%d\n%s --> %s\n", i+1, formatTime(c.from), formatTime(c.to))
		for _, line := range c.lines {
			if mark != "" {
				line = "[" + mark + "] " + line
			}
			out.WriteString(line + "\n")
		}
		out.WriteString("\n")
	}
	return []byte(out.String())
}
