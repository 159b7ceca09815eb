package openapi

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// unescape undoes percent-encoding and the escapes of RFC 6901 in one token.
func unescape(token string) string {
	if plain, err := url.PathUnescape(token); err == nil {
		token = plain
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// basePath is the path of the first server, its variables at their defaults.
func basePath(servers openapi3.Servers) (string, error) {
	if len(servers) == 0 || servers[0] == nil {
		return "", nil
	}
	s := servers[0]
	address := s.URL
	for name, v := range s.Variables {
		if v != nil {
			address = strings.ReplaceAll(address, "{"+name+"}", v.Default)
		}
	}
	// Of the host nothing is needed, and a variable left in it is no matter.
	if _, rest, absolute := strings.Cut(address, "://"); absolute {
		_, path, _ := strings.Cut(rest, "/")
		address = "/" + path
	}
	address, _, _ = strings.Cut(address, "?")
	address, _, _ = strings.Cut(address, "#")
	address = strings.TrimRight(address, "/")
	if address != "" && !strings.HasPrefix(address, "/") {
		address = "/" + address
	}
	if strings.ContainsAny(address, "{}") {
		return "", fmt.Errorf("the server %q has a variable without a default", s.URL)
	}
	return address, nil
}

// pattern turns a path template into ServeMux syntax and returns the wildcard
// that each parameter got. A parameter that is only a part of a segment gets
// the whole segment, under a name that no parameter has.
func pattern(base, template string) (path string, wildcards map[string]string, err error) {
	wildcards = map[string]string{}
	taken := map[string]bool{}
	unique := func(name string) string {
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		return name
	}
	segments := strings.Split(strings.TrimPrefix(template, "/"), "/")
	for i, segment := range segments {
		open, end := strings.IndexByte(segment, '{'), strings.IndexByte(segment, '}')
		switch {
		case open < 0 && end < 0:
		case open < 0 || end < open+2:
			return "", nil, fmt.Errorf("the braces of %q do not pair", template)
		case open == 0 && end == len(segment)-1:
			name := segment[1:end]
			wildcards[name] = unique(identifier(name))
			segments[i] = "{" + wildcards[name] + "}"
		default:
			segments[i] = "{" + unique(identifier(segment)) + "}"
		}
	}
	path = base + "/" + strings.Join(segments, "/")
	if strings.HasSuffix(path, "/") {
		path += "{$}" // without it, ServeMux would take everything below
	}
	return path, wildcards, nil
}

// identifier makes a Go identifier, which ServeMux wants, of any name.
func identifier(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0:
			b.WriteByte('_')
		}
	}
	if s := strings.TrimRight(b.String(), "_"); s != "" {
		return s
	}
	return "part"
}
