package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schema makes a self-contained JSON Schema (draft 2020-12) of a schema of the
// document: what it refers to comes along under $defs.
func (im *importer) schema(n *yaml.Node) any {
	b := &builder{im: im, names: map[string]string{}, taken: map[string]bool{}, defs: map[string]any{}}
	// A bare reference at the top is replaced, so that readers see the type.
	for range 32 {
		ref := member(n, "$ref")
		if ref == nil || len(n.Content) > 2 && !im.old {
			break
		}
		n = im.target(ref.Value)
	}
	out := b.convert(n)
	if object, ok := out.(map[string]any); ok && len(b.defs) > 0 {
		object["$defs"] = b.defs
	}
	if _, err := compileSchema(out); err != nil {
		im.fault(n, "correct the schema", "the schema cannot be used: %s", reason(err))
		return nil
	}
	return out
}

var errNoFiles = errors.New("nothing is fetched")

type noFiles struct{}

func (noFiles) Load(string) (any, error) { return nil, errNoFiles }

func compileSchema(schema any) (*jsonschema.Schema, error) {
	const place = "schema:///body"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noFiles{})
	if err := c.AddResource(place, schema); err != nil {
		return nil, fmt.Errorf("adding: %w", err)
	}
	compiled, err := c.Compile(place)
	if err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	return compiled, nil
}

// reason is the innermost thing that is wrong with a schema.
func reason(err error) string {
	invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return oneLine(err)
	}
	cause, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err)
	if !ok {
		return oneLine(err)
	}
	for len(cause.Causes) > 0 {
		cause = cause.Causes[0]
	}
	return fmt.Sprintf("at /%s: %s", strings.Join(cause.InstanceLocation, "/"), cause.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
}

func keeps(schema, data any) bool {
	compiled, err := compileSchema(schema)
	return err == nil && compiled.Validate(data) == nil
}

// builder converts one schema and all that it refers to.
type builder struct {
	im    *importer
	names map[string]string // reference → name in defs
	taken map[string]bool
	defs  map[string]any
}

// What stands under a keyword: a schema, a list of schemas, schemas by name;
// or nothing that a validator of 2020-12 should see.
type role int

const (
	data role = iota
	one
	list
	named
	dropped
)

var roles = map[string]role{
	"not": one, "items": one, "additionalProperties": one, "contains": one, "propertyNames": one, "if": one, "then": one,
	"else": one, "unevaluatedItems": one, "unevaluatedProperties": one, "contentSchema": one,
	"oneOf": list, "anyOf": list, "allOf": list, "prefixItems": list,
	"properties": named, "patternProperties": named, "dependentSchemas": named, "$defs": dropped,
	"nullable": dropped, "discriminator": dropped, "xml": dropped, "externalDocs": dropped, "example": dropped, "examples": dropped,
	"$schema": dropped, "$id": dropped, "$anchor": dropped, "$dynamicAnchor": dropped, "$dynamicRef": dropped, "$vocabulary": dropped,
}

func (b *builder) convert(n *yaml.Node) any {
	if n == nil || n.Kind != yaml.MappingNode {
		return value(n) // true and false are schemas
	}
	out := map[string]any{}
	ref := member(n, "$ref")
	if ref != nil && ref.Kind == yaml.ScalarNode {
		out["$ref"] = b.define(ref.Value)
		if b.im.old { // siblings of a reference mean nothing in 3.0
			return out
		}
	}
	for k, v := range members(n) {
		switch roles[k.Value] {
		case one:
			out[k.Value] = b.convert(v)
		case list:
			schemas := make([]any, 0, len(v.Content))
			for _, x := range v.Content {
				schemas = append(schemas, b.convert(x))
			}
			out[k.Value] = schemas
		case named:
			schemas := map[string]any{}
			for name, x := range members(v) {
				schemas[name.Value] = b.convert(x)
			}
			out[k.Value] = schemas
		case data:
			if k.Value != "$ref" && !strings.HasPrefix(k.Value, "x-") {
				out[k.Value] = value(v)
			}
		case dropped:
		}
	}
	b.relaxRequired(n, out)
	relaxPatterns(out)
	if b.im.old {
		return modernise(n, out)
	}
	return out
}

// define makes sure that a reference's target is in defs and returns the
// reference to it there.
func (b *builder) define(ref string) string {
	name, known := b.names[ref]
	if !known {
		name = identifier(unescape(ref[strings.LastIndexByte(ref, '/')+1:]))
		for b.taken[name] {
			name += "_"
		}
		b.names[ref], b.taken[name] = name, true
		b.defs[name] = b.convert(b.im.target(ref))
	}
	return "#/$defs/" + name
}

// relaxRequired: a property that is readOnly need not be sent even when it is
// listed as required (OpenAPI 3.0, Schema Object, readOnly).
func (b *builder) relaxRequired(n *yaml.Node, out map[string]any) {
	required, _ := out["required"].([]any)
	properties := member(n, "properties")
	if required == nil || properties == nil {
		return
	}
	kept := make([]any, 0, len(required))
	for _, name := range required {
		text, _ := name.(string)
		p := member(properties, text)
		if !isTrue(member(p, "readOnly")) && !isTrue(member(b.im.follow(p), "readOnly")) {
			kept = append(kept, name)
		}
	}
	out["required"] = kept
}

func isTrue(n *yaml.Node) bool {
	return n != nil && n.Tag == "!!bool" && strings.EqualFold(n.Value, "true")
}

// relaxPatterns leaves out patterns that the linear-time matcher does not know,
// such as look-aheads: a check left to the upstream beats a refused document.
func relaxPatterns(out map[string]any) {
	if p, ok := out["pattern"].(string); ok {
		if _, err := regexp.Compile(p); err != nil {
			delete(out, "pattern")
			out["$comment"] = "left to the upstream: pattern " + p
		}
	}
	byPattern, _ := out["patternProperties"].(map[string]any)
	for p := range byPattern {
		if _, err := regexp.Compile(p); err != nil {
			delete(byPattern, p)
			// Names that it let through must not be refused by the rest.
			delete(out, "additionalProperties")
			delete(out, "unevaluatedProperties")
		}
	}
}

// modernise turns what the dialect of 3.0 says otherwise into 2020-12.
func modernise(n *yaml.Node, out map[string]any) any {
	for bound, exclusive := range map[string]string{"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"} {
		flag, ok := out[exclusive].(bool)
		if !ok {
			continue
		}
		delete(out, exclusive)
		if limit, ok := out[bound]; flag && ok {
			delete(out, bound)
			out[exclusive] = limit
		}
	}
	if !isTrue(member(n, "nullable")) {
		return out
	}
	kind, typed := out["type"].(string)
	_, enumerated := out["enum"]
	if typed && !enumerated {
		out["type"] = []any{kind, "null"}
		return out
	}
	return map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}
}

// value is what encoding/json makes of the same value, numbers as json.Number,
// so that nothing is lost of them.
func value(n *yaml.Node) any {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.MappingNode:
		object := map[string]any{}
		for k, v := range members(n) {
			object[k.Value] = value(v)
		}
		return object
	case n.Kind == yaml.SequenceNode:
		array := make([]any, 0, len(n.Content))
		for _, v := range n.Content {
			array = append(array, value(v))
		}
		return array
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
		var number any
		if n.Decode(&number) == nil {
			return json.Number(fmt.Sprint(number))
		}
	}
	return n.Value
}
