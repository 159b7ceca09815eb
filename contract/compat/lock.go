package compat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

// version of the form of lock files.
const version = 1

// ErrNoLock is the error of [Read] for a file that does not begin as lock files do.
var ErrNoLock = errors.New("this is no lock file of a contract")

const lockHead = "# What the contract %s has promised, so that a change that breaks it is noticed.\n" +
	"# Made by \"failwell contract lock\"; review it, do not edit it.\n"

// Lock writes the lock file. The same promises give the same bytes, whatever
// the order in the contract's file; there is neither a time nor a path in it.
func (p *Promises) Lock() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, lockHead, p.API)
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(p), e.Close()); err != nil {
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	return out.Bytes(), nil
}

// IsLock reports whether data is meant as a lock file rather than as a contract.
func IsLock(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return strings.HasPrefix(line, "lock:")
		}
	}
	return false
}

// Read reads a lock file. What it does not know is an error, for it may be a
// promise; so is a version that is not 1. Name is for messages and positions.
func Read(name string, data []byte) (*Promises, error) {
	if !IsLock(data) {
		return nil, fmt.Errorf("%s:1: %w, it should begin with \"lock: %d\"", name, ErrNoLock, version)
	}
	p := &Promises{}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the lock cannot be read: %w, make it anew with \"failwell contract lock\"", name, err)
	}
	if p.Version != version {
		return nil, fmt.Errorf("%s:1: the lock has version %d, this program knows %d, make it anew with \"failwell contract lock\"", name, p.Version, version)
	}
	if what := p.hollow(); what != "" {
		return nil, fmt.Errorf("%s: the lock cannot be read: %s, make it anew with \"failwell contract lock\"", name, what)
	}
	for _, o := range p.Operations {
		o.Body, o.Form = plain(o.Body), plain(o.Form)
		for _, x := range o.Parameters {
			x.Schema = plain(x.Schema)
		}
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("%s: the lock cannot be read: %w", name, err)
	}
	p.at = func(path ...string) contract.Position { return find(name, root.Content[0], path) }
	return p, nil
}

// hollow says which entry of a lock has been emptied by hand.
func (p *Promises) hollow() string {
	found := slices.Concat(empty("envelope", p.Envelopes), empty("error", p.Errors), empty("plan", p.Plans), empty("operation", p.Operations),
		empty("header", p.Headers.Sent), empty("class", p.Client.Classes))
	for name, x := range p.Errors {
		if x == nil {
			continue
		}
		found = append(found, empty("parameter of "+name, x.Params)...)
		if p.Envelopes[x.Envelope] == nil {
			found = append(found, fmt.Sprintf("the error %q has no envelope", name))
		}
	}
	for name, x := range p.Operations {
		if x != nil {
			found = append(found, empty("parameter of "+name, x.Parameters)...)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.Min(found)
}

func empty[V any](what string, m map[string]*V) []string {
	var found []string
	for name, x := range m {
		if x == nil {
			found = append(found, fmt.Sprintf("the %s %q is empty", what, name))
		}
	}
	return found
}

// find is the line of a key, or of what would hold it.
func find(name string, n *yaml.Node, path []string) contract.Position {
	at := contract.Position{File: name, Line: n.Line}
	for _, step := range path {
		next := -1
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				next = i
			}
		}
		if next < 0 {
			return at
		}
		at.Line = n.Content[next].Line
		n = n.Content[next+1]
	}
	return at
}

// plain is a JSON value as encoding/json reads it, numbers as int64 or
// float64, so that a contract's and a lock's are equal.
func plain(v any) any {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v) // not a JSON value: no schema of a contract
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return fmt.Sprint(v)
	}
	return numbers(out)
}

func numbers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = numbers(x[k])
		}
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		if f, err := x.Float64(); err == nil {
			if n := int64(f); float64(n) == f {
				return n // 1.0 is 1
			}
			return f
		}
		return x.String()
	}
	return v
}
