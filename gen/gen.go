// Package gen makes files from a contract: clients for other languages and typed
// codes. What it makes follows from the contract alone: the same contract makes
// the same bytes, without dates and without the version of failwell.
package gen

import (
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
)

// File is one file that was made.
type File struct {
	// Name is relative to the output folder, with forward slashes.
	Name string
	Data []byte
}

// Options are what a package is called. Its zero value follows the contract.
type Options struct {
	// Package is the name of the package in its ecosystem. Optional: "" is the
	// contract's api, in the ecosystem's notation.
	Package string
	// Version of the package. Optional: "" is 0.1.0.
	Version string
}

// sortedFiles puts files into the order of their names.
func sortedFiles(files []File) []File {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// version is what a package is published as.
func (o Options) version() string {
	if o.Version == "" {
		return "0.1.0"
	}
	return o.Version
}

// name is the package's, words joined by sep.
func (o Options) name(c *contract.Contract, sep string) string {
	if o.Package != "" {
		return o.Package
	}
	return strings.Join(words(c.API), sep)
}

// words are the lower-case words of a name, whatever its notation.
func words(name string) []string {
	var out []string
	var word []rune
	end := func() {
		if word != nil {
			out = append(out, strings.ToLower(string(word)))
			word = nil
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			word = append(word, r)
		case r >= 'A' && r <= 'Z':
			// A capital begins a word, except inside an abbreviation.
			lower := i > 0 && (runes[i-1] < 'A' || runes[i-1] > 'Z')
			next := i+1 < len(runes) && runes[i+1] >= 'a' && runes[i+1] <= 'z'
			if lower || next && i > 0 {
				end()
			}
			word = append(word, r)
		default:
			end()
		}
	}
	end()
	return out
}

// Pascal is a name as the languages write types: rate_limit_exceeded is
// RateLimitExceeded. A name that begins with a digit gets a Code before it.
func Pascal(name string) string {
	var b strings.Builder
	for _, w := range words(name) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	s := b.String()
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return "Code" + s
	}
	return s
}
