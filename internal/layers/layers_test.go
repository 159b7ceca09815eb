// Package layers holds no code: its test keeps the module's imports in order.
// docs/design.md argues the layers; this is where they are enforced.
package layers

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/failwell/failwell"

// layer is what one package may import of this module, and why no more. Test
// files are free: a test may well put two siblings together.
type layer struct {
	// may lists folders of this module; "." is the root package and "x/..."
	// means x and all below it.
	may []string
	// never lists packages from outside of this module, "x/..." as above.
	never []string
	why   string
}

// everything below the root package, drivers of stores apart.
var beneath = []string{"contract/...", "store", "store/meter", "admission", "record", "internal/failpoint"}

// layers has a row for each folder of Go code, also for those still to come.
var layers = map[string]layer{
	"contract/condition": {
		why:   "the vocabulary is what everything shares: it stands on nothing, so that anything can import it",
		never: []string{"net/...", "os/..."},
	},
	"contract/hint": {
		may:   []string{"contract/condition"},
		why:   "reading a wait out of a response is arithmetic on text; it needs no contract",
		never: []string{"os/..."},
	},
	"contract/guess": {
		may:   []string{"contract/condition", "contract/hint"},
		why:   "it reads bodies of APIs that have no contract, so it cannot need one",
		never: []string{"os/..."},
	},
	"contract": {
		may: []string{"contract/condition", "contract/hint", "contract/guess", "contract/builtin"},
		why: "a contract is a value that is read; who enforces it, stores for it or serves it is above",
	},
	"contract/builtin": {
		may: []string{"contract", "contract/condition"},
		why: "the embedded contracts are data for the package above them",
	},
	"contract/compat": {
		may: []string{"contract", "contract/condition"},
		why: "what a change means follows from two contracts alone, so that a program of somebody else's can ask as well",
	},
	"contract/openapi": {
		may: []string{"contract", "contract/condition"},
		why: "it turns an OpenAPI file into operations of a contract, and keeps that large dependency out of package contract",
	},
	"store": {
		why:   "a store keeps bytes under keys; it must not know what they mean, or every driver has to",
		never: []string{"net/http"},
	},
	"store/meter": {
		why:   "the arithmetic of limits is plain data, so that a store can decide by itself without knowing a plan",
		never: []string{"net/...", "os/..."},
	},
	"store/redisstore": {
		may: []string{"store", "store/meter"},
		why: "a driver knows the interfaces that it satisfies, nothing else",
	},
	"store/pgstore": {
		may: []string{"store", "store/meter"},
		why: "a driver knows the interfaces that it satisfies, nothing else",
	},
	"store/pebblestore": {
		may: []string{"store"},
		why: "a driver knows the interface that it satisfies, nothing else",
	},
	"store/meter/metertest": {
		may: []string{"store", "store/meter", "store/storetest"},
		why: "the suite that whoever keeps limits must pass cannot favour one; it shares its clock with that of the stores",
	},
	"internal/servers": {
		why: "it starts databases and services for tests and knows nothing of who talks to them",
	},
	"internal/browser": {
		why: "it opens pages for tests and knows nothing of who serves them",
	},
	"internal/sandboxtest": {
		may: []string{"contract/...", "sandbox", "sandbox/fault"},
		why: "it calls stand-ins from outside, as a client does, and cannot favour one",
	},
	"internal/crash": {
		may: []string{"internal/servers", "internal/failpoint"},
		why: "it attacks the built binary from outside and judges by what it sees, so it must not share code with what it judges",
	},
	"internal/failpoint": {
		why: "points at which a crash campaign ends the process; without its build tag it is empty",
	},
	"store/storetest": {
		may: []string{"store", "store/meter"},
		why: "the suite that each driver must pass cannot favour one",
	},
	"admission": {
		may:   []string{"contract/...", "store", "store/meter", "internal/failpoint"},
		never: []string{"net/http", "net/http/..."},
		why:   "it decides over a plain Call, so that a front end other than net/http can stand beside Guard without touching a rule",
	},
	"record": {
		may:   []string{"contract/condition", "store"},
		never: []string{"net/..."},
		why:   "what is kept of a request is plain data, so that a console, a command and a program of somebody else's can read it",
	},
	".": {
		may:   beneath,
		never: []string{"github.com/prometheus/...", "go.opentelemetry.io/..."},
		why:   "the user's front door: it must not pull in a proxy, a sandbox, a database or somebody's telemetry",
	},
	"failwelltest": {
		may: []string{".", "contract/..."},
		why: "tests of users' clients stand on the client and the contract; an API that keeps state is the sandbox",
	},
	"failwellprom": {
		may: []string{"."},
		why: "an adapter of the client to Prometheus, so that the client does not need it",
	},
	"failwellotel": {
		may: []string{"."},
		why: "an adapter of the client to OpenTelemetry, so that the client does not need it",
	},
	"gateway": {
		may: append([]string{"."}, beneath...),
		why: "the gateway is the library's first customer and may use only what every customer can",
	},
	"sandbox": {
		may: append([]string{".", "sandbox/..."}, beneath...),
		why: "a stand-in for an API is a server like any other; the gateway in front of it is somebody else's decision",
	},
	"sandbox/stand": {
		may: append([]string{"."}, beneath...),
		why: "the ground under all stand-ins cannot know one of them",
	},
	"sandbox/fault": {
		may: append([]string{"."}, beneath...),
		why: "what goes wrong on purpose is no API's business, and must not be reachable from outside of a sandbox",
	},
	"sandbox/hume": {
		may: append([]string{".", "sandbox/stand"}, beneath...),
		why: "a stand-in knows its own API and no other",
	},
	"sandbox/jobs": {
		may: append([]string{".", "sandbox/stand"}, beneath...),
		why: "a stand-in knows its own API and no other",
	},
	"sandbox/heppu": {
		may: append([]string{".", "sandbox/stand"}, beneath...),
		why: "a stand-in knows its own API and no other",
	},
	"sandbox/aionvision": {
		may: append([]string{".", "sandbox/stand"}, beneath...),
		why: "a stand-in knows its own API and no other",
	},
	"sandbox/hebbrix": {
		may: append([]string{".", "sandbox/stand"}, beneath...),
		why: "a stand-in knows its own API and no other",
	},
	"conform": {
		may:   []string{"contract"},
		never: []string{"net/http", "net/http/..."},
		why:   "rules, findings and reports are plain data, the same for whatever was checked",
	},
	"conform/server": {
		may: []string{"conform", "contract", "contract/condition", "contract/hint"},
		why: "it checks any server, so it must not share code with those that it checks",
	},
	"conform/client": {
		may: []string{"conform", "contract", "contract/condition", "contract/hint"},
		why: "it judges programs by what they send; a client of our own in it would be measured by itself",
	},
	"conform/vectors": {
		may: []string{"contract", "contract/builtin", "contract/condition"},
		why: "it judges clients in any language, so it must not contain one",
	},
	"gen": {
		may: []string{"contract/..."},
		why: "what is generated follows from the contract alone; reading more would let documents say what nothing obeys",
	},
	"gen/docs": {
		may: []string{"contract/...", "gen"},
		why: "the reference says what the contract says, and calls things what generated clients call them",
	},
	"gen/monitor": {
		may: []string{"contract/...", "gen"},
		why: "rules and dashboards follow from the contract; that their metrics are the gateway's is for a test to see",
	},
	"gen/openapi": {
		may: []string{"contract/...", "gen"},
		why: "it writes documents that contract/openapi reads, and must not need its large dependency for that",
	},
	"console": {
		may: []string{"contract/...", "record"},
		why: "it shows what it is given, contracts and records; where they are kept is for others, so that it can be served beside anything",
	},
	"cmd/failwell": {
		may: []string{"./..."},
		why: "the binary wires all the parts, and is the only importer of store drivers",
	},
	"bench": {
		may: []string{"internal/servers"},
		why: "it measures the built binary from outside, as a user runs it",
	},
	"bench/bareproxy": {
		why: "the yardstick must not contain what it measures",
	},
	"internal/layers": {
		why: "it reads the others' imports and needs none of them",
	},
}

