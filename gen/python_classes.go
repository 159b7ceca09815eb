package gen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// PythonNames are the names of a generated Python package, for whoever writes of
// it. Codes and conditions have modules of their own, so that their names clash
// neither with each other nor with the classes of the API's document.
type PythonNames struct {
	// Package is what is imported, Distribution what is installed.
	Package, Distribution string
	// Root is the class of all errors.
	Root string
	// Codes maps names of the catalogue to classes of the module codes.
	Codes map[string]string
	// Conditions maps conditions to classes of the module conditions.
	Conditions map[condition.Condition]string
}

// NamesInPython names what [Python] makes.
func NamesInPython(c *contract.Contract, opts Options) PythonNames {
	n := PythonNames{Package: opts.Package, Root: rootOf(c), Codes: map[string]string{}, Conditions: map[condition.Condition]string{}}
	if n.Package == "" {
		// Many an API's own client has the bare name.
		n.Package = strings.Join(append(words(c.API), "client"), "_")
	}
	n.Package = strings.ReplaceAll(n.Package, "-", "_")
	n.Distribution = strings.ReplaceAll(n.Package, "_", "-")
	taken := reservedInPython(n.Root, "Code")
	for _, code := range c.Codes {
		n.Codes[code.Name] = free(Pascal(code.Name), taken)
	}
	taken = reservedInPython(n.Root, "Condition")
	for _, e := range condition.All() {
		n.Conditions[e.Condition] = free(Pascal(string(e.Condition)), taken)
	}
	return n
}

func reservedInPython(more ...string) map[string]bool {
	taken := map[string]bool{"None": true, "True": true, "False": true, "Final": true, "Literal": true, "Mapping": true, "CallError": true}
	for _, name := range more {
		taken[name] = true
	}
	return taken
}

// free is a name that nobody has yet.
func free(name string, taken map[string]bool) string {
	out := name
	for i := 2; taken[out]; i++ {
		if out = name + "Error"; i > 2 {
			out = name + strconv.Itoa(i-1)
		}
	}
	taken[out] = true
	return out
}

// classesFor are the documented classes of languages. Where the document has
// none for them, those of others are better than names of our own.
func classesFor(c *contract.Contract, languages ...string) []contract.Class {
	var own []contract.Class
	for _, x := range c.Client.Classes {
		if len(x.Languages) == 0 || slices.ContainsFunc(x.Languages, func(l string) bool { return slices.Contains(languages, l) }) {
			own = append(own, x)
		}
	}
	if own == nil {
		return c.Client.Classes
	}
	return own
}

// rootOf is the class that all errors derive from: the document's first.
func rootOf(c *contract.Contract) string {
	for _, x := range classesFor(c, "python") {
		if x.Base == "" {
			return x.Name
		}
	}
	return Pascal(c.API) + "Error"
}

// pythonErrors is the module of the classes that the document names.
func pythonErrors(c *contract.Contract, n PythonNames) string {
	var b strings.Builder
	b.WriteString(`"""The classes that the API's document names, and how they are chosen."""

from __future__ import annotations

from ._errors import CallError


class ` + n.Root + "(CallError):\n" + pythonDoc(1, "A call to "+either(c.Title, c.API)+" failed.") + "\n\n")
	made := []string{n.Root}
	var rows []string
	for _, x := range classesFor(c, "python") {
		if x.Name == n.Root {
			continue
		}
		base := n.Root
		if slices.Contains(made, x.Base) {
			base = x.Base
		}
		made = append(made, x.Name)
		fmt.Fprintf(&b, "class %s(%s):\n%s\n\n", x.Name, base, pythonDoc(1, classDoc(&x)))
		rows = append(rows, fmt.Sprintf("(%s, %s, %s)", x.Name, pythonRanges(x.Statuses), pythonTuple(pythonConditions(x.Conditions))))
	}
	b.WriteString("ROOT: type[CallError] = " + n.Root + "\n\n")
	b.WriteString("_Row = tuple[type[CallError], tuple[tuple[int, int], ...], tuple[str, ...]]\n")
	const table = "_ROWS: tuple[_Row, ...] = "
	b.WriteString(table + pythonTupleLines(rows, len(table)) + "\n")
	b.WriteString(`

def classes_for(condition: str, status: int, timed_out: bool) -> list[type[CallError]]:
    """Return the classes for a failure; status is 0 when no response came.

    A class that the document gives neither a status nor a condition is for calls
    that ran out of time on this side.
    """
    found = []
    for kind, statuses, conditions in _ROWS:
        if not statuses and not conditions:
            fits = timed_out
        else:
            fits = condition in conditions or any(
                low <= status <= high for low, high in statuses
            )
        if fits:
            found.append(kind)
    return found or [ROOT]
`)
	return b.String()
}

