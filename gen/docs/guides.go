package docs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

func (b *book) shapes() *page {
	c := b.contract
	p := &page{Name: shapePage, Title: "Shapes and headers", Lead: plain("The forms in which errors are sent, and the headers that come with them.")}
	for _, e := range c.Envelopes {
		var carried []*contract.Code
		for _, code := range b.sorted() {
			if code.Envelope == e {
				carried = append(carried, code)
			}
		}
		if len(carried) == 0 {
			continue
		}
		p.add(e.Name, "Shape: "+e.Name, func(s *section) {
			s.say(plain("Sent as ").and(mono(e.MediaType), plain(". It carries "), b.linkedAll(carried), plain(".")))
			if len(e.Inside) > 0 {
				s.say(plain("A body of this shape is a failure under " + strings.Trim(fmt.Sprint(e.Inside), "[]") + " as well."))
			}
			s.listing("http", "Example: "+name(carried[0]), responseOf(c.Sample(carried[0])))
		})
	}
	p.add("headers", "Headers", func(s *section) { s.table(b.headerTable()) })
	p.add("streams", "Streams", func(s *section) {
		if c.Streams.Event != "" {
			s.say(plain("A stream of events that fails after its beginning ends with an event named ").and(mono(c.Streams.Event), plain(", whose data is an error in one of the shapes above.")))
		}
		if c.Streams.NDJSON {
			s.say(plain("A stream of JSON lines that fails after its beginning ends with a line that is an error in one of the shapes above."))
		}
	})
	p.add("partial", "Failures of single items", func(s *section) {
		for _, x := range c.Partial {
			items := mono(strings.Join(x.Items, "."))
			if len(x.Items) == 0 {
				items = plain("the top of the body")
			}
			s.say(plain("Under "+rangesOf(x.Statuses)+", the list at ").and(items, plain(" holds items that have failed by themselves.")))
		}
	})
	p.add("field-codes", "Codes of single fields", func(s *section) {
		t := &table{Caption: "Codes of field errors by the rule that was broken", Heads: []string{"Rule of JSON Schema", "Code"}}
		for _, k := range slices.Sorted(maps.Keys(c.Validation.Codes)) {
			t.Rows = append(t.Rows, []text{mono(k), mono(c.Validation.Codes[k])})
		}
		s.table(t)
	})
	return p
}

func (b *book) headerTable() *table {
	h := &b.contract.Headers
	t := &table{Caption: "Response headers", Heads: []string{"Header", "Sent on", "Value"}}
	add := func(name string, on contract.On, value string) {
		if name != "" {
			t.Rows = append(t.Rows, []text{mono(name), onOf(on), plain(value)})
		}
	}
	all := contract.On{All: true}
	add(h.RequestID.Name, all, "id of the request; give it to support")
	add(h.ProcessTime.Name, all, "how long the work took, in "+h.ProcessTime.Unit)
	add(h.RetryAfter.Name, h.RetryAfter.On, "how long to wait, "+formOf(h.RetryAfter.Format))
	add(h.RateLimit.Limit, h.RateLimit.On, "calls that a window has")
	add(h.RateLimit.Remaining, h.RateLimit.On, "calls that are left of it")
	add(h.RateLimit.Reset, h.RateLimit.On, "when all of them are free again, "+formOf(h.RateLimit.ResetFormat))
	if h.RateLimit.IETF {
		add("RateLimit", h.RateLimit.On, "what is left of each limit (IETF draft)")
		add("RateLimit-Policy", h.RateLimit.On, "the limits (IETF draft)")
	}
	add(h.Code, contract.On{All: true}, "code of an error")
	if replayed := b.contract.Idempotency.Replayed; replayed.Name != "" {
		t.Rows = append(t.Rows, []text{mono(replayed.Name), plain("answers that are given once more"), mono(replayed.Value)})
	}
	return t
}

// disclosed are the conditions of keys, in the order in which they are met.
var disclosed = []condition.Condition{
	condition.KeyMissing, condition.KeyMalformed, condition.KeyUnknown, condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated,
	condition.AccountSuspended, condition.PaymentRequired, condition.PermissionDenied, condition.FeatureUnavailable,
}

