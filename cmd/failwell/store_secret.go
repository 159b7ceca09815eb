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
		return place
	}
	rest, query, asks := strings.Cut(rest, "?")
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
	rest, query, _ := strings.Cut(rest, "?")
	// A password may hold what ends the host in a sound URL: the last @ counts.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if _, password, ok := strings.Cut(rest[:at], ":"); ok {
			add(password)
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
