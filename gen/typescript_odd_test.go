package gen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// TestTypeScriptOfOddNames generates from a contract whose names and texts are
// hard to write, and whose API key stands in the URL.
func TestTypeScriptOfOddNames(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/odd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "\nauth: {schemes: [{in: query, name: pass}]}\n"...)
	text = []byte(strings.Replace(string(text), "A meaning that", "*/ A meaning that", 1))
	c, err := contract.Parse("odd.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	files, err := gen.TypeScript(c, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFiles(t, dir, files)
	run(t, dir, tool(t, "prettier"), "--check", "--log-level=warn", "*.{json,md}", "src/*.ts")
	run(t, dir, tool(t, "tsc"))

	const use = `
import { Client, codes, conditions, OddConflictError, OddShopError, OddTimeoutError } from "./dist/index.js";
const answer = (status, body) => new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
const standard = (code, message) => ({
  ok: false, nothing: null, number: 0, request_id: "r1", error: { code, message },
  text: "it's \"quoted\" \\ and a very long literal that does not fit into a line of eighty-eight characters",
});
let asked;
const client = new Client({ apiKey: "s3cr3t value", fetch: async (url) => { asked = url; return answer(400, standard(0, "Tabs\tand")); } });
const error = await client.fetch("/things?page=2").catch((e) => e);
const own = error instanceof codes.Code && error instanceof conditions.RequestMalformed && error instanceof OddShopError;
console.log(asked, error.url, error.known, error.code, own, error instanceof OddConflictError || error instanceof OddTimeoutError);
`
	if err := os.WriteFile(filepath.Join(dir, "use.mjs"), []byte(use), 0o600); err != nil {
		t.Fatal(err)
	}
	got := strings.TrimSpace(run(t, dir, "node", "use.mjs"))
	const want = "https://odd.example/v2/things?page=2&pass=s3cr3t+value https://odd.example/v2/things?page=2&pass=redacted code 0 true false"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