func (b *book) keys() *page {
	c := b.contract
	p := &page{Name: keyPage, Title: "Keys", Lead: plain("How to prove who is calling, and what is said when a key does not work.")}
	p.add("credentials", "Where the key goes", func(s *section) {
		t := &table{Caption: "Credentials", Heads: []string{"In", "Name", "Value"}}
		for _, x := range c.Auth.Schemes {
			t.Rows = append(t.Rows, []text{plain(x.In), mono(x.Name), mono(x.Prefix + "KEY")})
		}
		s.table(t)
		if len(c.Auth.Schemes) == 0 {
			s.say(plain("Every operation can be called without a key."))
		}
	})
	if len(c.Auth.Schemes) == 0 {
		return p
	}
	p.add("forms", "What keys look like", func(s *section) {
		t := &table{Caption: "Forms of keys", Heads: []string{"Environment", "Begins with"}}
		for _, e := range c.Auth.Key.Environments {
			t.Rows = append(t.Rows, []text{plain(e.Name), mono(e.Prefix)})
		}
		s.table(t)
	})
	p.add("states", "When a key does not work", func(s *section) {
		t := &table{Caption: "States of keys and accounts", Heads: []string{"State", "Means", "Code", "Status"}}
		for _, of := range disclosed {
			e, _ := condition.Lookup(of)
			x, status := c.For(of)
			t.Rows = append(t.Rows, []text{mono(string(of)), plain(e.Meaning), linked(x), chipText(classOf(status), strconv.Itoa(status))})
		}
		s.table(t)
		s.say(plain("That a key has expired, was revoked or switched off is told only to whoever sent all of it. Everybody else learns that it is unknown."))
	})
	p.add("permissions", "Permissions", func(s *section) { s.say(codes(c.Permissions)) })
	p.add("features", "Features", func(s *section) {
		t := &table{Caption: "Features and the plans that include them", Heads: []string{"Feature", "Title", "Plans"}}
		for _, f := range c.Features {
			var plans []string
			for _, x := range c.Plans {
				if x.Includes(f.Name) {
					plans = append(plans, x.Name)
				}
			}
			t.Rows = append(t.Rows, []text{mono(f.Name), plain(f.Title), codes(plans)})
		}
		s.table(t)
	})
	return p
}

func (b *book) limits() *page {
	c := b.contract
	p := &page{Name: limitPage, Title: "Limits", Lead: plain("What each plan grants, what calls take of it, and what is said when it is used up.")}
	p.add("plans", "By plan", func(s *section) {
		t := &table{Caption: "Plans", Heads: []string{"Plan", "Price", "Calls", "Credits", "Allowances", "Storage", "At once", "Features"}}
		for _, x := range c.Plans {
			quotas := make([]text, 0, len(x.Quotas))
			for _, q := range x.Quotas {
				quotas = append(quotas, plain(grouped(q.Amount)+" "+q.Name+" per "+q.Per))
			}
			var storage, once text
			if x.Storage > 0 {
				storage = plain(bytesOf(x.Storage))
			}
			if x.Concurrency > 0 {
				once = number(x.Concurrency)
			}
			t.Rows = append(t.Rows, []text{
				mono(x.Name), plain(x.Price), ratesOf(x.Rates), plain(x.Credits), joined("; ", quotas), storage, once, codes(x.Features),
			})
		}
		s.table(t)
	})
	p.add("windows", "How limits free up", func(s *section) {
		t := &table{Caption: "Rates", Heads: []string{"Of", "Calls", "Counted for", "Frees up"}}
		row := func(of text, r contract.Rate) {
			t.Rows = append(t.Rows, []text{of, rateOf(r), plain(scopeOf(r.Scope)), plain(refills(r.Algorithm))})
		}
		for _, x := range c.Plans {
			for _, r := range x.Rates {
				row(mono(x.Name), r)
			}
		}
		for _, o := range c.Operations {
			for _, r := range o.Rates {
				row(mono(o.Method+" "+o.Path), r)
			}
		}
		s.table(t)
		if slices.ContainsFunc(c.Plans, func(x *contract.Plan) bool { return len(x.Quotas) > 0 }) {
			s.say(plain("Allowances begin anew with the calendar month or day, in UTC."))
		}
	})
	p.add("balances", "Balances", func(s *section) {
		t := &table{Caption: "What is paid in beforehand", Heads: []string{"Balance", "Title"}}
		for _, x := range c.Balances {
			t.Rows = append(t.Rows, []text{mono(x.Name), plain(x.Title)})
		}
		s.table(t)
	})
	p.add("takes", "What calls take", func(s *section) {
		t := &table{Caption: "Operations that take more than one call", Heads: []string{"Operation", "Takes"}}
		for _, o := range c.Operations {
			if takes := takesOf(o); len(takes) > 0 {
				t.Rows = append(t.Rows, []text{mono(o.Method + " " + o.Path), takes})
			}
		}
		s.table(t)
	})
	p.add("refusals", "When a limit is reached", func(s *section) { s.table(b.refusals()) })
	return p
}

