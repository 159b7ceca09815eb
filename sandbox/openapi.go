package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox/stand"
)

// openAPIPath is where the stand-in describes itself.
const openAPIPath = "/openapi.json"

// object is a JSON object in the making; encoding/json sorts its members.
type object = map[string]any

// OpenAPI is an OpenAPI 3.1 document of the stand-in: its operations with their
// schemas, and every way in which they fail. Of successes it says which status
// they have, and which calls take what they hold: the contract does not know
// their form.
func (s *Sandbox) OpenAPI(origin string) ([]byte, error) {
	failures, err := s.failures()
	if err != nil {
		return nil, err
	}
	paths := object{}
	for _, o := range s.contract.Operations {
		path, ok := paths[o.Path].(object)
		if !ok {
			path = object{}
			paths[o.Path] = path
		}
		path[strings.ToLower(o.Method)] = s.operation(o, failures)
	}
	schemes, security := s.security()
	return json.MarshalIndent(object{ //nolint:wrapcheck // what cannot be encoded is a bug of the contract's schemas; the type says which
		"openapi":    "3.1.0",
		"info":       object{"title": cmp.Or(s.contract.Title, s.contract.API) + " (sandbox)", "version": "1", "description": "A stand-in made by failwell. Its keys are below /_sandbox/."},
		"servers":    []any{object{"url": origin}},
		"security":   security,
		"paths":      paths,
		"components": object{"securitySchemes": schemes},
	}, "", " ")
}

