package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/openapi"
)

// loadContract finds a contract by its built-in name or as a file. A file wins
// over a name only when it is written as a path, as in ./heppu.
func loadContract(nameOrFile string) (*contract.Contract, error) {
	if slices.Contains(builtin.Names(), nameOrFile) {
		return builtin.Get(nameOrFile)
	}
	data, err := readFile("contract", nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noContract(nameOrFile)
	}
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(nameOrFile)
	return contract.Source{
		Name: nameOrFile, Data: data, Files: os.DirFS(dir),
		OpenAPI: func(name string, document []byte) ([]*contract.Operation, error) {
			return openapi.Import(filepath.Join(dir, name), document)
		},
	}.Parse()
}

// loadOperations reads an OpenAPI file.
func loadOperations(file string) ([]*contract.Operation, error) {
	data, err := readFile("openapi", file)
	if err != nil {
		return nil, err
	}
	return openapi.Import(file, data)
}

// readFile reads a contract or an OpenAPI document, up to the length that those
// may have.
func readFile(what, name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", what, err), "check the path and its permissions")
	}
	defer func() { _ = file.Close() }() // nothing was written
	data, err := contract.ReadFile(file)
	switch {
	case errors.Is(err, contract.ErrDirectory):
		return nil, hinted(fmt.Errorf("%s: %s is a directory", what, name), "name a file in it")
	case errors.Is(err, contract.ErrDevice):
		return nil, hinted(fmt.Errorf("%s: %s is a device", what, name), "name a file, or pipe it in as /dev/stdin")
	case err != nil:
		return nil, hinted(fmt.Errorf("%s: %s: %w", what, name, err), "check the path and its permissions")
	}
	return data, nil
}

func noContract(name string) error {
	if strings.ContainsAny(name, `/\.`) {
		return hinted(fmt.Errorf("there is no file %s", name), "failwell contract init "+name+" writes a first contract")
	}
	return hinted(fmt.Errorf("there is no built-in contract %q, and no such file", name), contract.DidYouMean(name, builtin.Names()))
}
