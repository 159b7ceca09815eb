package compat

import (
	"regexp"
	"strings"
)

// wildcards of a path have names that callers do not see.
var wildcard = regexp.MustCompile(`\{[^}.]*(\.\.\.)?\}`)

func route(name string) string { return wildcard.ReplaceAllString(name, "{$1}") }

// operations compares what methods and paths ask for and take.
func (d *differ) operations() {
	names := map[string]string{} // new name by route
	for name := range d.now.Operations {
		names[route(name)] = name
	}
	byRoute := func(all map[string]*Operation) map[string]*Operation {
		out := map[string]*Operation{}
		for name, o := range all {
			out[route(name)] = o
		}
		return out
	}
	both(byRoute(d.old.Operations), byRoute(d.now.Operations), func(name string, _ *Operation) {
		d.say("operation-removed", []string{"operations"}, "operation "+name, "is gone")
	}, func(name string, _ *Operation) {
		d.say("operation-added", []string{"operations", names[name]}, "operation "+names[name], "is new")
	}, func(name string, was, is *Operation) {
		d.operation(names[name], was, is)
	})
}

func (d *differ) operation(name string, old, now *Operation) {
	subject := "operation " + name
	path := func(more ...string) []string { return append([]string{"operations", name}, more...) }
	changed(d, "operation-id", path("id"), subject, "id", old.ID, now.ID)
	d.toggled("key-dropped", "key-required", path("public"), subject, old.Public, now.Public, "asks for no key", "asks for a key")
	asked := func(up, down, key, was, is string) {
		if is != "" {
			down = up
		}
		changed(d, down, path(key), subject, "the "+key, was, is)
	}
	asked("permission-raised", "permission-lowered", "permission", old.Permission, now.Permission)
	asked("feature-required", "feature-freed", "feature", old.Feature, now.Feature)
	either(d, "cost-raised", "cost-lowered", path("cost"), subject, "cost", old.Cost, now.Cost)
	for _, charge := range keysOf(merged(old.Charges, now.Charges)) {
		either(d, "cost-raised", "cost-lowered", path("charge", charge), subject, "charge of "+charge, old.Charges[charge], now.Charges[charge])
	}
	d.toggled("cost-raised", "cost-lowered", path("slot"), subject, old.Slot, now.Slot, "counts against the concurrency", "no longer counts against the concurrency")
	d.toggled("cost-raised", "cost-lowered", path("stores"), subject, old.Stores, now.Stores, "counts against the storage", "no longer counts against the storage")
	d.rates(path("rate"), subject, old.Rates, now.Rates)
	d.mediaTypes(path("media_types"), subject, old.MediaTypes, now.MediaTypes)
	d.bodyBound(path("max_body"), subject, old.MaxBody, now.MaxBody)
	d.within("timeout-shortened", "timeout-lengthened", path("timeout"), subject, "timeout", old.Timeout, now.Timeout)
	d.toggled("translation-added", "translation-dropped", path("translate"), subject, old.Translate, now.Translate, "foreign failures are translated", "foreign failures pass as they are")
	d.toggled("repeat-safe", "repeat-unsafe", path("safe"), subject, old.Safe, now.Safe, "is safe to repeat", "is no longer safe to repeat")
	changed(d, protection(old.Idempotency, now.Idempotency), path("idempotency"), subject, "idempotency", old.Idempotency, now.Idempotency)
	changed(d, outcomeRule(now.Unknown), path("unknown"), subject, "what becomes of an unknown outcome,", old.Unknown, now.Unknown)
	d.toggled("request-narrowed", "request-widened", path("body_required"), subject, old.BodyRequired, now.BodyRequired, "an empty body is refused", "an empty body is accepted")
	if old.Body != nil && now.Body != nil || old.Form != nil && now.Form != nil {
		changed(d, "validation-changed", path("body_condition"), subject, "the condition of a body that breaks its schema,", old.BodyCondition, now.BodyCondition)
	}
	d.schema(path("body"), subject, "body", old.Body, now.Body)
	d.schema(path("form"), subject, "form", old.Form, now.Form)
	d.parameters(name, old.Parameters, now.Parameters)
}

// mediaTypes: none listed means any.
func (d *differ) mediaTypes(path []string, subject string, old, now []string) {
	switch {
	case len(old) == 0 && len(now) > 0:
		d.say("media-narrowed", path, subject, "accepts only %s", strings.Join(now, ", "))
	case len(old) > 0 && len(now) == 0:
		d.say("media-widened", path, subject, "accepts any media type")
	default:
		d.names("media-narrowed", "media-widened", path, subject, "the media type", old, now)
	}
}

// bodyBound: 0 is whatever the server allows.
func (d *differ) bodyBound(path []string, subject string, old, now int64) {
	text := func(n int64) string {
		if n == 0 {
			return "the server's bound"
		}
		return sizeText(n)
	}
	rule := "body-bound-lowered"
	if old != 0 && now > old {
		rule = "body-bound-raised"
	}
	if old != now {
		d.say(rule, path, subject, "longest body: %s became %s", text(old), text(now))
	}
}

func (d *differ) parameters(operation string, old, now map[string]*Parameter) {
	path, subject := []string{"operations", operation, "parameters"}, "operation "+operation
	both(old, now, func(name string, _ *Parameter) {
		if strings.HasPrefix(name, "path ") { // only its name
			return
		}
		d.say("request-changed", path, subject, "the parameter %s is gone; who sends it is not understood", name)
	}, func(name string, is *Parameter) {
		switch {
		case strings.HasPrefix(name, "path "):
		case is.Required:
			d.say("request-narrowed", path, subject, "the parameter %s is required", name)
		default:
			d.say("request-widened", path, subject, "the parameter %s is accepted", name)
		}
	}, func(name string, was, is *Parameter) {
		d.toggled("request-narrowed", "request-widened", path, subject, was.Required, is.Required, "the parameter "+name+" is required", "the parameter "+name+" may be left out")
		changed(d, "validation-changed", path, subject, "the condition of a bad parameter "+name+",", was.Condition, is.Condition)
		d.schema(path, subject, "parameter "+name, was.Schema, is.Schema)
	})
}
