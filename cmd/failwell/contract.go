package main

import (
	"context"

	"github.com/failwell/failwell/contract"
)

type contractCmd struct {
	Show   contractShowCmd   `cmd:"" help:"Show what a contract promises."`
	Lint   contractLintCmd   `cmd:"" help:"Check contracts and list all that is wrong."`
	Init   contractInitCmd   `cmd:"" help:"Write a first contract to start from."`
	Diff   contractDiffCmd   `cmd:"" help:"Tell what a change means to those who call the API."`
	Lock   contractLockCmd   `cmd:"" help:"Keep what a contract promises in a lock file, and hold the contract to it."`
	Schema contractSchemaCmd `cmd:"" help:"Print the JSON Schema of the contract format, for editors."`
}

type contractSchemaCmd struct {
	JSON bool `help:"Print JSON, as is done anyway."`
}

// Run prints the schema.
func (*contractSchemaCmd) Run(_ context.Context, c *console) error {
	return c.print(string(contract.Schema()))
}