// refusals tell how each kind of limit refuses.
func (b *book) refusals() *table {
	t := &table{Caption: "Refusals", Heads: []string{"Limit", "Code", "Status", "Retry"}}
	for _, x := range []struct {
		name string
		of   condition.Condition
	}{
		{"calls per time", condition.RateLimited},
		{"allowance of a period", condition.QuotaExhausted},
		{"balance", condition.BalanceInsufficient},
		{"storage", condition.StorageExhausted},
		{"calls at once", condition.ConcurrencyExceeded},
		{"the service has too much work", condition.Overloaded},
	} {
		code, status := b.contract.For(x.of)
		t.Rows = append(t.Rows, []text{plain(x.name), linked(code), chipText(classOf(status), strconv.Itoa(status)), b.advice(code)})
	}
	return t
}

func takesOf(o *contract.Operation) text {
	var parts []text
	if o.Cost > 1 {
		parts = append(parts, plain(grouped(o.Cost)+" calls"))
	}
	for _, x := range o.Charges {
		parts = append(parts, plain(grouped(x.Amount)+" ").and(mono(x.Name)))
	}
	if o.Slot {
		parts = append(parts, plain("a slot while it runs"))
	}
	if o.Stores {
		parts = append(parts, plain("storage for its body"))
	}
	return joined(", ", parts)
}

func (b *book) idempotency() *page {
	i := &b.contract.Idempotency
	if i.Header == "" {
		return nil
	}
	p := &page{Name: idempotencyPage, Title: "Repeated writes", Lead: plain("What an idempotency key protects, and for how long.")}
	p.add("promise", "The promise", func(s *section) {
		s.say(plain("A write with the same key in ").and(mono(i.Header), plain(" is done at most once while the key is remembered. A repetition of a call that has ended gets the same answer again.")))
		replay := text(nil)
		if i.Replayed.Name != "" {
			replay = mono(i.Replayed.Name + ": " + i.Replayed.Value)
		}
		s.facts("The promise", [][2]text{
			{plain("Request header"), mono(i.Header)},
			{plain("Methods"), codes(i.Methods)},
			{plain("A key is remembered for"), plain(brief(i.Keep))},
			{plain("An answer that is given once more has"), replay},
			{plain("A repetition while the first call runs"), plain(duplicateOf(i))},
			{plain("A repetition when nobody knows how the first call ended"), plain(unknownOf(i.Unknown))},
			{plain("Longest answer that is kept"), plain(bytesOf(i.MaxResponse))},
			{plain("Headers that are kept besides those of the body"), codes(i.Headers)},
		})
	})
	p.add("refusals", "What can be said about a key", func(s *section) {
		t := &table{Caption: "Errors about idempotency keys", Heads: []string{"What happened", "Code", "Status", "Retry"}}
		for _, of := range []condition.Condition{
			condition.IdempotencyMismatch, condition.IdempotencyInProgress, condition.IdempotencyOutcomeUnknown, condition.IdempotencyNotReplayable,
		} {
			e, _ := condition.Lookup(of)
			code, status := b.contract.For(of)
			t.Rows = append(t.Rows, []text{plain(e.Meaning), linked(code), chipText(classOf(status), strconv.Itoa(status)), b.advice(code)})
		}
		s.table(t)
	})
	p.add("operations", "Operations with a rule of their own", func(s *section) {
		t := &table{Caption: "Operations", Heads: []string{"Operation", "Key", "When nobody knows how the first call ended"}}
		for _, o := range b.contract.Operations {
			var key, unknown text
			switch o.Idempotency {
			case "required":
				key = plain("required")
			case "off":
				key = plain("not looked at")
			}
			if o.Unknown != "" && o.Unknown != i.Unknown {
				unknown = plain(unknownOf(o.Unknown))
			}
			if len(key)+len(unknown) > 0 {
				t.Rows = append(t.Rows, []text{mono(o.Method + " " + o.Path), key, unknown})
			}
		}
		s.table(t)
	})
	return p
}

