package openapi

import (
	"mime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

// readBody takes over the media types and, of the JSON one, the schema and an
// example that keeps it.
func (im *importer) readBody(o *contract.Operation, at place) {
	if at.op.RequestBody == nil || at.op.RequestBody.Value == nil {
		return
	}
	o.BodyRequired = at.op.RequestBody.Value.Required
	var chosen, form *yaml.Node
	for k, v := range members(im.at(at.node, "requestBody", "content")) {
		name, _, err := mime.ParseMediaType(k.Value)
		if err != nil {
			im.fault(k, "write one such as application/json", "%q is not a media type", k.Value)
			continue
		}
		o.MediaTypes = append(o.MediaTypes, name)
		if isJSON(name) && (chosen == nil || name == "application/json") {
			chosen = im.follow(v)
		}
		if contract.IsForm(name) && form == nil {
			form = im.follow(v)
		}
	}
	if slices.Contains(o.MediaTypes, "*/*") {
		o.MediaTypes = nil
	}
	if schema := member(form, "schema"); schema != nil {
		o.Form = im.schema(schema)
	}
	schema := member(chosen, "schema")
	if schema == nil {
		return
	}
	o.Body = im.schema(schema)
	for _, sample := range im.samples(chosen, im.follow(schema)) {
		if data := value(sample); keeps(o.Body, data) {
			o.Sample = data
			break
		}
	}
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") || mediaType == "*/*"
}

// samples lists the places where an example of a body may stand.
func (im *importer) samples(media, schema *yaml.Node) []*yaml.Node {
	var found []*yaml.Node
	add := func(n *yaml.Node) {
		if n != nil {
			found = append(found, n)
		}
	}
	add(member(media, "example"))
	for _, v := range members(member(media, "examples")) {
		add(member(im.follow(v), "value"))
	}
	add(member(schema, "example"))
	if list := member(schema, "examples"); list != nil && list.Kind == yaml.SequenceNode {
		found = append(found, list.Content...)
	}
	return found
}
