package vectors

import (
	"encoding/json"
	"fmt"
	"math"
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