func duplicateOf(i *contract.Idempotency) string {
	if i.InFlight == "wait" {
		return "waits for the answer of the first, up to " + brief(i.Wait)
	}
	return "is refused"
}

func unknownOf(policy string) string {
	switch policy {
	case "reexecute":
		return "is done again"
	case "reconcile":
		return "is answered once the service has been asked what became of it"
	}
	return "is refused"
}

func (b *book) operations() *page {
	c := b.contract
	p := &page{Name: operationPage, Title: "Operations", Lead: plain("What each call needs, what it takes, and the errors that only it has.")}
	if len(c.Operations) == 0 {
		return nil
	}
	p.add("operations", "Operations", func(s *section) {
		t := &table{Caption: "Operations", Heads: []string{"Call", "Does", "Needs", "Takes", "Only here"}, Filtered: true}
		for _, o := range c.Operations {
			needs := []text{mono(o.Permission), mono(o.Feature)}
			if o.Public {
				needs = []text{plain("no key")}
			}
			var own []*contract.Code
			for _, x := range c.Codes {
				if slices.Contains(x.Operations, o.ID) {
					own = append(own, x)
				}
			}
			t.Rows = append(t.Rows, []text{mono(o.Method + " " + o.Path), plain(o.Summary), joined(", ", needs), takesOf(o), b.linkedAll(own)})
		}
		s.table(t)
	})
	return p
}

func (b *book) tests() *page {
	c := b.contract
	p := &page{Name: testPage, Title: "Tests and notes", Lead: plain("Scenarios to test a client with, and places where the API's documents disagree.")}
	p.add("scenarios", "Scenarios", func(s *section) {
		t := &table{Caption: "Scenarios", Heads: []string{"Scenario", "Call", "Headers", "Body", "At once", "Status", "Code"}}
		for _, x := range c.Scenarios {
			var headers []text
			for _, h := range slices.Sorted(maps.Keys(x.Headers)) {
				headers = append(headers, mono(h+": "+x.Headers[h]))
			}
			var of, times text
			if known, ok := c.Code(x.Code); ok {
				of = linked(known)
			}
			if x.Times > 1 {
				times = number(x.Times)
			}
			t.Rows = append(t.Rows, []text{
				plain(x.Name), mono(x.Method + " " + x.Path), joined(", ", headers), mono(x.Body), times, chipText(classOf(x.Status), strconv.Itoa(x.Status)), of,
			})
		}
		s.table(t)
	})
	p.add("notes", "Where documents disagree", func(s *section) {
		t := &table{Caption: "Notes", Heads: []string{"About", "The document says", "But", "Promised here"}}
		for _, n := range c.Notes {
			t.Rows = append(t.Rows, []text{plain(n.About), plain(n.Says), plain(n.But), plain(n.Promised)})
		}
		s.table(t)
	})
	if len(p.Sections) == 0 {
		return nil
	}
	return p
}

// retries shown in the table of waits.
const shownWaits = 5

// between is a span of time.
func between(low, high time.Duration) text {
	if high == low {
		return plain(brief(low))
	}
	return plain(brief(low) + " to " + brief(high))
}
