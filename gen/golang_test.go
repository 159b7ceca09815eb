package gen_test

import (
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/openapi"
	"github.com/failwell/failwell/gen"
)

// The program that uses generated packages: errors are told apart by them, on
// either end of the wire.
const goUser = `package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/failwell/failwell"
	"example.com/user/described"
	"example.com/user/heppu"
	"example.com/user/oddshop"
)

func main() {
	err := error(failwell.New(oddshop.CamelCase, nil))
	fmt.Println(errors.Is(err, oddshop.CamelCase), errors.Is(err, oddshop.CamelCase2), errors.Is(err, failwell.PermissionDenied))
	body := ` + "`" + `{"error":{"message":"m","status":401,"code":"revoked_api_key","timestamp":"2026-03-05T12:00:00Z"}}` + "`" + `
	err = failwell.CheckWith(heppu.API, &http.Response{StatusCode: 401, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil)
	fmt.Println(errors.Is(err, heppu.RevokedAPIKey), errors.Is(err, heppu.InvalidAPIKey), errors.Is(err, failwell.KeyRevoked))
	fmt.Println(described.API.Operations[0].Path, described.Gone.Status)
}
`

const described = `failwell: 1
api: described
openapi: ./api/openapi.yaml
envelopes: {standard: {body: {code: $code}}}
errors:
  gone: {status: 404, is: [resource_missing, key_unknown, permission_denied], message: Gone.}
  bad: {status: 400, is: [request_malformed, rate_limited, internal, unavailable], message: Bad.}
`

const describedBy = `openapi: 3.1.0
info: {title: Described, version: "1"}
paths: {/things: {get: {responses: {"200": {description: Fine.}}}}}
`

func TestGoPackagesCompileAndTellErrorsApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	odd, err := os.ReadFile("testdata/odd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	heppu, err := builtin.Source("heppu")
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]gen.GoSource{
		"oddshop": {Contract: odd}, "heppu": {Contract: heppu}, "described": {Contract: []byte(described), OpenAPI: []byte(describedBy)},
	} {
		files := golang(t, source)
		for _, f := range files {
			if tidy, err := format.Source(f.Data); strings.HasSuffix(f.Name, ".go") && (err != nil || cmp.Diff(string(tidy), string(f.Data)) != "") {
				t.Errorf("%s/%s is not formatted: %v", name, f.Name, err)
			}
		}
		put(t, filepath.Join(dir, name), files)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, requires, _ := strings.Cut(string(module), "\n")
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, []gen.File{
		{Name: "go.mod", Data: []byte("module example.com/user\n" + requires + "\nrequire github.com/failwell/failwell v0.0.0\nreplace github.com/failwell/failwell => " + root + "\n")},
		{Name: "go.sum", Data: sums},
		{Name: "main.go", Data: []byte(goUser)},
	})
	env := []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off"}
	command(t, dir, env, "go", "vet", "./...")
	const want = "true false true\ntrue false true\n/things 404\n" //nolint:dupword // two lines say the same
	if got := command(t, dir, env, "go", "run", "."); got != want {
		t.Errorf("the program said %q, want %q", got, want)
	}
}

// golang generates twice, since the result must not depend on chance.
func golang(t *testing.T, source gen.GoSource) []gen.File {
	t.Helper()
	files := os.DirFS(t.TempDir())
	if source.OpenAPI != nil {
		dir := t.TempDir()
		put(t, dir, []gen.File{{Name: "api/openapi.yaml", Data: source.OpenAPI}})
		files = os.DirFS(dir)
	}
	c, err := contract.Source{Name: "contract.yaml", Data: source.Contract, Files: files, OpenAPI: openapi.Import}.Parse()
	if err != nil {
		t.Fatal(err)
	}
	first, err := gen.Go(c, source, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := gen.Go(c, source, gen.Options{})
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	return first
}

func builtinContract(t *testing.T, name string) *contract.Contract {
	t.Helper()
	c, err := builtin.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
