package contract

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ExtensionPrefix begins the members of an OpenAPI operation that say what
// OpenAPI has no word for: x-failwell-max-body stands for max_body, and so on.
const ExtensionPrefix = "x-failwell-"

// spokenByOpenAPI are keys of an operation for which OpenAPI has words of its
// own. An extension must not say them a second time.
var spokenByOpenAPI = map[string]string{
	"id":            "operationId",
	"summary":       "summary",
	"body":          "requestBody",
	"body_required": "requestBody.required",
	"form":          "requestBody.content",
	"parameters":    "parameters",
	"media_types":   "requestBody.content",
}

// Extend reads the members of an OpenAPI operation that begin with
// [ExtensionPrefix] into o, by the rules that the contract file has for the
// same keys; other members are left alone. file is for messages.
//
// The faults are in the order of the members; none means that all were read.
func (o *Operation) Extend(file string, members *yaml.Node) Faults {
	p := &parser{file: file}
	words := map[string]string{}
	for _, k := range operationSection.keys {
		if word := spokenByOpenAPI[k.name]; word == "" {
			words[ExtensionPrefix+strings.ReplaceAll(k.name, "_", "-")] = k.name
		}
	}
	p.pairs(members, "an operation", func(k, v *yaml.Node) {
		if !strings.HasPrefix(k.Value, ExtensionPrefix) {
			return
		}
		name, ok := words[k.Value]
		if !ok {
			p.faultAt(k, extensionHint(k.Value, words), "an operation has no extension %q", k.Value)
			return
		}
		i := slices.IndexFunc(operationSection.keys, func(c key[Operation]) bool { return c.name == name })
		operationSection.keys[i].read(p, v, o)
	})
	return p.faults
}

func extensionHint(word string, words map[string]string) string {
	name := strings.ReplaceAll(strings.TrimPrefix(word, ExtensionPrefix), "-", "_")
	if own := spokenByOpenAPI[name]; own != "" {
		return "OpenAPI says it with " + own
	}
	known := make([]string, 0, len(words))
	for w := range words {
		known = append(known, w)
	}
	return didYouMean(word, known)
}
