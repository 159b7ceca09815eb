package server

import (
	"cmp"
	"slices"
	"strings"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// rule is one promise and how it is judged.
type rule struct {
	id, group, title string
	severity         conform.Severity
	// promise is the rule in the contract's words and the line that says so; the
	// text is "" when the contract promises nothing of the kind.
	promise func(*checker) promise
	// judge holds exchanges against the rule. tried counts those it speaks of.
	judge func(*checker, []*exchange) (tried int, broken []fault)
	// idle says why nothing was tried.
	idle func(*checker) string
}

type promise struct {
	text string
	pos  contract.Position
	// absent says what the contract would have to hold, where it promises nothing.
	absent string
}

// fault is a rule broken by an exchange.
type fault struct {
	x    *exchange
	seen string
	// promise and pos are what was promised to this very call, where that says
	// more than the rule.
	promise string
	pos     contract.Position
	// with are further exchanges that belong to the story; x is the last.
	with []*exchange
}

// each judges exchanges one by one. see returns whether the rule speaks of one,
// and what is wrong with it.
func each(see func(k *checker, x *exchange) (applies bool, found *fault)) func(*checker, []*exchange) (int, []fault) {
	return func(k *checker, all []*exchange) (tried int, broken []fault) {
		for _, x := range all {
			applies, found := see(k, x)
			if !applies {
				continue
			}
			tried++
			if found != nil {
				found.x = x
				broken = append(broken, *found)
			}
		}
		return tried, broken
	}
}

// seen is a fault of the exchange that is looked at.
func seen(what string) *fault { return &fault{seen: what} }

// place is a promise at a key of the contract; absent when the file lacks it.
func (k *checker) place(path, text string) promise {
	at, ok := k.contract.Place(strings.Split(path, ".")...)
	if !ok {
		return promise{absent: path}
	}
	return promise{text: text, pos: at}
}

// at is a promise at a key of the contract, or at what surrounds it: something
// that the contract promises without saying so.
func (k *checker) at(path, text string) promise {
	at, _ := k.contract.Place(strings.Split(path, ".")...)
	return promise{text: text, pos: at}
}

// judge holds all that was seen against all rules.
func (k *checker) judge() []conform.Check {
	all := rules()
	list := make([]conform.Check, 0, len(all))
	for _, r := range all {
		list = append(list, k.judgeRule(&r))
	}
	return list
}

func (k *checker) judgeRule(r *rule) conform.Check {
	p := r.promise(k)
	c := conform.Check{Rule: conform.Rule{ID: r.id, Group: r.group, Title: r.title, Severity: r.severity, Promise: p.text, Pos: p.pos}}
	if p.text == "" {
		c.Promise, c.Pos = r.title, contract.Position{File: k.contract.File, Line: 1}
		c.Skipped = "not promised: the contract has no " + p.absent
		return c
	}
	tried, broken := r.judge(k, k.seen)
	c.Tried = tried
	if tried == 0 {
		c.Skipped = "nothing to try it on"
		if k.stopped {
			c.Skipped = "the check was stopped before"
		}
		if r.idle != nil {
			if why := r.idle(k); why != "" {
				c.Skipped = why
			}
		}
	}
	for _, f := range broken {
		c.Findings = append(c.Findings, k.finding(&f))
	}
	return c
}

// finding tells a fault to people.
func (k *checker) finding(f *fault) conform.Finding {
	out := conform.Finding{Subject: f.x.about(), Seen: f.seen, Promise: f.promise, Pos: f.pos, Reproduce: k.reproduce(f.x)}
	story := append(slices.Clone(f.with), f.x)
	if len(f.with) == 0 && f.x.before != nil {
		story = []*exchange{f.x.before, f.x}
	}
	if len(story) > 1 {
		slices.SortStableFunc(story, func(a, b *exchange) int { return cmp.Compare(a.at, b.at) })
		for _, x := range story {
			at, line := x.told(story[0].at)
			out.Evidence = append(out.Evidence, conform.Event{At: at, What: line})
		}
	}
	return out
}

// Reasons why nothing was tried.

func needsKey(k *checker) string {
	if len(k.contract.Auth.Schemes) > 0 && k.key(validKey) == "" {
		return "needs --key"
	}
	return ""
}

func needsWrites(k *checker) string {
	switch {
	case k.config.Safe || !k.config.Writes:
		return "needs --writes: calls that have an effect"
	case k.key(validKey) == "":
		return "needs --key"
	case len(k.writable()) == 0:
		return "no operation that takes an idempotency key has a sample that works without further ado"
	}
	for _, x := range k.seen {
		if x.kind == kindFirst && !x.succeeded() {
			return x.line() + " was answered with " + x.outcome() + ", so that there is nothing to repeat"
		}
	}
	return ""
}

func needsLimits(k *checker) string {
	switch {
	case !k.config.Limits:
		return "needs --limits: a limit that is used up"
	case k.key(validKey) == "":
		return "needs --key"
	case k.unlimited != "":
		return k.unlimited
	}
	return ""
}

func needsRefusals(k *checker) string {
	if k.config.Safe {
		return "needs calls that --safe rules out"
	}
	return needsKey(k)
}
