package sandbox_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/sandbox"
)

// Clients as the APIs' own pages on errors advise them, with the faults that the
// samples there have, meet what those faults come to: the statuses of the calls
// that they made, and how they ended.
func TestSampleClients(t *testing.T) {
	t.Parallel()
	python, err := filepath.Abs("../.tools/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("the Python clients are not installed, run scripts/ensure.sh e2e: %v", err)
	}
	for program, want := range samples {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			api, language, _ := strings.Cut(program, "_client.")
			s := sandbox.Start(t, api, sandbox.Options{Logger: slog.New(slog.DiscardHandler)})
			in, err := json.Marshal(map[string]any{"base": s.URL, "origin": s.Origin, "keys": s.Keys(), "unit": 5})
			if err != nil {
				t.Fatal(err)
			}
			interpreter := map[string]string{"mjs": "node", "py": python}[language]
			cmd := exec.CommandContext(t.Context(), interpreter, program)
			cmd.Dir, cmd.Env = "testdata/samples", append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			var stdout, stderr bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			var got map[string]string
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, &stdout)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-expected +seen):\n%s", diff)
			}
		})
	}
}

// samples are what each program sees; a call without an answer has the status 0.
var samples = map[string]map[string]string{
	"heppu_client.mjs": {
		"a list":                              "200: 0",
		"what is not there, without a status": "404 404 404: Error", // a client's error, repeated
		"what is not there, with a status":    "404: Refused 404 resource_not_found",
		"a key that is none":                  "401: Refused 401 invalid_api_key",
		"an agent of nothing":                 "400: Refused 400 invalid_request",
		"no retries wanted":                   "500 500 500 500: Refused 500 internal_error", // 0 is taken for nothing said
		"a proxy's page":                      "502 502 502 502: SyntaxError",                // the status is lost
		"an answer that is lost":              "0 409: Refused 409 resource_conflict",        // it was made, and looks as if not
		"thirty refusals, without a bound":    "31 calls: fine",
		"a minute to wait":                    "429 429 429 429: Refused 429 string", // and not waited, nor a number
		"a call that is lost":                 "0 201: fine",
		"how often it rang":                   "200: 2",
		"two hundred at once":                 "500 calls: 100 in, 100 rate_limit_exceeded", // each refused one four times
	},
	"heppu_client.py": {
		"a list":             "200: 0",
		"a key that is none": "401: HTTPError",
		"a proxy's page":     "502: JSONDecodeError",
	},
	"jobs_client.mjs": {
		"a job":                  "202: pending",
		"a job of nothing":       "400 400 400: Error HTTP 400", // a client's error, repeated
		"a key that is none":     "401 401 401: Error HTTP 401",
		"what fails for good":    "500 500 500: Error", // by its status it is repeated, by its code it should not be
		"unavailable":            "503 503 503: Error", // neither status nor code is left
		"an answer that is lost": "0 202: pending",
		"jobs of it":             "200: 2",
	},
	"jobs_client.py": {
		"a job":            "202 202 202: Exception", // done three times, and called a failure
		"jobs of it":       "200: 3",
		"a job of nothing": "400 400 400: HTTPError",
		"unavailable":      "503 503 503: Exception",
	},
	"aionvision_client.py": {
		"a list":                  "200: 0",
		"a file that is stored":   "201: Refused without a code", // called a failure
		"the same again":          "409: Refused HTTP_409",
		"what is not there":       "404: Refused HTTP_404",
		"a file that is deleted":  "204: JSONDecodeError",
		"too many calls":          "429 429 429: GivenUp", // neither status nor code is left
		"a date to wait for":      "429: ValueError",
		"a month that is used up": "429 429 429: GivenUp", // by its status it is repeated, by its code it should not be
		"a provider that is away": "503 503 503: GivenUp",
		"a lost connection":       "0: ConnectionError", // not repeated
	},
	"hebbrix_client.py": {
		"a memory":                      "201: fine",
		"a revoked key":                 "401 401 401 401 401: AuthenticationError 401 invalid_api_key", // its base class is caught
		"a minute to wait":              "429 429 429 429 429: RateLimitError 429 rate_limit_exceeded",  // and not waited
		"done, and said to have failed": "500 500 201: fine",
		"memories of it":                "200: 3",       // no key protects them
		"a lost connection":             "0: ReadError", // no error of the client's, and not repeated
	},
}
