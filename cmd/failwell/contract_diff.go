package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/compat"
)

type contractDiffCmd struct {
	Old      string `arg:""                                                    help:"What was promised: a built-in name, a contract or a lock file." name:"old"`
	New      string `arg:""                                                    help:"What is to be promised: the same."                              name:"new"`
	Format   string `default:"text"                                            enum:"text,json,markdown"                                             help:"text, json or markdown (for a pull request) (${default})." placeholder:"FORMAT"`
	JSON     bool   `help:"Print JSON."`
	ExitCode bool   `help:"End with status 1 if a change is breaking, for CI."`
	Strict   bool   `help:"With --exit-code: risky ones count as well."`
}

func (*contractDiffCmd) Help() string {
	return `Each change is one of these:

  breaking   who did as the old contract says is refused, or does it wrong
  risky      who did as it says gets by, but may notice
  safe       all that was promised still holds

For example:

  failwell contract diff shop.lock.yaml shop.yaml --exit-code`
}

// Run prints what changed, worst first.
func (x *contractDiffCmd) Run(_ context.Context, c *console) error {
	old, err := loadPromises(x.Old)
	if err != nil {
		return err
	}
	now, err := loadPromises(x.New)
	if err != nil {
		return err
	}
	found := compat.Diff(old, now)
	switch {
	case x.JSON || x.Format == "json":
		err = c.json(diffView(now.API, found))
	case x.Format == "markdown":
		err = c.print(diffMarkdown(now.API, found))
	default:
		err = c.diff(found)
	}
	if err != nil {
		return err
	}
	if worst := compat.Worst(found); x.ExitCode && (worst == compat.Breaking || x.Strict && worst == compat.Risky) {
		return fmt.Errorf("%s breaks what %s promised: %s", x.New, x.Old, diffCounts(found))
	}
	return nil
}

// loadPromises reads a contract or a lock file.
func loadPromises(nameOrFile string) (*compat.Promises, error) {
	info, err := os.Stat(nameOrFile)
	if err == nil && info.Mode().IsRegular() && !slices.Contains(builtin.Names(), nameOrFile) {
		data, err := readFile("contract", nameOrFile)
		switch {
		case err != nil:
			return nil, err
		case compat.IsLock(data):
			return compat.Read(nameOrFile, data)
		}
	}
	c, err := loadContract(nameOrFile)
	if err != nil {
		return nil, err
	}
	return compat.Of(c), nil
}

var diffClasses = []compat.Class{compat.Breaking, compat.Risky, compat.Safe}

// diffCounts is how many there are of each class.
func diffCounts(found []compat.Finding) string {
	var parts []string
	for _, class := range diffClasses {
		if n := compat.Count(found, class); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	if parts == nil {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

// diff prints findings for people. What is safe needs no reason.
func (c *console) diff(found []compat.Finding) error {
	p := c.painterFor(c.stdout)
	paint := map[compat.Class]func(string) string{compat.Breaking: p.bad, compat.Risky: p.bold, compat.Safe: p.good}
	var b strings.Builder
	for _, class := range diffClasses {
		if compat.Count(found, class) == 0 {
			continue
		}
		b.WriteString(paint[class](string(class)) + "\n")
		for i := range found {
			f := &found[i]
			if f.Class != class {
				continue
			}
			fmt.Fprintf(&b, "  %s %s\n", p.faint(fmt.Sprintf("%s:%d:", f.Pos.File, f.Pos.Line)), f.Sentence())
			if class == compat.Safe {
				continue
			}
			for _, row := range [][2]string{{"why", f.Why}, {"do ", f.Do}} {
				for n, line := range broken(row[1], p.columns()-9) {
					label := row[0]
					if n > 0 {
						label = "   "
					}
					b.WriteString("    " + p.faint(label) + "  " + line + "\n")
				}
			}
		}
		b.WriteString("\n")
	}
	return c.print(b.String() + diffCounts(found) + "\n")
}

type diffJSON struct {
	API      string        `json:"api"`
	Breaking int           `json:"breaking"`
	Risky    int           `json:"risky"`
	Safe     int           `json:"safe"`
	Findings []findingJSON `json:"findings"`
}

type findingJSON struct {
	Rule     string   `json:"rule"`
	Class    string   `json:"class"`
	Subjects []string `json:"subjects"`
	What     string   `json:"what"`
	Why      string   `json:"why"`
	Do       string   `json:"do,omitempty"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
}

func diffView(api string, found []compat.Finding) diffJSON {
	out := diffJSON{api, compat.Count(found, compat.Breaking), compat.Count(found, compat.Risky), compat.Count(found, compat.Safe), []findingJSON{}}
	for _, f := range found {
		out.Findings = append(out.Findings, findingJSON{f.ID, string(f.Class), f.Subjects, f.What, f.Why, f.Do, f.Pos.File, f.Pos.Line})
	}
	return out
}

// diffMarkdown is a comment for a pull request.
func diffMarkdown(api string, found []compat.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### How `%s` fails: %s\n", api, diffCounts(found))
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	for _, class := range diffClasses {
		if compat.Count(found, class) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n**%s**\n\n| Where | Change | Why | What to do |\n|---|---|---|---|\n", class)
		for i := range found {
			if f := &found[i]; f.Class == class {
				fmt.Fprintf(&b, "| `%s:%d` | %s | %s | %s |\n", f.Pos.File, f.Pos.Line, cell.Replace(f.Sentence()), f.Why, f.Do)
			}
		}
	}
	return b.String()
}
