package hume

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// measure looks at a source and returns why it cannot be measured, or "".
func (h *api) measure(ctx context.Context, s *source) string {
	if s.Type == fromURL {
		if fault := fetch(ctx, s); fault != "" {
			return fault
		}
	}
	switch {
	case s.Foreign:
		return "E0102: the text is not UTF-8"
	case strings.TrimSpace(s.Text) == "" && !s.Binary:
		return "E0200: there is nothing in it"
	}
	return ""
}

// trimRune takes off a rune that was cut in two at the end.
func trimRune(s string) string {
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}

// fetch gets what stands at an address of this machine. A sandbox calls nobody
// else: other addresses are taken for media, and what is found there is made up.
func fetch(ctx context.Context, s *source) string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "E0200: the address cannot be read"
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		s.Binary = true
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, http.NoBody)
	if err != nil {
		return "E0200: the address cannot be read"
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "E0200: the address does not answer"
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "E0200: the address answers " + response.Status
	}
	head, err := io.ReadAll(io.LimitReader(response.Body, maxText))
	if err != nil {
		return "E0200: the address breaks off"
	}
	s.setContent(head)
	return ""
}

var errRedirect = errors.New("redirects are not followed")

// emotion is a name and how much of it there is.
type emotion struct {
	Name  string  `json:"name"`
	Score float64 `json:"score"`
}

// lexicon says which words speak of which emotion.
var lexicon = map[string][]string{
	"Joy":            {"joy", "glad", "happy", "delighted", "love", "great", "wonderful", "works", "thanks"},
	"Sadness":        {"sad", "sorry", "unhappy", "lost", "alone", "miss"},
	"Anger":          {"angry", "furious", "hate", "annoyed", "mad"},
	"Fear":           {"afraid", "fear", "scared", "worried"},
	"Disappointment": {"disappointed", "failed", "broken", "wrong"},
	"Interest":       {"interesting", "curious", "wonder", "why", "how"},
	"Gratitude":      {"thank", "thanks", "grateful"},
	"Calmness":       {"calm", "quiet", "fine", "okay"},
}

var emotionNames = []string{"Anger", "Calmness", "Disappointment", "Fear", "Gratitude", "Interest", "Joy", "Sadness"}

// felt is how often a text speaks of each emotion, per word.
func felt(text string) []emotion {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })
	out := make([]emotion, len(emotionNames))
	for i, name := range emotionNames {
		hits := 0
		for _, word := range words {
			for _, known := range lexicon[name] {
				if word == known {
					hits++
				}
			}
		}
		out[i] = emotion{name, 0.02 + 0.9*float64(hits)/float64(max(len(words), 1))}
	}
	return out
}

// madeUp are numbers that stand for a content, always the same for the same.
func madeUp(content string) *rand.Rand {
	sum := sha256.Sum256([]byte(content))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16]))) //nolint:gosec // made up, not secret
}

func synthetic(chance *rand.Rand) []emotion {
	out := make([]emotion, len(emotionNames))
	for i, name := range emotionNames {
		out[i] = emotion{name, chance.Float64()}
	}
	return out
}
