package docs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// book is the reference in no format yet.
type book struct {
	contract *contract.Contract
	options  Options
	pages    []*page
}

// Names of the guides.
const (
	indexPage       = "index"
	statusPage      = "guide/statuses"
	conditionPage   = "guide/conditions"
	shapePage       = "guide/shapes"
	keyPage         = "guide/keys"
	limitPage       = "guide/limits"
	idempotencyPage = "guide/repeated-writes"
	clientPage      = "guide/clients"
	operationPage   = "guide/operations"
	testPage        = "guide/tests"
)

func (b *book) write() {
	for _, write := range []func() *page{
		b.index, b.statuses, b.conditions, b.shapes, b.keys, b.limits, b.idempotency, b.clients, b.operations, b.tests,
	} {
		if p := write(); p != nil {
			b.pages = append(b.pages, p)
		}
	}
	for _, code := range b.sorted() {
		b.pages = append(b.pages, b.code(code))
	}
}

// title is what people call the API.
func (b *book) title() string { return cmp.Or(b.contract.Title, b.contract.API) }

// sorted are the codes by status, otherwise in the order of the file.
func (b *book) sorted() []*contract.Code {
	list := slices.Clone(b.contract.Codes)
	slices.SortStableFunc(list, func(a, b *contract.Code) int { return cmp.Compare(a.Status, b.Status) })
	return list
}

// name is how a code is called: what is sent, or the entry's name where nothing is.
func name(c *contract.Code) string { return cmp.Or(c.Wire, c.Name) }

func linked(c *contract.Code) text { return text{{Text: name(c), Href: c.Slug, Code: true}} }

func (b *book) linkedAll(list []*contract.Code) text {
	parts := make([]text, 0, len(list))
	for _, c := range list {
		parts = append(parts, linked(c))
	}
	return joined(", ", parts)
}

func chipText(kind, s string) text { return text{{Text: s, Chip: kind}} }

func (b *book) advice(c *contract.Code) text {
	r := b.contract.RetryFor(c, c.Status)
	word, _ := adviceOf(r)
	return chipText(kindOf(r), word)
}

func (b *book) index() *page {
	c := b.contract
	p := &page{Name: indexPage, Title: b.title() + " errors", Label: "All errors"}
	p.Lead = plain("Every error of " + b.title() + ": what it means, whether to repeat the call, and what to do about it.")
	p.add("codes", "Codes", func(s *section) {
		t := &table{Caption: "Every code, by status", Heads: []string{"Code", "Status", "Meaning", "Retry", "Who acts"}, Filtered: true}
		for _, code := range b.sorted() {
			x := c.Explain(code)
			actor, _ := actorOf(x.Fault)
			t.Rows = append(t.Rows, []text{linked(code), chipText(classOf(code.Status), statusesOf(code)), plain(x.Meaning), b.advice(code), plain(actor)})
		}
		s.table(t)
		if c.OpenCodes {
			s.say(plain("The API may send codes that are not listed. Decide by the status then."))
		}
	})
	p.add("about", "About the API", func(s *section) {
		s.facts("Where the API is", [][2]text{
			{plain("Base URL"), mono(c.BaseURL)},
			{plain("Its own document"), elsewhere(c.Document)},
			{plain("Support"), elsewhere(c.Support)},
			{plain("Text for end users, where an error has none or is unknown"), templates(c.Friendly)},
		})
	})
	return p
}

// elsewhere is an address as a link, if it is one.
func elsewhere(s string) text {
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return link(s, s)
	}
	return plain(s)
}

// statusesOf lists all statuses of a code.
func statusesOf(c *contract.Code) string {
	parts := []string{strconv.Itoa(c.Status)}
	for _, m := range c.Is {
		if s := strconv.Itoa(m.Status); m.Status != 0 && !slices.Contains(parts, s) {
			parts = append(parts, s)
		}
	}
	if also := rangesOf(c.Others); also != "" {
		for s := range strings.SplitSeq(also, ", ") {
			if !slices.Contains(parts, s) {
				parts = append(parts, s)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// message is a template with its values as code.
func message(t *contract.Text) text {
	var out text
	rest := t.String()
	for rest != "" {
		before, after, found := strings.Cut(rest, "${")
		out = append(out, plain(strings.ReplaceAll(before, "$$", "$"))...)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		out, rest = append(out, mono(name)...), tail
	}
	return out
}

// templates are messages as the contract has them.
func templates(list []*contract.Text) text {
	parts := make([]text, 0, len(list))
	for _, t := range list {
		parts = append(parts, message(t))
	}
	return joined(" / ", parts)
}

func (b *book) statuses() *page {
	c := b.contract
	p := &page{Name: statusPage, Title: "Statuses", Lead: plain("What each HTTP status means in this API, and the codes that come under it.")}
	under := func(status int) (out []*contract.Code) {
		for _, code := range c.Codes {
			if code.Allows(status) {
				out = append(out, code)
			}
		}
		return out
	}
	p.add("statuses", "By status", func(s *section) {
		t := &table{Caption: "Statuses", Heads: []string{"Status", "Name", "Meaning", "Codes", "Without a code"}, Filtered: true}
		var listed []int
		row := func(status int, name string, meanings []string, without *contract.Code) {
			listed = append(listed, status)
			said := make([]text, 0, len(meanings))
			for _, m := range meanings {
				said = append(said, plain(m))
			}
			if len(said) == 0 {
				if e, ok := condition.Lookup(condition.OfStatus(status)); ok {
					said = append(said, plain(e.Meaning))
				}
			}
			var bare text
			if without != nil {
				bare = linked(without)
			}
			t.Rows = append(t.Rows, []text{chipText(classOf(status), strconv.Itoa(status)), plain(name), joined(" ", said), b.linkedAll(under(status)), bare})
		}
		for _, r := range c.Statuses {
			row(r.Status, cmp.Or(r.Name, reasonOf(c, r.Status)), r.Meanings, r.Code)
		}
		for _, code := range c.Codes {
			for _, status := range exactly(code) {
				if !slices.Contains(listed, status) {
					row(status, reasonOf(c, status), nil, nil)
				}
			}
		}
		slices.SortStableFunc(t.Rows, func(a, b []text) int { return strings.Compare(a[0].String(), b[0].String()) })
		s.table(t)
	})
	return p
}

// exactly are the statuses that a code names one by one.
func exactly(c *contract.Code) []int {
	list := []int{c.Status}
	for _, m := range c.Is {
		list = append(list, c.StatusOf(m.Condition))
	}
	for _, r := range c.Others {
		if r.From == r.To {
			list = append(list, r.From)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (b *book) conditions() *page {
	p := &page{Name: conditionPage, Title: "Conditions", Lead: plain("What can happen, in words that all contracts share, and how this API tells it.")}
	p.add("conditions", "From what happened to a code", func(s *section) {
		t := &table{Caption: "Conditions and their codes", Heads: []string{"Condition", "Means", "Code", "Status"}, Filtered: true}
		for _, e := range condition.All() {
			code, status := b.contract.For(e.Condition)
			t.Rows = append(t.Rows, []text{mono(string(e.Condition)), plain(e.Meaning), linked(code), chipText(classOf(status), strconv.Itoa(status))})
		}
		s.table(t)
		s.say(plain("A program that tests for a condition works with any API: in Go, ").and(mono("errors.Is(err, failwell.RateLimited)"), plain(".")))
	})
	return p
}
