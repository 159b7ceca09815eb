package gateway

import (
	"cmp"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object in the making; encoding/json sorts its members.
type object = map[string]any

// openAPI describes the admin API. It is made from the table that is served, and
// from the types that are sent, so that it cannot fall behind them.
func (a *admin) openAPI(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, describeAPI(a.all(), a.gateway.config.Version))
}

func describeAPI(routes []route, version string) object {
	d := &description{schemas: object{}}
	paths := object{}
	for i := range routes {
		method, path, _ := strings.Cut(routes[i].pattern, " ")
		of, ok := paths[path].(object)
		if !ok {
			of = object{}
			paths[path] = of
		}
		of[strings.ToLower(method)] = d.operation(&routes[i], method, path)
	}
	d.schemas["Problem"] = object{
		"type": "object", "required": []string{"type", "title", "status", "code"},
		"properties": object{
			"type": text("URI reference of the kind of problem."), "title": text("What kind of problem it is."), "status": object{"type": "integer"},
			"detail": text("What is wrong this time."), "code": text("The kind of problem in one word, to decide by."), "request_id": text("The id of the request, also in X-Request-ID."),
			"instance": text("The request as a URI."), "retry_after": object{"type": "integer", "description": "Seconds to wait before another try."},
			"errors": object{"type": "array", "items": object{"type": "object"}},
		},
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "failwell admin API", "version": cmp.Or(version, "unknown"), "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What operators do to a gateway. Errors are problem details (RFC 9457), as failwell's contract `problem` has them. " +
				"A token has the role read, which sees everything, or operate, which changes things too; every change is in the audit log.",
		},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas":         d.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "The token that the gateway leaves in a file for the user who runs it, or one of /v1/tokens."}},
			"responses": object{
				"Problem": object{"description": "A problem.", "content": object{"application/problem+json": object{"schema": reference("Problem")}}},
			},
		},
	}
}

func text(doc string) object { return object{"type": "string", "description": doc} }

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// description collects the schemas that operations use.
type description struct{ schemas object }

func (d *description) operation(x *route, method, path string) object {
	parameters := []object{}
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters = append(parameters, object{"in": "path", "name": strings.TrimSuffix(name, "}"), "required": true, "schema": object{"type": "string"}})
		}
	}
	add := func(in string, list []parameter) {
		for _, p := range list {
			parameters = append(parameters, object{"in": in, "name": p.name, "required": p.required, "description": p.doc, "schema": object{"type": p.kind}})
		}
	}
	add("query", x.query)
	add("header", x.header)
	success := object{"description": "It is done."}
	switch {
	case x.mediaType != "":
		success["content"] = object{x.mediaType: object{"schema": object{"type": "string"}}}
	case x.out != nil:
		success["content"] = object{"application/json": object{"schema": d.schema(reflect.TypeOf(x.out))}}
	}
	op := object{
		"operationId": operationName(method, path), "summary": x.summary, "parameters": parameters,
		"responses": object{strconv.Itoa(cmp.Or(x.status, http.StatusOK)): success, "default": object{"$ref": "#/components/responses/Problem"}},
		"security":  []object{},
	}
	if x.more != "" {
		op["description"] = x.more
	}
	if x.role != "" {
		op["security"] = []object{{"token": []string{}}}
		op["x-role"] = x.role
	}
	if x.changes != "" {
		op["x-audited-as"] = x.changes
	}
	if x.in != nil {
		op["requestBody"] = object{"required": !x.spared, "content": object{"application/json": object{"schema": d.schema(reflect.TypeOf(x.in))}}}
	}
	return op
}

// operationName is, for example, "get-keys-id" for GET /v1/keys/{id}.
func operationName(method, path string) string {
	words := []string{strings.ToLower(method)}
	for part := range strings.SplitSeq(path, "/") {
		if part = strings.Trim(part, "{}"); part != "" && part != "v1" {
			words = append(words, strings.ReplaceAll(part, ".", "-"))
		}
	}
	return strings.Join(words, "-")
}

// schema describes the JSON of a type. Structs with a name become components.
func (d *description) schema(t reflect.Type) any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return object{"type": "integer", "description": "Nanoseconds."}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
		if _, known := d.schemas[name]; !known {
			d.schemas[name] = nil // a type that holds itself ends here
			members, required := object{}, []string{}
			d.members(t, members, &required)
			d.schemas[name] = object{"type": "object", "properties": members, "required": required}
		}
		return reference(name)
	default:
		return true // anything
	}
}

func (d *description) members(t reflect.Type, into object, required *[]string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			d.members(f.Type, into, required)
			continue
		case name == "-" || !f.IsExported():
			continue
		}
		name = cmp.Or(name, f.Name)
		into[name] = d.schema(f.Type)
		if !strings.Contains(options, "omit") {
			*required = append(*required, name)
		}
	}
}
