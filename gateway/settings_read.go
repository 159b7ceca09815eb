package gateway

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// ReadSettings merges the three sources of settings: flags as given on the
// command line (zero fields were not given), FAILWELL_* variables, and the text
// of a gateway.yaml (nil when there is none). file names it in messages; getenv
// is os.Getenv. The error lists everything that cannot be read, in the form
// "file:line: what, hint".
func ReadSettings(file string, text []byte, flags Settings, getenv func(string) string) (Settings, error) {
	var fromFile, fromEnv Settings
	faults := readYAML(file, text, &fromFile)
	v := reflect.ValueOf(&fromEnv).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("env")
		value := getenv(name)
		if value == "" {
			continue
		}
		values := []string{value}
		if v.Field(i).Kind() == reflect.Slice {
			values = strings.Split(value, ",")
		}
		if err := setField(v.Field(i), values); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	merged := flags
	m := reflect.ValueOf(&merged).Elem()
	for _, source := range []reflect.Value{v, reflect.ValueOf(fromFile)} {
		for i := range m.NumField() {
			if m.Field(i).IsZero() {
				m.Field(i).Set(source.Field(i))
			}
		}
	}
	return merged, errors.Join(faults...)
}

func readYAML(file string, text []byte, into *Settings) (faults []error) {
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...)))
	}
	var root yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		line, what := 1, err.Error()
		if bad, ok := errors.AsType[*yaml.LoadError](err); ok && bad.Mark.Line > 0 {
			line, what = bad.Mark.Line, bad.Message
		}
		fault(line, "not YAML: %s, check indentation and quotes", what)
		return faults
	case len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode:
		fault(1, "settings are lines of the form name: value")
		return faults
	}
	v := reflect.ValueOf(into).Elem()
	fields := map[string]int{}
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("yaml")] = i
	}
	seen := map[string]bool{}
	pairs := root.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		key, node := pairs[i], pairs[i+1]
		at, ok := fields[key.Value]
		switch {
		case !ok:
			fault(key.Line, "there is no setting %q, %s", key.Value, nearest(key.Value, fields))
			continue
		case seen[key.Value]:
			fault(key.Line, "%s is set twice, keep one of the lines", key.Value)
			continue
		}
		seen[key.Value] = true
		values, ok := scalars(node, v.Field(at).Kind() == reflect.Slice)
		if !ok {
			fault(node.Line, "%s takes %s", key.Value, map[bool]string{true: "a list of values", false: "one value"}[v.Field(at).Kind() == reflect.Slice])
			continue
		}
		if err := setField(v.Field(at), values); err != nil {
			fault(node.Line, "%s: %v", key.Value, err)
		}
	}
	return faults
}

// scalars returns a node's value or, where a list may stand, its values.
func scalars(node *yaml.Node, list bool) ([]string, bool) {
	if node.Kind == yaml.ScalarNode {
		return []string{node.Value}, node.Tag != "!!null"
	}
	if node.Kind != yaml.SequenceNode || !list {
		return nil, false
	}
	values := make([]string, 0, len(node.Content))
	for _, n := range node.Content {
		if n.Kind != yaml.ScalarNode {
			return nil, false
		}
		values = append(values, n.Value)
	}
	return values, true
}

func setField(field reflect.Value, values []string) error {
	if field.Kind() == reflect.Slice {
		list := make([]string, 0, len(values))
		for _, value := range values {
			list = append(list, strings.TrimSpace(value))
		}
		field.Set(reflect.ValueOf(list))
		return nil
	}
	value := values[0]
	switch into := field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return into.UnmarshalText([]byte(value)) //nolint:wrapcheck // it names the value and what is expected
	case *time.Duration:
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is no duration, write for example 30s", value)
		}
		*into = d
	case *int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is no number, write for example 20000", value)
		}
		*into = n
	case *string:
		*into = value
	default:
		return fmt.Errorf("settings of type %s cannot be read", field.Type())
	}
	return nil
}

// nearest suggests the name that was probably meant.
func nearest(wrong string, fields map[string]int) string {
	best, least := "", 4
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if d := distance(strings.ReplaceAll(wrong, "-", "_"), name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return "there are " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
