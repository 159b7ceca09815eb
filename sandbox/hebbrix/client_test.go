package hebbrix_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/sandbox"
)

// The vendor's own Python client works with the sandbox as it is. What it makes
// of errors is its own affair, and is kept here as it was seen; docs/apis.md
// tells where that is not what the API's document promises.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	venv, err := filepath.Abs("../../.tools/venv")
	if err != nil {
		t.Fatal(err)
	}
	for version, tc := range map[string]struct {
		path  string
		facts map[string]string
	}{
		"2.7.0": {"", with(inBoth, in270)},
		"2.2.0": {filepath.Join(venv, "older"), with(inBoth, in220)},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			got, facts := runClient(t, filepath.Join(venv, "bin", "python"), tc.path)
			if diff := cmp.Diff(tc.facts, facts); diff != "" || got != version {
				t.Errorf("client %s (-expected +seen):\n%s", got, diff)
			}
		})
	}
}

func runClient(t *testing.T, python, path string) (version string, facts map[string]string) {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python clients are not installed, run make test once: %v", err)
	}
	s := sandbox.Start(t, "hebbrix", sandbox.Options{Logger: slog.New(slog.DiscardHandler)})
	keys, err := json.Marshal(s.Keys())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/client.py", s.Origin)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+path)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(keys), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var got struct {
		Version string         `json:"version"`
		Facts   map[string]any `json:"facts"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &stdout)
	}
	facts = map[string]string{}
	for name, value := range got.Facts {
		facts[name] = fmt.Sprint(value)
	}
	return got.Version, facts
}

// Errors are told as class, status and code.
var (
	inBoth = map[string]string{
		"no such path":                "[NotFoundError 404 <nil>]",
		"schema":                      "[ValidationError 422 <nil>]",
		"schema: errors":              "[]",
		"tier":                        "[HebbrixError 403 <nil>]",
		"tier: upgrade_url":           "false",
		"too many calls: retry_after": "<nil>",
	}
	in270 = map[string]string{
		"absent content":     "[HebbrixError 400 invalid_request]",
		"blank content":      "[ValueError <nil> <nil>]",
		"collections.list":   "list",
		"corrupt record":     "[ServerError 500 internal_error]",
		"deleted":            "[NotFoundError 404 resource_not_found]",
		"deleted collection": "[NotFoundError 404 collection_not_found]",
		"importance":         "[HebbrixError 400 validation_error]",
		"no key":             "[AuthenticationError 401 missing_api_key]",
		"no such collection": "[NotFoundError 404 collection_not_found]",
		"no such memory":     "[NotFoundError 404 resource_not_found]",
		"permission":         "[HebbrixError 403 permission_denied]",
		"replay":             "[<nil> true]",
		"request id":         "req_",
		"schema: message":    "[{'loc': ['",
		"tier: message":      "feature_not_available",
		"too many calls":     "[RateLimitError 429 rate_limit_exceeded]",
		"unknown key":        "[AuthenticationError 401 invalid_api_key]",
		"upload":             "[HebbrixError 415 unsupported_format]",
	}
	in220 = map[string]string{
		"absent content":     "[HebbrixError 400 <nil>]",
		"blank content":      "[HebbrixError 400 <nil>]",
		"collections.list":   "dict",
		"corrupt record":     "[ServerError 500 <nil>]",
		"deleted":            "[NotFoundError 404 <nil>]",
		"deleted collection": "[NotFoundError 404 <nil>]",
		"importance":         "[HebbrixError 400 <nil>]",
		"no key":             "[AuthenticationError 401 <nil>]",
		"no such collection": "[NotFoundError 404 <nil>]",
		"no such memory":     "[NotFoundError 404 <nil>]",
		"permission":         "[HebbrixError 403 <nil>]",
		"request id":         "",
		"schema: message":    `{"detail":[`,
		"tier: message":      `{"error":"feature_not_`,
		"too many calls":     "[RateLimitError 429 <nil>]",
		"unknown key":        "[AuthenticationError 401 <nil>]",
		"upload":             "[HebbrixError 415 <nil>]",
	}
)

func with(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
