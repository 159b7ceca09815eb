// Package openapi turns an OpenAPI 3.0 or 3.1 document into operations of a
// contract, so that a provider who has one does not say the same thing twice.
//
// Paths get the base path of the first server and ServeMux syntax. Schemas of
// bodies and parameters become self-contained JSON Schemas (draft 2020-12). What
// OpenAPI has no word for stands in x-failwell-… members of an operation, or of
// a path item for all its operations; they obey the contract's own rules.
//
// An operation is public when its security, or else the document's, allows a
// call without credentials in so many words ([] or an empty requirement). Where
// the document is silent, a key is asked for.
//
// Nothing is fetched: a $ref that leads out of the document is a fault.
package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

// maxDocument bounds an OpenAPI document in bytes, as contracts are bounded.
const maxDocument = 8 << 20

// Import reads an OpenAPI document, JSON or YAML. name is for messages. The
// error is [contract.Faults] and lists everything that is wrong with the parts
// that are read: operations, their parameters, bodies, security and extensions.
//
// Import has the form that [contract.ReadFrom] asks for.
func Import(name string, document []byte) ([]*contract.Operation, error) {
	im := &importer{name: name, patterns: map[string]int{}}
	im.read(document)
	im.separateIDs()
	if len(im.faults) == 0 {
		return im.operations, nil
	}
	slices.SortStableFunc(im.faults, func(a, b contract.Fault) int { return cmp.Compare(a.Pos.Line, b.Pos.Line) })
	return nil, im.faults
}

// importer holds one document twice: as kin-openapi understands it, and as a
// tree of nodes, which know their lines and keep numbers and schema keywords as
// they were written.
type importer struct {
	name       string
	root       *yaml.Node
	doc        *openapi3.T
	old        bool // OpenAPI 3.0, whose schemas are a dialect of their own
	operations []*contract.Operation
	faults     contract.Faults
	patterns   map[string]int
}

func (im *importer) fault(at *yaml.Node, hint, format string, args ...any) {
	line := 1
	if at != nil {
		line = max(at.Line, 1)
	}
	im.faults = append(im.faults, contract.Fault{
		Pos: contract.Position{File: im.name, Line: line}, What: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (im *importer) read(document []byte) {
	if len(document) > maxDocument {
		im.fault(nil, "split it or shorten it", "the OpenAPI document is longer than 8 MiB")
		return
	}
	var err error
	if im.root, err = parse(document); err != nil {
		im.fault(nil, "check brackets, indentation and quotes", "the OpenAPI document is neither JSON nor YAML: %v", err)
		return
	}
	if !im.version() {
		return
	}
	im.checkRefs(im.root, "")
	im.checkExtensions()
	if len(im.faults) > 0 {
		return
	}
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = false
	if im.doc, err = loader.LoadFromData(document); err != nil {
		im.fault(nil, "check it with an OpenAPI validator", "not a usable OpenAPI document: %s", oneLine(err))
		return
	}
	im.readPaths()
}

func (im *importer) version() bool {
	if v := member(im.root, "swagger"); v != nil {
		im.fault(v, "convert the document to OpenAPI 3", "Swagger %s is not read", v.Value)
		return false
	}
	v := member(im.root, "openapi")
	if v == nil {
		im.fault(im.root, "start with \"openapi: 3.1.0\"", "the document does not say which version of OpenAPI it is")
		return false
	}
	if !strings.HasPrefix(v.Value, "3.") {
		im.fault(v, "use OpenAPI 3.0 or 3.1", "OpenAPI %s is not read", v.Value)
		return false
	}
	im.old = strings.HasPrefix(v.Value, "3.0")
	return true
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
