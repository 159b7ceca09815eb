// Package builtin holds the contracts that failwell knows from the start: five
// APIs that document their failures, and problem details (RFC 9457) for a new one.
//
// The contracts are embedded, parsed on first use and then shared; all
// functions are safe for concurrent use.
package builtin

import (
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/failwell/failwell/contract"
)

//go:embed *.yaml
var files embed.FS

// parsed lists the contracts in the order in which they are shown.
var parsed = []struct {
	name string
	get  func() (*contract.Contract, error)
}{
	{"hume", once("hume")},
	{"jobs", once("jobs")},
	{"heppu", once("heppu")},
	{"aionvision", once("aionvision")},
	{"hebbrix", once("hebbrix")},
	{"problem", once("problem")},
}

func once(name string) func() (*contract.Contract, error) {
	return sync.OnceValues(func() (*contract.Contract, error) {
		c, err := contract.ReadFrom(files, name+".yaml", nil)
		if err != nil {
			return nil, fmt.Errorf("builtin: %w", err)
		}
		return c, nil
	})
}

// Names lists the built-in contracts. The slice is the caller's.
func Names() []string {
	names := make([]string, len(parsed))
	for i := range parsed {
		names[i] = parsed[i].name
	}
	return names
}

// Get returns the built-in contract of that name. The error of an unknown name
// lists the known ones.
func Get(name string) (*contract.Contract, error) {
	for i := range parsed {
		if parsed[i].name == name {
			return parsed[i].get()
		}
	}
	return nil, fmt.Errorf("builtin: there is no contract %q, known are %s", name, strings.Join(Names(), ", "))
}

// Source returns the YAML of a built-in contract, as a start for one's own. The
// slice is the caller's.
func Source(name string) ([]byte, error) {
	data, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("builtin: there is no contract %q, known are %s", name, strings.Join(Names(), ", "))
	}
	return data, nil
}
