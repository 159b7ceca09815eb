package gen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// tsWidth is the line length of the ecosystem's formatter.
const tsWidth = 80

// typeScriptErrors is the module of the root and of the classes that the API's
// document names.
func typeScriptErrors(c *contract.Contract, n TypeScriptNames) []byte {
	var b strings.Builder
	b.WriteString(`import type { Name as Code } from "./codes.js";
import type { Name as Condition } from "./conditions.js";
import { CallError } from "./core/error.js";

` + tsDoc("A call to "+titleOf(c)+" failed.") + "export class " + n.Root + ` extends CallError {
  override name = ` + tsString(n.Root) + `;
  declare readonly known: Code | undefined;
  declare readonly condition: Condition | "";
}
`)
	made := map[string]bool{n.Root: true}
	for _, x := range classesFor(c, "typescript", "javascript") {
		if made[x.Name] {
			continue
		}
		base := n.Root
		if made[x.Base] {
			base = x.Base
		}
		made[x.Name] = true
		b.WriteString("\n" + tsDoc(classDoc(&x)) + tsClass(x.Name, base, nil, classTest(&x)))
	}
	return []byte(b.String())
}

// classTest is when a documented class stands for an error. One that has neither
// statuses nor conditions is for calls that ran out of time on this side.
func classTest(x *contract.Class) []string {
	var tests []string
	for _, r := range x.Statuses {
		if r.From == r.To {
			tests = append(tests, "error.status === "+strconv.Itoa(r.From))
		} else {
			tests = append(tests, fmt.Sprintf("(error.status >= %d && error.status <= %d)", r.From, r.To))
		}
	}
	for _, of := range x.Conditions {
		tests = append(tests, "error.condition === "+tsString(string(of)))
	}
	if tests == nil {
		return []string{`(error.origin === "client side" && error.condition === "upstream_timeout")`}
	}
	return tests
}

// tsClass is a class of errors: fields are further members, tests are joined by or.
func tsClass(name, base string, fields, tests []string) string {
	var b strings.Builder
	head := "export class " + name + " extends " + base + " {"
	if tsColumns(head) > tsWidth {
		head = "export class " + name + "\n  extends " + base + "\n{"
	}
	b.WriteString(head + "\n  override name = " + tsString(name) + ";\n")
	for _, f := range fields {
		b.WriteString("  " + f + "\n")
	}
	const indent = "    "
	test := strings.Join(tests, " || ")
	if len(tests) == 1 {
		test = strings.TrimSuffix(strings.TrimPrefix(test, "("), ")")
	}
	if tsColumns(indent+"return "+test+";") > tsWidth {
		if tsColumns(indent+"  "+test) > tsWidth {
			test = strings.Join(tests, " ||\n      ")
		}
		test = "(\n      " + test + "\n    )"
	}
	b.WriteString("\n  static override covers(error: CallError): boolean {\n" + indent + "return " + test + ";\n  }\n}\n")
	return b.String()
}

// typeScriptCodes is the namespace with a class for each code.
func typeScriptCodes(c *contract.Contract, n TypeScriptNames) []byte {
	var b strings.Builder
	b.WriteString("import type { CallError } from \"./core/error.js\";\nimport { " + n.Root + " } from \"./errors.js\";\n\n")
	names := make([]string, 0, len(c.Codes))
	for _, code := range c.Codes {
		names = append(names, tsString(code.Name))
	}
	b.WriteString(tsDoc("The catalogue's entries.") + tsUnion("Name", names))
	for _, code := range c.Codes {
		x := c.Explain(code)
		b.WriteString("\n" + tsDoc(codeParagraphs(code, &x)...))
		name := tsString(code.Name)
		fields := []string{"declare readonly known: " + name + ";"}
		if x.Remedy != "" {
			fields = append(fields, tsField("override remedy", tsString(x.Remedy)))
		}
		b.WriteString(tsClass(n.Codes[code.Name], n.Root, fields, []string{"error.known === " + name}))
	}
	return []byte(b.String())
}

// codeParagraphs are what the contract says of a code.
func codeParagraphs(code *contract.Code, x *contract.Explanation) []string {
	sent := "Sent as " + code.Wire + " with status " + strconv.Itoa(code.Status) + "."
	if code.Wire == "" {
		sent = "Sent without a code, with status " + strconv.Itoa(code.Status) + "."
	}
	paragraphs := []string{x.Meaning, sent}
	if x.Cause != "" {
		paragraphs = append(paragraphs, "Cause: "+x.Cause)
	}
	if x.Remedy != "" {
		paragraphs = append(paragraphs, "Remedy: "+x.Remedy)
	}
	paragraphs = append(paragraphs, "Again: "+adviceInWords(x.Retry))
	if code.Deprecated != "" {
		paragraphs = append(paragraphs, "@deprecated "+code.Deprecated)
	}
	return paragraphs
}

// typeScriptConditions is the namespace with a class for each condition.
func typeScriptConditions(n TypeScriptNames) []byte {
	var b strings.Builder
	b.WriteString("import type { CallError } from \"./core/error.js\";\nimport { " + n.Root + " } from \"./errors.js\";\n\n")
	all := condition.All()
	names := make([]string, 0, len(all))
	for _, e := range all {
		names = append(names, tsString(string(e.Condition)))
	}
	b.WriteString(tsDoc("What can happen, in words that all APIs share.") + tsUnion("Name", names))
	for _, e := range all {
		name := tsString(string(e.Condition))
		fields := []string{"declare readonly condition: " + name + ";", tsField("override remedy", tsString(e.Remedy))}
		b.WriteString("\n" + tsDoc(e.Meaning) + tsClass(n.Conditions[e.Condition], n.Root, fields, []string{"error.condition === " + name}))
	}
	return []byte(b.String())
}

// typeScriptChoose is the module that makes an error of the class that says most.
func typeScriptChoose(c *contract.Contract, n TypeScriptNames) []byte {
	codes := make([]string, 0, len(c.Codes))
	conditions := make([]string, 0, len(condition.All()))
	for _, code := range c.Codes {
		codes = append(codes, tsKey(code.Name)+": codes."+n.Codes[code.Name])
	}
	for _, e := range condition.All() {
		conditions = append(conditions, tsKey(string(e.Condition))+": conditions."+n.Conditions[e.Condition])
	}
	return []byte(`import * as codes from "./codes.js";
import * as conditions from "./conditions.js";
import type { CallError, ErrorParts } from "./core/error.js";
import { ` + n.Root + ` } from "./errors.js";

type Class = new (parts: ErrorParts) => CallError;

const ofCode: Readonly<Record<codes.Name, Class>> = {
  ` + strings.Join(codes, ",\n  ") + `,
};

const ofCondition: Readonly<Record<conditions.Name, Class>> = {
  ` + strings.Join(conditions, ",\n  ") + `,
};

/** The error of the class that says most. */
export function errorOf(parts: ErrorParts): CallError {
  const { entry, condition } = parts.failure;
  const known = entry && ofCode[entry.name as codes.Name];
  const Chosen = known ?? ofCondition[condition as conditions.Name];
  return new (Chosen ?? ` + n.Root + `)(parts);
}
`)
}
