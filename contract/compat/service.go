package compat

import (
	"slices"
	"strconv"
)

// service compares what is said of the API as a whole.
func (d *differ) service() {
	old, now := d.old, d.now
	changed(d, "api-renamed", []string{"api"}, "the API", "name", old.API, now.API)
	changed(d, "base-url", []string{"base_url"}, "the API", "address", old.BaseURL, now.BaseURL)
	d.toggled("codes-opened", "codes-closed", []string{"open_codes"}, "the catalogue", old.OpenCodes, now.OpenCodes,
		"codes that are not listed may come", "no codes but those listed come any more")
	changed(d, "timestamp-form", []string{"timestamp"}, "instants", "form", old.Timestamp, now.Timestamp)
	both(old.Statuses, now.Statuses, func(status int, was string) {
		d.say("status-row", []string{"statuses"}, "status "+strconv.Itoa(status), "no longer stands for the code %s when no code is sent", was)
	}, func(status int, is string) {
		d.say("status-row", []string{"statuses", strconv.Itoa(status)}, "status "+strconv.Itoa(status), "now stands for the code %s when no code is sent", is)
	}, func(status int, was, is string) {
		changed(d, "status-row", []string{"statuses", strconv.Itoa(status)}, "status "+strconv.Itoa(status), "the code it stands for,", was, is)
	})
	d.names("name-dropped", "name-added", []string{"permissions"}, "permissions", "the permission", old.Permissions, now.Permissions)
	d.names("name-dropped", "name-added", []string{"features"}, "features", "the feature", old.Features, now.Features)
	d.names("name-dropped", "name-added", []string{"balances"}, "balances", "the balance", old.Balances, now.Balances)
	d.streams()
	d.partial()
	d.validation()
}

func (d *differ) streams() {
	old, now := d.old.Streams, d.now.Streams
	path, rule := []string{"streams", "event"}, "stream-changed"
	if old.Event == "" {
		rule = "stream-added"
	}
	changed(d, rule, path, "streams of events", "the event that ends a broken one,", old.Event, now.Event)
	d.toggled("stream-added", "stream-changed", []string{"streams", "ndjson"}, "streams of lines", old.NDJSON, now.NDJSON,
		"a broken one ends with an error line", "a broken one no longer ends with an error line")
}

func (d *differ) partial() {
	for _, x := range d.old.Partial {
		if !slices.Contains(d.now.Partial, x) {
			d.say("partial-removed", []string{"partial"}, "bodies of "+x.Statuses, "failures of single items no longer stand in %s", shown(x.Items))
		}
	}
	for i, x := range d.now.Partial {
		if !slices.Contains(d.old.Partial, x) {
			d.say("partial-added", []string{"partial", strconv.Itoa(i)}, "bodies of "+x.Statuses, "failures of single items may stand in %s, told by %s, named by %s", shown(x.Items), shown(x.Error), shown(x.ID))
		}
	}
}

func (d *differ) validation() {
	old, now := d.old.Validation, d.now.Validation
	changed(d, "validation-changed", []string{"validation", "missing"}, "requests that lack something", "the condition", old.Missing, now.Missing)
	changed(d, "validation-changed", []string{"validation", "structure"}, "bodies that are at fault as a whole", "the condition", old.Structure, now.Structure)
	code := func(codes map[string]string, keyword string) string {
		if s, ok := codes[keyword]; ok {
			return s
		}
		return keyword
	}
	note := func(keyword, _ string) {
		path := []string{"validation", "codes", keyword}
		changed(d, "field-code", path, "fields that break "+keyword, "the code", code(old.Codes, keyword), code(now.Codes, keyword))
	}
	both(old.Codes, now.Codes, note, note, func(keyword, _, _ string) { note(keyword, "") })
}

// headers compares the headers of responses.
func (d *differ) headers() {
	old, now := d.old.Headers, d.now.Headers
	id := []string{"headers", "request_id"}
	changed(d, "header-renamed", append(id, "name"), "the request id", "header", old.RequestID.Name, now.RequestID.Name)
	changed(d, "request-id-prefix", append(id, "prefix"), "the request id", "prefix", old.RequestID.Prefix, now.RequestID.Prefix)
	rule := "request-id-looser"
	if now.RequestID.Format == "uuid" {
		rule = "request-id-stricter"
	}
	changed(d, rule, append(id, "format"), "the request id", "what is taken over from callers,", old.RequestID.Format, now.RequestID.Format)
	both(old.Sent, now.Sent, func(what string, was *Header) {
		d.say("header-removed", headerPath(what), "header "+was.Name, "is no longer sent")
	}, func(what string, is *Header) {
		d.say("header-added", headerPath(what), "header "+is.Name, "is sent")
	}, func(what string, was, is *Header) {
		path, subject := headerPath(what), "header "+was.Name
		changed(d, "header-renamed", path, subject, "the name", was.Name, is.Name)
		changed(d, "header-unit", path, subject, "the unit", was.Unit, is.Unit)
		if was.On == is.On {
			return
		}
		rule := "header-rarer"
		if covers(is.On, was.On) {
			rule = "header-oftener"
		}
		changed(d, rule, path, subject, "the statuses it is sent with,", was.On, is.On)
	})
}

func headerPath(what string) []string {
	return append([]string{"headers"}, split(what, ".")...)
}

// auth compares where keys stand, and their form.
func (d *differ) auth() {
	old, now := d.old.Auth, d.now.Auth
	path := []string{"auth", "schemes"}
	switch {
	case len(old.Schemes) == 0 && len(now.Schemes) > 0:
		d.say("credential-needed", path, "callers", "a key is asked for: %s", now.Schemes[0])
	case len(old.Schemes) > 0 && len(now.Schemes) == 0:
		d.say("credential-freed", path, "callers", "no key is asked for")
	default:
		d.names("credential-removed", "credential-added", path, "keys", "the place", old.Schemes, now.Schemes)
	}
	path = []string{"auth", "key"}
	form := func(name, _ string) {
		changed(d, "key-form", append(path, "prefixes", name), "keys of "+name, "prefix", old.Prefixes[name], now.Prefixes[name])
	}
	both(old.Prefixes, now.Prefixes, form, form, func(name, _, _ string) { form(name, "") })
	changed(d, "key-form", append(path, "alphabet"), "keys", "alphabet", old.Alphabet, now.Alphabet)
	changed(d, "key-form", append(path, "length"), "keys", "length", old.Length, now.Length)
}
