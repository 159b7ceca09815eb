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
	data, err := os.ReadFile(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noContract(nameOrFile)
	}
	if err != nil {
		return nil, hinted(fmt.Errorf("contract: %w", err), "check the path and its permissions")
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
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, hinted(fmt.Errorf("openapi: %w", err), "check the path and its permissions")
	}
	return openapi.Import(file, data)
}

func noContract(name string) error {
	if strings.ContainsAny(name, `/\.`) {
		return hinted(fmt.Errorf("there is no file %s", name), "failwell contract init "+name+" writes a first contract")
	}
	return hinted(fmt.Errorf("there is no built-in contract %q, and no such file", name), contract.DidYouMean(name, builtin.Names()))
}