func (s *Sandbox) showOpenAPI(w http.ResponseWriter, r *http.Request) {
	text, err := s.OpenAPI("http://" + r.Host)
	if err != nil {
		s.live.Load().world.Guard.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the reader is gone when this fails
}

func (s *Sandbox) security() (schemes object, one []object) {
	schemes = object{}
	for i, scheme := range s.contract.Auth.Schemes {
		name := "key" + strconv.Itoa(i+1)
		if strings.EqualFold(strings.TrimSpace(scheme.Prefix), "bearer") && strings.EqualFold(scheme.Name, "Authorization") {
			schemes[name] = object{"type": "http", "scheme": "bearer"}
		} else {
			schemes[name] = object{"type": "apiKey", "in": scheme.In, "name": scheme.Name}
		}
		one = append(one, object{name: []string{}})
	}
	return schemes, one
}

func (s *Sandbox) operation(o *contract.Operation, failures []failure) object {
	more := s.live.Load().more[o.ID]
	out := object{"operationId": o.ID, "summary": o.Summary}
	if o.Public {
		out["security"] = []object{}
	}
	parameters := make([]object, 0, len(o.Parameters))
	for _, p := range o.Parameters {
		x := object{"in": p.In, "name": p.Name, "required": p.Required || p.In == "path"}
		if schema := both(p.Schema, more.Parameters[p.Name]); schema != nil {
			x["schema"] = schema
		}
		parameters = append(parameters, x)
	}
	if len(parameters) > 0 {
		out["parameters"] = parameters
	}
	if o.Body != nil || len(o.MediaTypes) > 0 {
		content := object{}
		mediaTypes := o.MediaTypes
		if len(mediaTypes) == 0 {
			mediaTypes = []string{"application/json"}
		}
		for _, mediaType := range mediaTypes {
			content[mediaType] = body(o, mediaType, &more)
		}
		_, form := more.Bodies["multipart/form-data"]
		out["requestBody"] = object{"required": o.BodyRequired || form && len(content) == 1, "content": content}
	}
	responses := s.successes(o, &more)
	for status, all := range byStatus(failures, o.ID) {
		responses[status] = all
	}
	out["responses"] = responses
	return out
}

// successes are the answers of an operation that is done, and what their members
// are good for. Of their form the contract says nothing.
func (s *Sandbox) successes(o *contract.Operation, more *stand.Description) object {
	done := more.Done
	if len(done) == 0 {
		done = []int{http.StatusOK}
		if o.Method == http.MethodDelete {
			done = []int{http.StatusNoContent}
		}
	}
	out := object{}
	for _, status := range done {
		answer := object{"description": http.StatusText(status)}
		links := object{}
		for _, l := range more.Links {
			links[l.Operation] = object{"operationId": l.Operation, "parameters": object{l.Parameter: "$response.body#" + l.Member}}
		}
		if len(links) > 0 {
			answer["links"] = links
		}
		out[strconv.Itoa(status)] = answer
	}
	return out
}

// both is a schema of what fits two others; nil stands for one that is not there.
func both(a, b any) any {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return object{"allOf": []any{a, b}}
}

// body is what the contract's schema says, and what the stand-in does.
func body(o *contract.Operation, mediaType string, more *stand.Description) object {
	own := more.Bodies[mediaType]
	out := object{"schema": both(o.Body, own)}
	if mediaType == "multipart/form-data" { // the contract's schema is of JSON
		out["schema"] = own
		if more.Parts != nil {
			out["encoding"] = more.Parts
		}
	}
	if out["schema"] == nil {
		out["schema"] = true
	}
	if o.Sample != nil && mediaType == "application/json" {
		out["example"] = o.Sample
	}
	return out
}

// failure is what a code looks like under one status.
type failure struct {
	code      *contract.Code
	status    int
	mediaType string
	schema    json.RawMessage
	example   any
}

// failures renders every code under every status that it can have.
func (s *Sandbox) failures() (out []failure, err error) {
	for _, code := range s.contract.Codes {
		statuses := []int{code.Status}
		for _, m := range code.Is {
			if m.Status != 0 && !slices.Contains(statuses, m.Status) {
				statuses = append(statuses, m.Status)
			}
		}
		for _, status := range statuses {
			full := s.contract.SampleFailure(code)
			full.Status, full.Condition = status, code.Condition(status)
			f := failure{code: code, status: status}
			if f.schema, err = withoutTuples(s.contract.ErrorSchema(code.Envelope, code)); err != nil {
				return nil, fmt.Errorf("openapi: %s: %w", code.Name, err)
			}
			if f.mediaType, err = s.render(&full, &f.example); err != nil {
				return nil, fmt.Errorf("openapi: %s: %w", code.Name, err)
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// withoutTuples is a schema whose lists allow at any place what it asks for at
// one: programs that read OpenAPI, schemathesis among them, fail over prefixItems
// in answers.
func withoutTuples(schema []byte) (json.RawMessage, error) {
	var value any
	if err := json.Unmarshal(schema, &value); err != nil {
		return nil, err //nolint:wrapcheck // failures says of which code
	}
	var widen func(value any)
	widen = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, member := range v {
				widen(member)
			}
		case object:
			for _, member := range v {
				widen(member)
			}
			if places, ok := v["prefixItems"].([]any); ok {
				if rest, ok := v["items"]; ok {
					places = append(places, rest)
				}
				delete(v, "prefixItems")
				v["items"] = object{"anyOf": places}
			}
		}
	}
	widen(value)
	return json.Marshal(value) //nolint:wrapcheck // as above
}

func (s *Sandbox) render(f *contract.Failure, into any) (mediaType string, err error) {
	text, _, mediaType := s.contract.AppendError(nil, f)
	return mediaType, json.NewDecoder(bytes.NewReader(text)).Decode(into) //nolint:wrapcheck // failures says of which code
}

// byStatus gathers what can go wrong in an operation.
func byStatus(failures []failure, operation string) map[string]object {
	type group struct {
		names   []string
		content map[string][]failure
	}
	groups := map[int]*group{}
	for _, f := range failures {
		if len(f.code.Operations) > 0 && !slices.Contains(f.code.Operations, operation) {
			continue
		}
		g := groups[f.status]
		if g == nil {
			g = &group{content: map[string][]failure{}}
			groups[f.status] = g
		}
		g.names = append(g.names, f.code.Name)
		g.content[f.mediaType] = append(g.content[f.mediaType], f)
	}
	out := map[string]object{}
	for status, g := range groups {
		content := object{}
		for mediaType, all := range g.content {
			var forms []any
			examples := object{}
			seen := map[string]bool{}
			for _, f := range all {
				examples[f.code.Name] = object{"value": f.example}
				if !seen[string(f.schema)] {
					seen[string(f.schema)] = true
					forms = append(forms, f.schema)
				}
			}
			content[mediaType] = object{"schema": object{"anyOf": forms}, "examples": examples}
		}
		out[strconv.Itoa(status)] = object{"description": strings.Join(g.names, ", "), "content": content}
	}
	return out
}
