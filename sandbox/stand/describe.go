package stand

import "regexp"

// Description is what a stand-in says of an operation beside its contract, for
// whoever writes or makes up calls from its OpenAPI document.
type Description struct {
	// Bodies are JSON Schemas by media type, to be met beside the contract's: rules
	// that are told by another code than a schema's, and forms, of which contracts
	// say nothing. What they accept is accepted; they may leave out what is
	// accepted besides.
	Bodies map[string]any
	// Parts are Encoding Objects of OpenAPI by the name of a form's part.
	Parts map[string]any
	// Parameters are such schemas by name.
	Parameters map[string]any
	// Done are the statuses of success. None means 204 for DELETE, and 200.
	Done []int
	// Links are the calls that take something out of a success.
	Links []Link
}

// Link says that a parameter of an operation is a member of an answer.
type Link struct {
	// Member is a JSON pointer into the answer.
	Member string
	// Operation is the id of the one that takes it, as the parameter of that name.
	Operation, Parameter string
}

// To makes links to operations that take the same member as the same parameter.
func To(member, parameter string, operations ...string) []Link {
	links := make([]Link, 0, len(operations))
	for _, o := range operations {
		links = append(links, Link{member, o, parameter})
	}
	return links
}

// JSON is a body of JSON whose members are as the schemas say; some are required.
func JSON(members map[string]any, required ...string) map[string]any {
	schema := map[string]any{"properties": members}
	if len(required) > 0 {
		schema["required"] = required
	}
	return map[string]any{"application/json": schema}
}

// fieldName is what names of a form's fields look like.
var fieldName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// IsFieldName reports whether a part of a form may have that name; one without a
// name is not of a form.
func IsFieldName(name string) bool { return fieldName.MatchString(name) }

// Form is a form with those fields, some of which are required, and whatever else
// IsFieldName allows.
func Form(fields map[string]any, required ...string) map[string]any {
	return map[string]any{"multipart/form-data": map[string]any{
		"type": "object", "required": required, "propertyNames": map[string]any{"pattern": fieldName.String()}, "properties": fields,
	}}
}

// Printable is a JSON Schema of what may stand in names of keys.
func Printable() map[string]any {
	return map[string]any{"pattern": `^[ \p{L}\p{M}\p{N}\p{P}\p{S}]*$`}
}

// Filled is a JSON Schema of texts that are not blank; nothing else, as null, is
// one.
func Filled() map[string]any {
	return map[string]any{"type": "string", "pattern": `\S`}
}
