package compat

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// schema compares what JSON Schemas let through, keyword by keyword. Where one
// keyword alone does not tell, the change is called so.
func (d *differ) schema(path []string, subject, what string, old, now any) {
	was, object := old.(map[string]any)
	is, object2 := now.(map[string]any)
	switch {
	case reflect.DeepEqual(old, now):
		return
	case old == nil || says(old, true):
		d.say("request-narrowed", path, subject, "%s: what it holds is checked", what)
		return
	case now == nil || says(now, true):
		d.say("request-widened", path, subject, "%s: what it holds is no longer checked", what)
		return
	case !object || !object2:
		d.say("request-changed", path, subject, "%s: the schema is another one", what)
		return
	}
	for _, keyword := range keysOf(merged(was, is)) {
		before, had := was[keyword]
		after, has := is[keyword]
		if reflect.DeepEqual(before, after) && had == has {
			continue
		}
		rule, text := "request-changed", fmt.Sprintf("%s: %s", what, keyword)
		switch keyword {
		case "title", "description", "examples", "example", "default", "$comment", "deprecated":
			continue
		case "properties":
			d.properties(path, subject, what, was, is)
			continue
		case "items", "additionalProperties":
			if _, bothObjects := after.(map[string]any); bothObjects && had {
				d.schema(path, subject, what+" "+keyword, before, after)
				continue
			}
			rule = allows(before, after)
		case "required":
			d.required(path, subject, what, before, after)
			continue
		case "enum", "type":
			rule = subset(before, after, had, has)
		case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties":
			rule = ordered(before, after, had, has, 1)
		case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties":
			rule = ordered(before, after, had, has, -1)
		case "pattern", "format", "const":
			rule = presence(had, has)
		}
		d.say(rule, path, subject, "%s %v became %v", text, orNone(before, had), orNone(after, has))
	}
}

func orNone(v any, has bool) any {
	if !has {
		return "nothing"
	}
	return v
}

func merged[V any](a, b map[string]V) map[string]V {
	out := map[string]V{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// says reports whether v is this very boolean; schemas and keywords may be.
func says(v any, what bool) bool {
	b, ok := v.(bool)
	return ok && b == what
}

// properties: a further one is a wider request. Who sent it before did so without
// a promise that it means something.
func (d *differ) properties(path []string, subject, what string, old, now map[string]any) {
	was, _ := old["properties"].(map[string]any)
	is, _ := now["properties"].(map[string]any)
	for _, name := range keysOf(merged(was, is)) {
		before, had := was[name]
		after, has := is[name]
		member := what + "." + name
		switch {
		case had && has:
			d.schema(path, subject, member, before, after)
		case has:
			d.say("request-widened", path, subject, "%s is known", member)
		case says(now["additionalProperties"], false):
			d.say("request-narrowed", path, subject, "%s is refused", member)
		default:
			d.say("request-changed", path, subject, "%s is no longer known", member)
		}
	}
}

func (d *differ) required(path []string, subject, what string, before, after any) {
	was, _ := before.([]any)
	is, _ := after.([]any)
	for _, name := range is {
		if !slices.Contains(was, name) {
			d.say("request-narrowed", path, subject, "%s.%v is required", what, name)
		}
	}
	for _, name := range was {
		if !slices.Contains(is, name) {
			d.say("request-widened", path, subject, "%s.%v may be left out", what, name)
		}
	}
}

func presence(had, has bool) string {
	switch {
	case !had:
		return "request-narrowed"
	case !has:
		return "request-widened"
	}
	return "request-changed"
}

// allows judges keywords whose value may be true or false.
func allows(before, after any) string {
	switch {
	case says(after, false), before == nil:
		return "request-narrowed"
	case says(before, false), after == nil:
		return "request-widened"
	}
	return "request-changed"
}

// subset judges lists of what is accepted; a single one is a list of one.
func subset(before, after any, had, has bool) string {
	if !had || !has {
		return presence(had, has)
	}
	list := func(v any) []any {
		if l, ok := v.([]any); ok {
			return l
		}
		return []any{v}
	}
	was, is := list(before), list(after)
	for _, v := range was {
		found := slices.ContainsFunc(is, func(x any) bool { return reflect.DeepEqual(x, v) || v == "integer" && x == "number" })
		if !found {
			return "request-narrowed"
		}
	}
	return "request-widened"
}

// ordered judges bounds; sign is 1 where more is stricter.
func ordered(before, after any, had, has bool, sign float64) string {
	if !had || !has {
		return presence(had, has)
	}
	was, ok := number(before)
	is, ok2 := number(after)
	switch {
	case !ok || !ok2:
		return "request-changed"
	case sign*is > sign*was:
		return "request-narrowed"
	}
	return "request-widened"
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
