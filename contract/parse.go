package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"go.yaml.in/yaml/v4"
)

// Source is where a contract is read from.
type Source struct {
	// Name of the file, for messages and for finding files beside it.
	Name string
	Data []byte
	// Files holds the files that the contract refers to; nil when it may not
	// refer to any.
	Files fs.FS
	// OpenAPI turns an OpenAPI document into operations. Nil: a contract that
	// refers to one is refused. Package contract/openapi has one.
	OpenAPI func(name string, document []byte) ([]*Operation, error)
}

// maxFile bounds a contract file in bytes.
const maxFile = 8 << 20

// Parse reads a contract and checks that it keeps what it promises. The error
// is [Faults] and lists everything that is wrong.
func Parse(name string, data []byte) (*Contract, error) {
	return Source{Name: name, Data: data}.Parse()
}

// MustParse is [Parse] for contracts that are part of a program; it panics
// with the faults.
func MustParse(data []byte) *Contract {
	c, err := Parse("contract.yaml", data)
	if err != nil {
		panic(err)
	}
	return c
}

// Parse reads the contract at the source.
func (s Source) Parse() (*Contract, error) {
	p := &parser{file: s.Name}
	top := Position{File: s.Name, Line: 1}
	if len(s.Data) > maxFile {
		p.fault(top, "split it or shorten it", "the contract is longer than 8 MiB")
		return nil, p.sorted()
	}
	var root yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(s.Data)).Decode(&root); err != nil {
		at, what := top, err.Error()
		if bad, ok := errors.AsType[*yaml.LoadError](err); ok && bad.Mark.Line > 0 {
			at.Line, what = bad.Mark.Line, bad.Message
		}
		p.fault(at, "check indentation and quotes", "not YAML: %s", what)
		return nil, p.sorted()
	}
	if len(root.Content) != 1 {
		p.fault(top, "start with \"failwell: 1\"", "the contract is empty")
		return nil, p.sorted()
	}
	if cyclic(&root, map[*yaml.Node]bool{}, new(int)) {
		p.fault(top, "write the values out", "the contract refers to itself or expands without end")
		return nil, p.sorted()
	}
	var d document
	documentSection().parse(p, root.Content[0], &d)
	c := &d.Contract
	c.File, c.lines, c.trees = s.Name, map[string]int{}, &jsonTrees{}
	indexLines(root.Content[0], "", placeDepth, c.lines)
	for _, o := range c.Operations {
		o.settleBody()
	}
	s.importOperations(p, c)
	p.settle(c)
	if len(p.faults) == 0 {
		p.validate(c)
	}
	if err := p.sorted(); err != nil {
		return nil, err
	}
	return c, nil
}

// maxNodes bounds what aliases may expand to.
const maxNodes = 1 << 20

func cyclic(n *yaml.Node, above map[*yaml.Node]bool, count *int) bool {
	*count++
	if above[n] || *count > maxNodes {
		return true
	}
	above[n] = true
	defer delete(above, n)
	if n.Alias != nil && cyclic(n.Alias, above, count) {
		return true
	}
	for _, child := range n.Content {
		if cyclic(child, above, count) {
			return true
		}
	}
	return false
}

func (s Source) importOperations(p *parser, c *Contract) {
	if c.OpenAPI == "" {
		return
	}
	at := Position{File: s.Name, Line: 1}
	if s.OpenAPI == nil || s.Files == nil {
		p.fault(at, "load the contract from a file", "openapi: %s cannot be read here", c.OpenAPI)
		return
	}
	data, err := readFrom(s.Files, path.Clean(c.OpenAPI))
	if err != nil {
		p.fault(at, "paths are relative to the contract", "openapi: %v", err)
		return
	}
	operations, err := s.OpenAPI(c.OpenAPI, data)
	if faults, ok := errors.AsType[Faults](err); ok {
		p.faults = append(p.faults, faults...) // they have places of their own
		return
	}
	if err != nil {
		p.fault(at, "", "openapi: %v", err)
		return
	}
	own := map[string]bool{}
	for _, o := range c.Operations {
		own[o.Method+" "+o.Path] = true
	}
	for _, o := range operations {
		if !own[o.Method+" "+o.Path] { // the contract's own word wins
			c.Operations = append(c.Operations, o)
		}
	}
}

// ReadFrom parses the contract in a file of files.
func ReadFrom(files fs.FS, name string, openapi func(string, []byte) ([]*Operation, error)) (*Contract, error) {
	data, err := readFrom(files, name)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return Source{Name: name, Data: data, Files: files, OpenAPI: openapi}.Parse()
}
