package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// try is a command line that shows something worth seeing.
type try struct{ why, line string }

// tries are five of them. They name the collection of the stand-in that all
// accounts have.
func tries(api, url string, keys map[string]string, self string) []try {
	target := url + "/agents"
	call := func(key, more string) string {
		return strings.TrimSpace(fmt.Sprintf("curl -si %s -H 'x-api-key: %s' %s", target, keys[key], more))
	}
	create := `-H 'Content-Type: application/json' -d `
	return []try{
		{"works once; the second time the name is taken, a 409 that says so", call("valid", create+`'{"name":"Reception"}'`)},
		{"no key: 401, in the envelope of the API, with a request id", "curl -si " + target},
		{"every fault of the body at once, by field", call("valid", create+`'{"name":"","type":"fax","temperature":9}'`)},
		{"a crowd against a limit of 100 a minute: who is refused is told when to come back; look the request id up in the console",
			fmt.Sprintf("for i in $(seq 110); do curl -so /dev/null -w '%%{http_code} ' %s -H 'x-api-key: %s'; done; %s | grep -i -e retry -e ratelimit -e request-id", target, keys["plan_standard"], call("plan_standard", ""))},
		{"what happened, whose fault it is, what to do", call("revoked", "") + " | " + self + " explain --contract " + api},
	}
}

// selfCommand is how this program is called: by name where the shell finds it,
// by go run where that has built it, else by its path.
func selfCommand() string {
	executable, err := os.Executable()
	if err != nil {
		return "failwell"
	}
	if found, err := exec.LookPath("failwell"); err == nil {
		if same, err := filepath.EvalSymlinks(found); err == nil && same == executable {
			return "failwell"
		}
	}
	if strings.Contains(executable, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/failwell"
	}
	return executable
}