// owners are large dependencies that only one package may pull in, so that who
// imports the library does not get them all.
var owners = map[string]string{
	"github.com/cockroachdb/pebble": "store/pebblestore",
	"github.com/redis/rueidis":      "store/redisstore",
	"github.com/jackc/pgx":          "store/pgstore",
	"github.com/alecthomas/kong":    "cmd/failwell",
	"github.com/getkin/kin-openapi": "contract/openapi",
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	found := imports(t, "../..")
	if _, ok := found["contract/condition"]; !ok {
		t.Fatalf("the tree was not read as expected; packages found: %v", slices.Sorted(maps.Keys(found)))
	}
	for _, problem := range check(found) {
		t.Error(problem)
	}
}

// TestCheckSeesBreaches feeds the checker one breach of each kind.
func TestCheckSeesBreaches(t *testing.T) {
	t.Parallel()
	in := func(folder string) string { return path.Join(module, folder) }
	for name, c := range map[string]struct {
		folder, imported string
		want             string // part of the problem; "" when there is none
	}{
		"upward":              {"contract", in("store"), "contract imports store"},
		"sibling":             {"gateway", in("sandbox"), "gateway imports sandbox"},
		"driver above":        {".", in("store/pebblestore"), "imports store/pebblestore"},
		"driver from driver":  {"store/redisstore", in("store/pebblestore"), "imports store/pebblestore"},
		"net/http":            {"admission", "net/http", "admission imports net/http"},
		"below net/http":      {"admission", "net/http/httptest", "admission imports net/http/httptest"},
		"no row":              {"surprise", "fmt", `no row for "surprise"`},
		"owned":               {"gateway", "github.com/alecthomas/kong", "only cmd/failwell"},
		"owned, version path": {"store", "github.com/cockroachdb/pebble/v2/vfs", "only store/pebblestore"},
		"down":                {"gateway", in("contract/hint"), ""},
		"root":                {"gateway", module, ""},
		"wired":               {"cmd/failwell", in("store/pebblestore"), ""},
		"owner":               {"store/pebblestore", "github.com/cockroachdb/pebble/v2", ""},
		"url parsing":         {"admission", "net/url", ""},
		"like a name":         {"store", "net/httpx", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(check(map[string][]string{c.folder: {c.imported}}), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%s importing %s: got %q, want a problem with %q", c.folder, c.imported, got, c.want)
			}
		})
	}
}

