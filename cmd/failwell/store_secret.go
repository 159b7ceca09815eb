package main

import (
	"net/url"
	"strings"
)

// storeName is a store's URL as it may be shown: without what is secret. All
// else stays, since it may tell one store from another.
func storeName(place string) string {
	scheme, rest, ok := strings.Cut(place, "://")
	if !ok {
		return plainName(place)
	}
	rest, query, asks := splitQuery(rest)
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, _ := strings.Cut(rest[:at], ":")
		rest = user + rest[at:]
	}
	shown := scheme + "://" + rest
	var open []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); asks && !secretName(name) {
			open = append(open, pair)
		}
	}
	if len(open) > 0 {
		shown += "?" + strings.Join(open, "&")
	}
	return shown
}

// plainName is what is no URL as it may be shown: a path, a word, or a mistake
// that may hold a password all the same.
func plainName(place string) string {
	if strings.HasPrefix(place, "pebble:") || !strings.Contains(place, "@") && !secretName(place) {
		return place
	}
	if end := strings.IndexAny(place, ":="); end >= 0 {
		return place[:end+1] + "..."
	}
	return "..."
}

// splitQuery cuts off a URL's query. A question mark may be of a password that
// should have been encoded.
func splitQuery(rest string) (before, query string, asks bool) {
	before, query, asks = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(query, '@'); at >= 0 && !strings.Contains(before, "@") {
		end := len(before) + 1 + at
		before, query, asks = strings.Cut(rest[end:], "?")
		before = rest[:end] + before
	}
	return before, query, asks
}

func secretName(parameter string) bool {
	parameter = strings.ToLower(parameter)
	return strings.Contains(parameter, "pass") || strings.Contains(parameter, "pwd") || strings.Contains(parameter, "secret")
}

// hushed keeps the secrets of a store's URL out of an error's text, whoever made
// the text: drivers and net/url quote what they were given.
func hushed(err error, place string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	clean := text
	for _, secret := range secretsOf(place) {
		clean = strings.ReplaceAll(clean, secret, "xxxxx")
	}
	if clean == text {
		return err
	}
	return &storeRefusal{clean, err}
}

// secretsOf lists the secrets of a URL as they stand there and decoded.
func secretsOf(place string) []string {
	var secrets []string
	add := func(s string) {
		if len(s) < 3 {
			return // replacing a letter everywhere would hide the message instead
		}
		secrets = append(secrets, s)
		if plain, err := url.PathUnescape(s); err == nil && plain != s {
			secrets = append(secrets, plain)
		}
	}
	_, rest, _ := strings.Cut(place, "://")
	rest, query, _ := splitQuery(rest)
	// A password may hold what ends the host in a sound URL: the last @ counts.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if _, password, ok := strings.Cut(rest[:at], ":"); ok {
			add(password)
			// What reads the URL as it stands takes pieces of such a password for a port.
			for _, piece := range strings.FieldsFunc(password, func(r rune) bool { return strings.ContainsRune("/?#@:", r) }) {
				add(piece)
			}
		}
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if secretName(name) {
			add(value)
		}
	}
	return secrets
}
