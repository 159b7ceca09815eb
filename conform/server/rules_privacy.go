package server

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/failwell/failwell/conform"
)

func privacyRules() []rule {
	return []rule{
		{
			id: "nothing-private", group: groupPrivacy, title: "errors tell nothing of the inside", severity: conform.Error,
			promise: func(k *checker) promise {
				return k.at("errors", "Nothing but a code's message and its declared parameters: no stack, no file, no query.")
			},
			judge: each(judgePrivate),
		},
		{
			id: "secret-repeated", group: groupPrivacy, title: "errors do not repeat a key or a secret", severity: conform.Error,
			promise: func(k *checker) promise { return k.at("auth", "What a caller proves itself with is in no answer.") },
			judge:   each(judgeSecret),
		},
	}
}

// leaks are marks of what belongs into a log: stacks, files, queries, and the
// words of runtimes and databases.
var leaks = []struct {
	what string
	mark *regexp.Regexp
}{
	{"a stack of Python", regexp.MustCompile(`Traceback \(most recent call last\)|File "[^"]+\.py", line \d+`)},
	{"a stack of Go", regexp.MustCompile(`goroutine \d+ \[|\.go:\d+ \+0x`)},
	{"a stack of JavaScript", regexp.MustCompile(`\bat (?:async )?[\w.<>$ ]*\(?(?:file://|node:|/|[A-Za-z]:\\)[^\s)]+:\d+:\d+\)?`)},
	{"a stack of Java", regexp.MustCompile(`\bat [\w.$]+\([\w]+\.(?:java|kt|scala):\d+\)`)},
	{"a stack of Ruby", regexp.MustCompile(`\.rb:\d+:in `)},
	{"a stack of .NET", regexp.MustCompile(`\bat [\w.]+\([^)]*\) in [^:]+:\\?[^:]+:line \d+`)},
	{"a stack of PHP", regexp.MustCompile(`\.php(?:\(\d+\)|:\d+| on line \d+)`)},
	{"the path of a file", regexp.MustCompile(`(?:^|[\s"'(=:])/(?:usr|home|root|var|opt|srv|app|etc|tmp|workspace)/[\w.-]+(?:/[\w.-]+)+`)},
	{"where libraries are", regexp.MustCompile(`site-packages/|node_modules/`)},
	{"a query", regexp.MustCompile(`\b(?:SELECT\s.{1,200}\sFROM|INSERT\s+INTO|UPDATE\s.{1,100}\sSET|DELETE\s+FROM)\s+["` + "`" + `\w.]+`)},
	{"an error of a database", regexp.MustCompile(`(?i)SQLSTATE|syntax error at or near|ORA-\d{5}|psycopg2?\.|sqlalchemy\.|pq: |duplicate key value violates|near "[^"]*": syntax error|MongoServerError|WRONGTYPE `)},
	{"an address of the inside", regexp.MustCompile(`(?:dial tcp|connect ECONNREFUSED|Connection refused).{0,40}\d{1,3}(?:\.\d{1,3}){3}:\d+`)},
}

func judgePrivate(_ *checker, x *exchange) (bool, *fault) {
	if x.err != nil || !x.failed && x.status < http.StatusBadRequest {
		return false, nil
	}
	for _, text := range texts(x) {
		for _, leak := range leaks {
			found := leak.mark.FindString(text)
			// Where the request itself went is known to who sent it.
			if found != "" && !strings.Contains(x.request.path, strings.TrimLeft(found, "\"'(=: \t\r\n")) {
				return true, seen(leak.what + ": " + cut(strings.Join(strings.Fields(found), " "), 100))
			}
		}
	}
	return true, nil
}

// texts are all parts of an answer, with the escapes of JSON undone: a stack in
// a string has its line ends escaped.
func texts(x *exchange) []string {
	list := []string{string(x.body)}
	for _, name := range slices.Sorted(keysOf(x.header)) {
		list = append(list, strings.Join(x.header[name], "\n"))
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			list = append(list, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(jsonOf(x.body))
	return list
}

func keysOf(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// shortestSecret is the shortest text that is looked for in others.
const shortestSecret = 8

func judgeSecret(k *checker, x *exchange) (bool, *fault) {
	if x.err != nil || !x.failed && x.status < http.StatusBadRequest {
		return false, nil
	}
	secrets := []string{x.secret}
	if x.request.key != "" {
		secrets = append(secrets, k.key(x.request.key))
	}
	tried := false
	for _, secret := range secrets {
		if len(secret) < shortestSecret {
			continue
		}
		tried = true
		for _, text := range texts(x) {
			if strings.Contains(text, secret) {
				return true, seen("the answer repeats what was sent: " + cut(secret, 8))
			}
		}
	}
	return tried, nil
}