// check returns what is wrong with found, which maps folders to what their
// packages import.
func check(found map[string][]string) []string {
	var problems []string
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		row, ok := layers[folder]
		if !ok {
			problems = append(problems, fmt.Sprintf("no row for %q: add one to layers in internal/layers/layers_test.go, "+
				"with what it may import and why no more; a new top-level folder also earns a paragraph in docs/design.md", folder))
			continue
		}
		for _, imported := range found[folder] {
			if problem := row.breach(folder, imported); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return problems
}

func (l layer) breach(folder, imported string) string {
	if below, ok := strings.CutPrefix(imported+"/", module+"/"); ok {
		target := cmp.Or(strings.TrimSuffix(below, "/"), ".")
		if !slices.ContainsFunc(l.may, func(p string) bool { return matches(p, target) }) {
			return fmt.Sprintf("%s imports %s; it may import %q, because %s", folder, target, l.may, l.why)
		}
		return ""
	}
	if slices.ContainsFunc(l.never, func(p string) bool { return matches(p, imported) }) {
		return fmt.Sprintf("%s imports %s; it must not, because %s", folder, imported, l.why)
	}
	for dependency, owner := range owners {
		if matches(dependency+"/...", imported) && folder != owner {
			return fmt.Sprintf("%s imports %s; only %s may, so that others do not carry it", folder, imported, owner)
		}
	}
	return ""
}

func matches(pattern, target string) bool {
	if pattern == "./..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return target == base || strings.HasPrefix(target, base+"/")
	}
	return target == pattern
}

// imports maps each folder with Go files to what they import, tests left out.
// It reads every file, whatever its build constraints.
func imports(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if base := path.Base(name); name != "." && (base == "testdata" || base == "node_modules" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			// A module below this one answers for its own imports.
			if _, err := os.Stat(filepath.Join(root, name, "go.mod")); name != "." && err == nil {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		folder := path.Dir(name)
		list := found[folder]
		if !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
			if err != nil {
				return fmt.Errorf("reading imports: %w", err)
			}
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				list = append(list, imported)
			}
		}
		found[folder] = slices.Compact(slices.Sorted(slices.Values(list)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
