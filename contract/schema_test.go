package contract_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
)

func formatSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(contract.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(contract.SchemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(contract.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// plain turns what YAML holds into what JSON can: names are strings.
func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, x := range v {
			m[fmt.Sprint(k)] = plain(x)
		}
		return m
	case map[string]any:
		for k, x := range v {
			v[k] = plain(x)
		}
		return v
	case []any:
		for i, x := range v {
			v[i] = plain(x)
		}
		return v
	}
	return v
}

// What the parser takes, an editor that knows the schema must not underline.
func TestContractsKeepThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema := formatSchema(t)
	files, err := filepath.Glob("builtin/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no contracts found", err)
	}
	for _, file := range append(files, "testdata/shop.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(plain(v)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestThePublishedSchemaRefuses(t *testing.T) {
	t.Parallel()
	schema := formatSchema(t)
	for name, text := range map[string]string{
		"unknown key":    "failwell: 1\napi: x\nenvelopes: {}\nerrors: {}\nerorrs: {}",
		"missing key":    "failwell: 1\napi: x\nenvelopes: {}",
		"condition":      "failwell: 1\napi: x\nenvelopes: {}\nerrors: {a: {is: [rate_limitd]}}",
		"advice":         "failwell: 1\napi: x\nenvelopes: {}\nerrors: {a: {retry: sometimes}}",
		"newer format":   "failwell: 2\napi: x\nenvelopes: {}\nerrors: {}",
		"rate in a plan": "failwell: 1\napi: x\nenvelopes: {}\nerrors: {}\nplans: {free: {rate: often}}",
	} {
		var v any
		if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&v); err != nil {
			t.Fatal(err)
		}
		if schema.Validate(plain(v)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
