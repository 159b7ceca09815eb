package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

const draft = "https://json-schema.org/draft/2020-12/schema"

// Schemas are JSON Schemas (draft 2020-12): one of each envelope, one of each
// code below codes/, and error.schema.json for any of the envelopes. Envelopes
// that are no JSON have none.
func Schemas(c *contract.Contract) ([]gen.File, error) {
	var files []gen.File
	add := func(name, title, about string, schema []byte) error {
		head, err := json.Marshal(struct {
			Schema      string `json:"$schema"`
			Title       string `json:"title"`
			Description string `json:"description,omitempty"`
		}{draft, title, about})
		if err != nil {
			return fmt.Errorf("schema of %s: %w", name, err)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, slices.Concat(head[:len(head)-1], []byte(","), schema[1:]), "", "  "); err != nil {
			return fmt.Errorf("schema of %s: %w", name, err)
		}
		files = append(files, gen.File{Name: name + ".schema.json", Data: append(out.Bytes(), '\n')})
		return nil
	}
	var names []string
	for _, e := range c.Envelopes {
		schema := c.ErrorSchema(e)
		if schema == nil || !slices.ContainsFunc(c.Codes, func(x *contract.Code) bool { return x.Envelope == e }) {
			continue
		}
		names = append(names, e.Name)
		if err := add(e.Name, c.API+": errors in the shape "+e.Name, "", schema); err != nil {
			return nil, err
		}
	}
	if !slices.Contains(names, "error") && len(names) > 0 {
		refs := make([]string, 0, len(names))
		for _, name := range names {
			refs = append(refs, fmt.Sprintf(`{"$ref":"%s.schema.json"}`, name))
		}
		if err := add("error", c.API+": any error", "", []byte(`{"anyOf":[`+strings.Join(refs, ",")+`]}`)); err != nil {
			return nil, err
		}
	}
	for _, code := range c.Codes {
		if schema := c.ErrorSchema(code.Envelope, code); schema != nil {
			if err := add("codes/"+code.Slug, c.API+": "+code.Error(), code.Meaning, schema); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(files, func(a, b gen.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}
