package vectors

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Millis is a duration: 1m30s, 250ms or 7s in YAML, milliseconds in JSON.
type Millis time.Duration

// UnmarshalYAML reads Go's notation of durations.
func (m *Millis) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration such as 1m30s or 250ms", n.Line, n.Value)
	}
	*m = Millis(d)
	return nil
}

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(m) / float64(time.Millisecond)) //nolint:wrapcheck // a number
}

// UnmarshalJSON reads milliseconds, rounded to whole ones: clients count in
// floating point.
func (m *Millis) UnmarshalJSON(text []byte) error {
	var ms float64
	if err := json.Unmarshal(text, &ms); err != nil {
		return fmt.Errorf("a duration in milliseconds: %w", err)
	}
	*m = Millis(time.Duration(math.Round(ms)) * time.Millisecond)
	return nil
}

// String is Go's notation.
func (m Millis) String() string { return time.Duration(m).String() }

// MaybeMillis is a duration, or in YAML the word none, in JSON null.
type MaybeMillis struct {
	Wait Millis
	None bool
}

// UnmarshalYAML reads a duration or none.
func (m *MaybeMillis) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "none" {
		m.None = true
		return nil
	}
	return m.Wait.UnmarshalYAML(n)
}

// MarshalJSON writes milliseconds or null.
func (m MaybeMillis) MarshalJSON() ([]byte, error) {
	if m.None {
		return []byte("null"), nil
	}
	return m.Wait.MarshalJSON()
}

// Waits are durations one after the other; 2s*3 in YAML is three of them.
type Waits []Millis

// UnmarshalYAML reads a list.
func (w *Waits) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: expected a list of durations", n.Line)
	}
	for _, item := range n.Content {
		one, times, repeated := strings.Cut(item.Value, "*")
		count, err := 1, error(nil)
		if repeated {
			count, err = strconv.Atoi(times)
		}
		d, bad := time.ParseDuration(one)
		if err != nil || bad != nil || count < 1 {
			return fmt.Errorf("line %d: %q is no duration such as 1m30s or 250ms, or several such as 250ms*4", item.Line, item.Value)
		}
		for range count {
			*w = append(*w, Millis(d))
		}
	}
	return nil
}

// String is the notation of YAML.
func (w Waits) String() string {
	var parts []string
	for i := 0; i < len(w); {
		from := i
		for i < len(w) && w[i] == w[from] {
			i++
		}
		part := w[from].String()
		if i-from > 1 {
			part += "*" + strconv.Itoa(i-from)
		}
		parts = append(parts, part)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// UnmarshalYAML reads a number of requests, or a list of methods and paths.
func (s *Seen) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&s.Count) //nolint:wrapcheck // names the line itself
	}
	if err := n.Decode(&s.Lines); err != nil {
		return err //nolint:wrapcheck // names the line itself
	}
	for _, line := range s.Lines {
		if method, path, ok := strings.Cut(line, " "); !ok || method != strings.ToUpper(method) || !strings.HasPrefix(path, "/") {
			return fmt.Errorf("line %d: %q is no method and path such as \"POST /agents\"", n.Line, line)
		}
	}
	s.Count = len(s.Lines)
	return nil
}