func classDoc(x *contract.Class) string {
	var when []string
	for _, r := range x.Statuses {
		switch {
		case r.From == r.To:
			when = append(when, strconv.Itoa(r.From))
		case r.From%100 == 0 && r.To == r.From+99:
			when = append(when, strconv.Itoa(r.From/100)+"xx")
		default:
			when = append(when, fmt.Sprintf("%d to %d", r.From, r.To))
		}
	}
	if when != nil {
		return "The API answered with status " + strings.Join(when, " or ") + "."
	}
	for _, of := range x.Conditions {
		when = append(when, string(of))
	}
	if when != nil {
		return "What happened is " + strings.Join(when, " or ") + "."
	}
	return "The call ran out of time on this side."
}

func pythonRanges(all []contract.StatusRange) string {
	parts := make([]string, len(all))
	for i, r := range all {
		parts[i] = fmt.Sprintf("(%d, %d)", r.From, r.To)
	}
	return pythonTuple(parts)
}

func pythonConditions(all []condition.Condition) []string {
	parts := make([]string, len(all))
	for i, of := range all {
		parts[i] = pythonString(string(of))
	}
	return parts
}

func pythonTuple(parts []string) string {
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// pythonTupleLines has an element on each line, where one line is too short for all.
func pythonTupleLines(parts []string, before int) string {
	if flat := pythonTuple(parts); before+utf8.RuneCountInString(flat) <= pythonWidth {
		return flat
	}
	return "(\n    " + strings.Join(parts, ",\n    ") + ",\n)"
}

// pythonCodes is the module with a class for each code.
func pythonCodes(c *contract.Contract, n PythonNames) string {
	var b strings.Builder
	b.WriteString("\"\"\"A class for each code of the catalogue.\"\"\"\n\nfrom __future__ import annotations\n\n")
	b.WriteString("from collections.abc import Mapping\nfrom typing import Literal\n\nfrom ._errors import CallError\nfrom .errors import " + n.Root + "\n\n")
	names, rows := make([]string, 0, len(c.Codes)), make([]string, 0, len(c.Codes))
	for _, code := range c.Codes {
		names = append(names, pythonString(code.Name))
		rows = append(rows, pythonString(code.Name)+": "+n.Codes[code.Name])
	}
	b.WriteString("Code = Literal[\n    " + strings.Join(names, ",\n    ") + ",\n]\n\"\"\"The catalogue's entries.\"\"\"\n\n\n")
	for _, code := range c.Codes {
		x := c.Explain(code)
		fmt.Fprintf(&b, "class %s(%s):\n%s", n.Codes[code.Name], n.Root, pythonDoc(1, codeDoc(code, &x)...))
		if x.Remedy != "" {
			b.WriteString("\n    remedy = " + pythonFolded(x.Remedy, len("    remedy = ")) + "\n")
		}
		b.WriteString("\n\n")
	}
	b.WriteString("CLASSES: Mapping[str, type[CallError]] = {\n    " + strings.Join(rows, ",\n    ") + ",\n}\n")
	return b.String()
}

// codeDoc is what the contract says of a code, as paragraphs.
func codeDoc(code *contract.Code, x *contract.Explanation) []string {
	sent := "Sent as " + "``" + code.Wire + "``" + " with status " + strconv.Itoa(code.Status) + "."
	if code.Wire == "" {
		sent = "Sent without a code, with status " + strconv.Itoa(code.Status) + "."
	}
	paragraphs := []string{sentence(x.Meaning), sent}
	if x.Cause != "" {
		paragraphs = append(paragraphs, "Cause: "+x.Cause)
	}
	if x.Remedy != "" {
		paragraphs = append(paragraphs, "Remedy: "+x.Remedy)
	}
	paragraphs = append(paragraphs, "Again: "+adviceInWords(x.Retry))
	if code.Deprecated != "" {
		paragraphs = append(paragraphs, "Deprecated: "+code.Deprecated)
	}
	return paragraphs
}

// adviceInWords is retry advice as a sentence.
func adviceInWords(r condition.Retry) string {
	switch r {
	case condition.AfterWait:
		return "once the wait that the server asks for is over."
	case condition.Backoff:
		return "after a growing wait."
	case condition.SameKey:
		return "a write only under the same idempotency key."
	case condition.NewKey:
		return "only under a fresh idempotency key."
	case condition.AfterAction:
		return "once somebody has acted."
	default:
		return "never; the same call cannot succeed."
	}
}

// sentence is never empty, since it opens a docstring.
func sentence(s string) string {
	if s == "" {
		return "The call failed."
	}
	return s
}

// pythonConditionModule is the module with a class for each condition.
func pythonConditionModule(n PythonNames) string {
	var b strings.Builder
	b.WriteString("\"\"\"A class for each condition: what happened, in words that all APIs share.\"\"\"\n\nfrom __future__ import annotations\n\n")
	b.WriteString("from collections.abc import Mapping\nfrom typing import Literal\n\nfrom ._errors import CallError\nfrom .errors import " + n.Root + "\n\n")
	vocabulary := condition.All()
	names, rows := make([]string, 0, len(vocabulary)), make([]string, 0, len(vocabulary))
	for _, e := range vocabulary {
		names = append(names, pythonString(string(e.Condition)))
		rows = append(rows, pythonString(string(e.Condition))+": "+n.Conditions[e.Condition])
	}
	b.WriteString("Condition = Literal[\n    " + strings.Join(names, ",\n    ") + ",\n]\n\n\n")
	for _, e := range vocabulary {
		fmt.Fprintf(&b, "class %s(%s):\n%s\n    remedy = %s\n\n\n", n.Conditions[e.Condition], n.Root,
			pythonDoc(1, e.Meaning), pythonFolded(e.Remedy, len("    remedy = ")))
	}
	b.WriteString("CLASSES: Mapping[str, type[CallError]] = {\n    " + strings.Join(rows, ",\n    ") + ",\n}\n")
	return b.String()
}

// pythonDoc is a docstring of paragraphs, at a depth of indentation.
func pythonDoc(depth int, paragraphs ...string) string {
	lead := strings.Repeat("    ", depth)
	escape := strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`)
	var lines []string
	for i, p := range paragraphs {
		if i > 0 {
			lines = append(lines, "")
		}
		first := 0
		if i == 0 {
			first = 3
		}
		lines = append(lines, folded(escape.Replace(p), pythonWidth-len(lead), first)...)
	}
	if strings.HasPrefix(lines[0], `"`) {
		lines[0] = " " + lines[0]
	}
	if len(lines) == 1 && len(lead)+utf8.RuneCountInString(lines[0])+6 > pythonWidth {
		lines = folded(lines[0], pythonWidth-len(lead), 6)
	}
	if len(lines) == 1 {
		if strings.HasSuffix(lines[0], `"`) || strings.HasSuffix(lines[0], `\`) {
			lines[0] += " "
		}
		return lead + `"""` + lines[0] + `"""` + "\n"
	}
	out := lead + `"""` + strings.Join(lines, "\n"+lead) + "\n" + lead + `"""` + "\n"
	return strings.ReplaceAll(out, "\n"+lead+"\n", "\n\n")
}

// folded breaks text into lines; the first has less room.
func folded(text string, width, less int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		room := width
		if lines == nil {
			room -= less
		}
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// pythonFolded is a string that is written over several lines where it has to be.
func pythonFolded(text string, before int) string {
	if flat := pythonString(text); before+utf8.RuneCountInString(flat) <= pythonWidth {
		return flat
	}
	if flat := pythonString(text); 8+utf8.RuneCountInString(flat) <= pythonWidth {
		return "(\n        " + flat + "\n    )"
	}
	parts := folded(text, pythonWidth-12, 0)
	for i := range parts {
		if i+1 < len(parts) {
			parts[i] += " "
		}
		parts[i] = "        " + pythonString(parts[i])
	}
	return "(\n" + strings.Join(parts, "\n") + "\n    )"
}
