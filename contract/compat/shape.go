package compat

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
)

func envelopeOf(e *contract.Envelope) *Envelope {
	out := &Envelope{MediaType: e.MediaType, Inside: e.Inside, Successes: sorted(e.Successes), Headers: map[string]string{}}
	if body, ok := e.Body(); ok {
		out.Body = map[string]string{}
		flatten(body, "", false, out.Body)
	}
	if text, ok := e.Text(); ok {
		out.Text = sourceOf(text)
	}
	for _, h := range e.Headers {
		out.Headers[h.Name] = sourceOf(h.Shape())
	}
	return out
}

// flatten notes what stands at each path of a template. Elements of lists are
// [], members that field errors name are {}, what is spread is *.
func flatten(s contract.Shape, path string, optional bool, into map[string]string) {
	optional = optional || s.Optional
	mark := ""
	if optional {
		mark = "?"
	}
	switch {
	case s.Object != nil:
		if len(s.Object) == 0 {
			into[path] = "{}" + mark
		}
		for _, m := range s.Object {
			switch below := join(path, m.Key); {
			case m.Value.Spread && m.Value.Slot != "":
				into[join(path, "*")] = "$" + m.Value.Slot + mark
			case m.Value.Spread:
				flatten(m.Value, path, optional, into)
			default:
				flatten(m.Value, below, optional, into)
			}
		}
	case s.Array != nil:
		if len(s.Array) == 0 {
			into[path] = "[]" + mark
		}
		for i, x := range s.Array {
			below := fmt.Sprintf("%s[%d]", path, i)
			if x.Spread {
				below = path + "[*]"
			}
			flatten(x, below, optional, into)
		}
	case s.Each != nil:
		flatten(*s.Each, path+"[]", optional, into)
	case s.Map != nil:
		flatten(*s.Map, path+"{}", optional, into)
	case s.Tree != nil:
		flatten(*s.Tree, path+"{**}", optional, into)
	case s.Literal != nil:
		into[path] = string(s.Literal) + mark
	default:
		into[path] = sourceOf(s) + mark
	}
}

func join(path, name string) string {
	if strings.ContainsAny(name, ".[]{}") {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// sourceOf writes a template for text back: $slot alone, ${slot} within text.
func sourceOf(s contract.Shape) string {
	if s.Slot != "" {
		return "$" + s.Slot
	}
	if len(s.Text) == 1 && s.Text[0].Slot != "" {
		return "$" + s.Text[0].Slot
	}
	var b strings.Builder
	for _, part := range s.Text {
		if part.Slot != "" {
			b.WriteString("${" + part.Slot + "}")
			continue
		}
		var literal string
		if json.Unmarshal(part.Literal, &literal) != nil {
			literal = string(part.Literal)
		}
		b.WriteString(strings.ReplaceAll(literal, "$", "$$"))
	}
	return b.String()
}
