package guess

import (
	"strings"

	"github.com/failwell/failwell/contract/condition"
)

// paramKeys are members of an error object that name the offending part.
var paramKeys = []string{
	"param", "parameter", "field", "fieldname", "paramname", "parametername", "invalidparameter", "missingparameter", "property", "propertyname", "argumentname",
	"queryparametername", "headername", "locator", "argument", "attribute", "target", "pointer", "instancepath",
}

// parameter finds the one part of the request that a failure is about.
func (x *reading) parameter(c condition.Condition) string {
	for i, s := range x.scopes {
		if i > 0 && s.penalty > childPenalty+6 {
			break
		}
		if x.codeOfField(s.n) || x.codeOfField(s.n.up) {
			continue
		}
		for _, name := range paramKeys {
			n := s.n.get(name)
			if p := n.str(); p != "" && n.kind == kindString && len(p) <= maxName && !strings.Contains(p, " ") && !n.cut {
				if strings.HasPrefix(p, "/") || strings.HasPrefix(p, "#/") || strings.HasPrefix(p, "$.") {
					path, _ := trimHead(splitPath(p), true)
					return strings.Join(path, ".")
				}
				return p
			}
		}
	}
	if len(x.fields) == 1 {
		return x.fields[0].Name
	}
	if len(x.fields) == 0 && inputFault(c) {
		return quotedName(x.message.text, c)
	}
	return ""
}

func inputFault(c condition.Condition) bool {
	return c == condition.ParameterMissing || c == condition.ParameterInvalid || c == condition.ValidationFailed || c == condition.RequestMalformed
}

// quotedName takes the name that a sentence quotes, when it quotes exactly one
// and a name it is; or the word before "is required" and after "parameter:".
func quotedName(s string, c condition.Condition) string {
	if len(s) > 1000 {
		return ""
	}
	var names []string
	for rest := s; ; {
		open := strings.IndexAny(rest, "'\"`\u2018\u201c")
		if open < 0 {
			break
		}
		mark := rest[open : open+1]
		size := 1
		if rest[open] == 0xe2 {
			size = 3
			mark = map[string]string{"\u2018": "\u2019", "\u201c": "\u201d"}[rest[open:open+3]]
		}
		inside := rest[open+size:]
		end := strings.Index(inside, mark)
		if end < 0 || mark == "'" && open > 0 && isWord(rest[open-1]) {
			rest = inside
			continue
		}
		if name := inside[:end]; isName(name) {
			names = append(names, name)
		}
		rest = inside[end+len(mark):]
	}
	if len(names) == 1 {
		return names[0]
	}
	if len(names) > 1 {
		return ""
	}
	if name := namedAfter(s); name != "" {
		return name
	}
	if c != condition.ParameterMissing && c != condition.ParameterInvalid {
		return ""
	}
	return spokenName(s)
}

// namedAfter reads "on property email", "for field name".
func namedAfter(s string) string {
	lower := asciiLower(s)
	for _, mark := range []string{" on property ", " for property ", " on field ", " for field ", " for parameter "} {
		if at := strings.Index(lower, mark); at >= 0 {
			name, _, _ := strings.Cut(s[at+len(mark):], " ")
			if name = strings.TrimRight(name, ".,:;"); isName(name) {
				return name
			}
		}
	}
	return ""
}

// isName holds for identifiers, with the exception of words for values and types.
func isName(s string) bool {
	if s == "" || len(s) > 64 || isNumber(s) {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '[' && s[i] != ']' {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "undefined", "null", "none", "nil", "true", "false", "string", "number", "integer", "object", "array", "boolean",
		"int", "float", "application", "json", "body":
		return false
	}
	return true
}

// spokenName reads "name is required" and "Missing parameter: name", where the
// name looks like an identifier.
func spokenName(s string) string {
	if head, rest, ok := strings.Cut(s, " "); ok && isFieldName(head) {
		for _, verb := range []string{"is required", "is missing", "is not", "is invalid", "must", "should", "cannot", "can't"} {
			if strings.HasPrefix(rest, verb) {
				return head
			}
		}
	}
	if head, rest, ok := strings.Cut(s, ": "); ok && isFieldName(head) && strings.Contains(rest, " ") && strings.ToLower(head) == head {
		return head
	}
	lower := asciiLower(s)
	for _, mark := range []string{"parameter: ", "parameters: ", "field: ", "param: ", "argument: ", "property: ", "fields: "} {
		at := strings.LastIndex(lower, mark)
		if at < 0 {
			continue
		}
		name := strings.TrimRight(strings.TrimSpace(s[at+len(mark):]), ".!)")
		if isFieldName(name) {
			return name
		}
	}
	// An identifier by its form: snake_case or camelCase, the only one there.
	only := ""
	for w := range strings.FieldsSeq(s) {
		w = strings.Trim(w, ".,:;()")
		if isFieldName(w) && strings.Contains(w, "_") && strings.ToLower(w) == w {
			if only != "" && only != w {
				return ""
			}
			only = w
		}
	}
	return only
}
