package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/gen"
)

// transport is a program that leaves all to failwell.Transport.
func transport(file, method string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return complain(err)
	}
	c, err := contract.Parse(file, data)
	if err != nil {
		return complain(err)
	}
	client := &http.Client{Transport: &failwell.Transport{Contract: c}}
	req, err := http.NewRequestWithContext(context.Background(), method, os.Getenv("FAILWELL_URL")+"/notes", strings.NewReader(`{"text":"hello"}`))
	if err != nil {
		return complain(err)
	}
	scheme := c.Auth.Schemes[0]
	req.Header.Set(scheme.Name, scheme.Prefix+os.Getenv("FAILWELL_KEY"))
	resp, err := client.Do(req)
	if err := failwell.Check(resp, err); err != nil {
		if e, ok := errors.AsType[*failwell.Error](err); ok {
			fmt.Fprintln(os.Stderr, "request id:", e.RequestID)
		}
		return complain(err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return complain(err)
}

func complain(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

const typeScriptProgram = `
import { Client } from "./dist/index.js";
const client = new Client({ baseURL: process.argv[2], apiKey: process.env.FAILWELL_KEY });
try {
  console.log(JSON.stringify(await client.json("POST", "/notes", { text: "hello" })));
} catch (error) {
  console.error(String(error), error.requestId);
  process.exitCode = 1;
}
`

const pythonProgram = `
import os, sys
from swift_client import Client, SwiftError
client = Client(sys.argv[1], headers={"X-Api-Key": os.environ["FAILWELL_KEY"]})
try:
    print(client.post("/notes", json={"text": "hello"}).json())
except SwiftError as error:
    sys.exit(f"{error} {error.request_id}")
`

func write(t *testing.T, dir string, files ...gen.File) {
	t.Helper()
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Our own clients keep every rule.
func TestOwnClients(t *testing.T) {
	c := swift(t)
	file, err := filepath.Abs("testdata/swift.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		for _, method := range []string{"POST", "GET"} {
			report, err := Check(t.Context(), Config{Contract: c, Command: []string{os.Args[0]}, Env: []string{"CHECKED_TRANSPORT=" + file, "CHECKED_METHOD=" + method}})
			if err != nil {
				t.Fatal(err)
			}
			if broken := brokenBy(report); broken != nil {
				show(t, report)
				t.Errorf("%s: broken: %v", method, broken)
			}
		}
	})
	t.Run("TypeScript", func(t *testing.T) {
		t.Parallel()
		files, err := gen.TypeScript(c, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, dir, append(files, gen.File{Name: "call.mjs", Data: []byte(typeScriptProgram)})...)
		tsc, err := filepath.Abs("../../.tools/node/node_modules/.bin/tsc")
		if err != nil {
			t.Fatal(err)
		}
		build := exec.CommandContext(t.Context(), tsc)
		build.Dir = dir
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\nhint: scripts/ensure.sh e2e installs TypeScript", err, out)
		}
		clean(t, "node", filepath.Join(dir, "call.mjs"), "{url}")
	})
	t.Run("Python", func(t *testing.T) {
		t.Parallel()
		files, err := gen.Python(c, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, dir, append(files, gen.File{Name: "call.py", Data: []byte(pythonProgram)})...)
		clean(t, python(t), filepath.Join(dir, "call.py"), "{url}")
	})
}

// The same for the contracts that are built in, but for the scenarios that last as
// long as their waits do.
func TestOwnClientOfBuiltinContracts(t *testing.T) {
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := builtin.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			file, err := filepath.Abs("../../contract/builtin/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			method := http.MethodGet
			if c.Idempotency.Header != "" {
				method = http.MethodPost
			}
			var scenarios []string
			for _, s := range Scenarios(c) {
				if s.Name != "down" && s.Name != "dead" && s.Name != "refused" && s.Name != "created" {
					scenarios = append(scenarios, s.Name)
				}
			}
			report, err := Check(t.Context(), Config{
				Contract: c, Command: []string{os.Args[0]}, Env: []string{"CHECKED_TRANSPORT=" + file, "CHECKED_METHOD=" + method}, Scenarios: scenarios,
			})
			if err != nil {
				t.Fatal(err)
			}
			if broken := brokenBy(report); broken != nil {
				show(t, report)
				t.Errorf("broken: %v", broken)
			}
		})
	}
}

func clean(t *testing.T, command ...string) {
	t.Helper()
	report := checked(t, command)
	if broken := brokenBy(report); broken != nil {
		show(t, report)
		t.Errorf("broken: %v", broken)
	}
	if report.Checked() < 15 {
		t.Errorf("only %d rules were checked", report.Checked())
	}
}
