//go:build unix

package failpoint_test

import (
	"bufio"
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/failwell/failwell/internal/failpoint"
)

// probe builds testdata/probe.
func probe(t *testing.T, flags ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "probe")
	args := append([]string{"build", "-o", name}, flags...)
	if out, err := exec.CommandContext(t.Context(), "go", append(args, "./testdata/probe")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

var instruction = regexp.MustCompile(`(?m)^\s+\S+:\d+\s+0x[0-9a-f]+\s+[0-9a-f]+\s+(\S+)`)

// edges returns the instructions of the probe's function that passes a point.
func edges(t *testing.T, binary string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "objdump", "-s", `^main\.edge$`, binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, match := range instruction.FindAllSubmatch(out, -1) {
		if op := string(match[1]); op != "INT" { // padding
			list = append(list, op)
		}
	}
	return list
}

// Without the tag a point is no instruction at all, with it there is a call.
func TestCostsNothing(t *testing.T) {
	t.Parallel()
	without := edges(t, probe(t))
	if len(without) == 0 || slices.ContainsFunc(without, func(op string) bool { return op != "RET" && !strings.HasPrefix(op, "NOP") }) {
		t.Errorf("a point costs %q", without)
	}
	if with := edges(t, probe(t, "-tags", "failpoints")); !slices.Contains(with, "CALL") {
		t.Errorf("with the tag there is no call: %q", with)
	}
}

// run starts the probe with a point armed. It returns how often it passed, what
// it said on stderr and how it ended.
func run(t *testing.T, binary, armed string) (passed int, said string, end syscall.WaitStatus) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), failpoint.Variable+"="+armed)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return strings.Count(out.String(), "passed"), errs.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestKills(t *testing.T) {
	t.Parallel()
	binary := probe(t, "-tags", "failpoints")
	for armed, want := range map[string]int{"completing": 0, "completing:1": 0, "completing:3": 2, "completing:4:kill": 3} {
		passed, said, end := run(t, binary, armed)
		if passed != want || !end.Signaled() || end.Signal() != syscall.SIGKILL || !strings.HasPrefix(said, "failpoint: completing, ") {
			t.Errorf("%s: passed %d times, ended with %v, said %q", armed, passed, end, said)
		}
	}
	for _, armed := range []string{"", "completed", "completing:6"} {
		if passed, said, end := run(t, binary, armed); passed != 5 || end.ExitStatus() != 0 || said != "" {
			t.Errorf("%q: passed %d times, ended with %v, said %q", armed, passed, end, said)
		}
	}
	for armed, want := range map[string]string{
		"nowhere": "there is no point", "completing:x": "no number", "completing:0": "no number", "completing:1:maim": "no action",
	} {
		if passed, said, end := run(t, binary, armed); passed != 0 || end.ExitStatus() == 0 || !strings.Contains(said, want) {
			t.Errorf("%q: passed %d times, ended with %v, said %q", armed, passed, end, said)
		}
	}
}

// A process that is stopped at a point goes on there.
func TestStalls(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), probe(t, "-tags", "failpoints"))
	cmd.Env = append(os.Environ(), failpoint.Variable+"=completing:2:stall")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(errs).ReadString('\n'); err != nil || !strings.HasPrefix(said, "failpoint: completing, stopped") {
		t.Fatalf("said %q, %v", said, err)
	}
	var status syscall.WaitStatus
	_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	for errors.Is(err, syscall.EINTR) {
		_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	}
	if err != nil || !status.Stopped() {
		t.Fatalf("it is not stopped: %v, %v", status, err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	lines := 0
	for scan := bufio.NewScanner(out); scan.Scan(); {
		lines++
	}
	if err := cmd.Wait(); err != nil || lines != 5 {
		t.Errorf("passed %d times, ended with %v", lines, err)
	}
}

// TestPoints: every constant is listed, once, and stands in the product.
func TestPoints(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "failpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if kind, ok := value.Type.(*ast.Ident); ok && kind.Name == "Point" {
				declared[value.Names[0].Name] = true
			}
		}
	}
	if len(declared) != len(failpoint.Points()) {
		t.Errorf("%d points are declared, %d listed", len(declared), len(failpoint.Points()))
	}
	seen := map[failpoint.Point]bool{}
	for _, p := range failpoint.Points() {
		if seen[p] {
			t.Errorf("%s is listed twice", p)
		}
		seen[p] = true
	}
	for name := range declared {
		if !hit(t, name) {
			t.Errorf("nothing in the product hits failpoint.%s", name)
		}
	}
}

func hit(t *testing.T, name string) bool {
	t.Helper()
	found, use := false, regexp.MustCompile(`failpoint\.`+name+`\b`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || found {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); base == "internal" || base == "testdata" || base != ".." && base[0] == '.' {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		found = found || use.Match(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
