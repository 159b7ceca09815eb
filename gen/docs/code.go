package docs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// code makes the page of one code.
func (b *book) code(c *contract.Code) *page {
	x := b.contract.Explain(c)
	actor, acts := actorOf(x.Fault)
	word, advice := adviceOf(x.Retry)
	p := &page{Name: c.Slug, Title: name(c), Code: true, Status: c.Status, Lead: plain(x.Meaning)}
	status, others, several := strings.Cut(statusesOf(c), ", ")
	status += " " + reasonOf(b.contract, c.Status)
	if several {
		status += ", also " + others
	}
	p.Chips = []chip{
		{classOf(c.Status), "Status", status},
		{kindOf(x.Retry), "Retry", word},
		{"plain", "Who acts", actor},
	}
	if c.Wire == "" {
		p.Chips = append(p.Chips, chip{"plain", "Code", "none is sent"})
	}
	if c.Deprecated != "" {
		p.Chips = append(p.Chips, chip{"warn", "Deprecated", c.Deprecated})
	}
	if c.Since != "" {
		p.Chips = append(p.Chips, chip{"plain", "Since", c.Since})
	}
	p.add("cause", "Why it happens", func(s *section) { s.say(plain(x.Cause), plain(acts)) })
	p.add("remedy", "What to do", func(s *section) {
		s.say(plain(x.Remedy))
		s.say(plain(advice).and(b.waits(c, x.Retry)))
	})
	p.add("sample", "What is sent", func(s *section) {
		s.listing("http", "Response", responseOf(x.Sample))
		s.say(plain("In the shape ").and(text{{Text: x.Envelope, Href: shapePage + "#" + x.Envelope, Code: true}}, plain(". Values are made up.")))
		b.params(s, c)
	})
	p.add("catch", "How to catch it", func(s *section) {
		for _, l := range catches(b.contract, c) {
			s.Blocks = append(s.Blocks, block{Listing: &l})
		}
	})
	if b.options.Sandbox != nil {
		p.add("force", "How to provoke it", func(s *section) { b.force(s, c) })
	}
	p.add("details", "Details", func(s *section) { b.details(s, c, &x) })
	p.Data = codeData(b, c, &x)
	return p
}

// waits tells how long to wait before the first repetition.
func (b *book) waits(c *contract.Code, r condition.Retry) text {
	rules := &b.contract.Client
	if !r.Retryable() {
		return nil
	}
	var parts []text
	if r == condition.AfterWait {
		if wait, ok := rules.DefaultWaits[c.Status]; ok {
			parts = append(parts, plain(" Without one, wait "+brief(wait)+"."))
		}
	} else if rules.Backoff.First > 0 {
		parts = append(parts, plain(" The first wait is "+brief(rules.Backoff.First)+"."))
	}
	if rules.Attempts > 1 {
		parts = append(parts, plain(fmt.Sprintf(" Try at most %d times in all.", rules.Attempts)))
	}
	return joined("", parts).and(plain(" See "), link("rules for clients", clientPage), plain("."))
}

// responseOf is the sample as it goes over the wire, the body laid out for reading.
func responseOf(s contract.Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", s.Status, http.StatusText(s.Status))
	for _, h := range s.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	b.WriteString("\n")
	var body bytes.Buffer
	if json.Indent(&body, s.Body, "", "  ") != nil {
		return b.String() + string(s.Body)
	}
	return b.String() + body.String()
}

func (b *book) params(s *section, c *contract.Code) {
	t := &table{Caption: "Parameters of the error", Heads: []string{"Parameter", "Type", "What it tells", "Example"}}
	for _, x := range c.Params {
		kind := string(x.Type)
		if x.Type == contract.TypeTime {
			kind = cmp.Or(formOf(x.Format), formOf(contract.RFC3339))
		}
		if x.Required {
			kind += ", always there"
		}
		t.Rows = append(t.Rows, []text{mono(x.Name), plain(kind), plain(x.Doc), mono(x.Example)})
	}
	s.table(t)
}

// force shows how to get the error from a stand-in.
func (b *book) force(s *section, c *contract.Code) {
	o := forcedAt(b.contract, c)
	if o == nil {
		return
	}
	box := b.options.Sandbox
	s.say(plain("Start a stand-in of the API, and put one of the keys that it prints into ").and(mono("KEY"), plain(":")))
	var cmd strings.Builder
	fmt.Fprintf(&cmd, "%s\n\n", box.Command)
	cmd.WriteString("curl -i")
	if o.Method != http.MethodGet {
		cmd.WriteString(" -X " + o.Method)
	}
	fmt.Fprintf(&cmd, " '%s%s'", box.URL, filled(o.Path))
	if len(b.contract.Auth.Schemes) > 0 && b.contract.Auth.Schemes[0].In == "header" {
		scheme := b.contract.Auth.Schemes[0]
		fmt.Fprintf(&cmd, " \\\n  -H \"%s: %s$KEY\"", scheme.Name, scheme.Prefix)
	}
	fmt.Fprintf(&cmd, " \\\n  -H '%s: %s'", box.Header, c.Name)
	s.listing("sh", "Shell", cmd.String())
}

// forcedAt is an operation at which the code can occur: one that needs nothing,
// where there is one.
func forcedAt(c *contract.Contract, code *contract.Code) *contract.Operation {
	var found *contract.Operation
	for _, o := range c.Operations {
		if len(code.Operations) > 0 && !slices.Contains(code.Operations, o.ID) {
			continue
		}
		needs := slices.ContainsFunc(o.Parameters, func(p contract.Parameter) bool { return p.Required })
		if o.Method == http.MethodGet && !needs {
			return o
		}
		if found == nil {
			found = o
		}
	}
	return found
}

// filled puts something into the places of a path pattern.
func filled(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			parts[i] = "example"
		}
	}
	return strings.Join(parts, "/")
}

func (b *book) details(s *section, c *contract.Code, x *contract.Explanation) {
	means := make([]text, 0, len(c.Is))
	for _, m := range c.Is {
		part := mono(string(m.Condition))
		if m.Status != 0 && m.Status != c.Status {
			part = part.and(plain(" (" + strconv.Itoa(m.Status) + ")"))
		}
		means = append(means, part)
	}
	var wire text
	if c.Wire != "" && c.Wire != c.Name || c.Wire == "" {
		wire = mono(c.Name)
	}
	said := make([]text, 0, len(c.Messages)+len(c.Translations))
	for _, t := range c.Messages {
		said = append(said, message(t))
	}
	for _, lang := range slices.Sorted(maps.Keys(c.Translations)) {
		said = append(said, plain(lang+": ").and(templates(c.Translations[lang])))
	}
	occurs := codes(c.Operations)
	own := text(nil)
	if c.Beyond {
		own = plain("The API's own document does not list this code.")
	}
	s.facts("Details", [][2]text{
		{plain("Name in the contract"), wire},
		{plain("Stands for"), joined(", ", means)},
		{plain("Type"), mono(c.Type)},
		{plain("Subcode"), mono(c.Subcode)},
		{plain("Title"), plain(c.Title)},
		{plain("Message"), joined(" / ", said)},
		{plain("For end users"), plain(x.Friendly)},
		{plain("Only in"), occurs},
		{plain("Documentation link"), elsewhere(c.DocURL)},
		{plain("Since"), plain(c.Since)},
		{plain("Deprecated"), plain(c.Deprecated)},
		{plain("Origin"), own},
	})
}
