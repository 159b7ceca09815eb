package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

// codeJSON is one meaning of a code in explain CODE --json.
type codeJSON struct {
	API        string   `json:"api"`
	Name       string   `json:"name"`
	Code       *string  `json:"code"`
	Status     int      `json:"status"`
	Also       []string `json:"also,omitempty"`
	Conditions []string `json:"conditions"`
	Type       string   `json:"type,omitempty"`
	Message    string   `json:"message,omitempty"`
	Meaning    string   `json:"meaning,omitempty"`
	Cause      string   `json:"cause,omitempty"`
	Remedy     string   `json:"remedy,omitempty"`
	Friendly   string   `json:"friendly,omitempty"`
	Fault      string   `json:"fault,omitempty"`
	Retry      string   `json:"retry"`
	Retryable  bool     `json:"retryable"`
	Envelope   string   `json:"envelope,omitempty"`
	Operations []string `json:"operations,omitempty"`
	Since      string   `json:"since,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	DocURL     string   `json:"doc_url,omitempty"`
	Beyond     bool     `json:"beyond"`
	Sample     string   `json:"sample,omitempty"`
	Source     string   `json:"source,omitempty"`
}

// conditionJSON is a word of the vocabulary in explain CONDITION --json.
type conditionJSON struct {
	Condition string `json:"condition"`
	Status    int    `json:"status"`
	Retry     string `json:"retry"`
	Fault     string `json:"fault"`
	Meaning   string `json:"meaning"`
	Remedy    string `json:"remedy"`
}

// found is what a word stands for.
type found struct {
	codes     []contract.Explanation
	condition *condition.Entry
}

func (x *explainCmd) code(c *console) error {
	contracts, err := x.contracts()
	if err != nil {
		return err
	}
	hits := lookUp(x.Code, contracts)
	if len(hits.codes) == 0 && hits.condition == nil {
		return x.unknown(contracts)
	}
	if x.JSON {
		return c.json(hits.json(x.Code))
	}
	p := c.painterFor(c.stdout)
	if e := hits.condition; e != nil {
		if err := c.showCondition(p, e); err != nil {
			return err
		}
	}
	for i := range hits.codes {
		if i > 0 || hits.condition != nil {
			if err := c.print("\n"); err != nil {
				return err
			}
		}
		if err := c.showCode(p, &hits.codes[i]); err != nil {
			return err
		}
	}
	return nil
}

// contracts to look into: the one that is named, or all built-in ones.
func (x *explainCmd) contracts() ([]*contract.Contract, error) {
	names := builtin.Names()
	if x.Contract != "" {
		names = []string{x.Contract}
	}
	list := make([]*contract.Contract, 0, len(names))
	for _, name := range names {
		loaded, err := loadContract(name)
		if err != nil {
			return nil, err
		}
		list = append(list, loaded)
	}
	return list, nil
}

// lookUp finds codes by what is sent or by their name, in any case; else codes
// by condition or status.
func lookUp(word string, contracts []*contract.Contract) found {
	var hits found
	add := func(fits func(*contract.Code) bool) {
		for _, c := range contracts {
			for _, code := range c.Codes {
				if fits(code) {
					hits.codes = append(hits.codes, c.Explain(code))
				}
			}
		}
	}
	add(func(code *contract.Code) bool { return code.Wire == word || code.Name == word })
	if len(hits.codes) == 0 {
		add(func(code *contract.Code) bool {
			return strings.EqualFold(code.Wire, word) || strings.EqualFold(code.Name, word)
		})
	}
	if e, ok := condition.Lookup(condition.Condition(strings.ToLower(word))); ok {
		hits.condition = &e
		if len(hits.codes) == 0 {
			add(func(code *contract.Code) bool { return code.Means(e.Condition) })
		}
	}
	if status, err := strconv.Atoi(word); err == nil && len(hits.codes) == 0 {
		add(func(code *contract.Code) bool { return code.Allows(status) })
	}
	return hits
}

// unknown suggests what may have been meant.
func (x *explainCmd) unknown(contracts []*contract.Contract) error {
	var names, holding []string
	add := func(name, api string) {
		if name == "" || slices.Contains(names, name) {
			return
		}
		names = append(names, name)
		if strings.Contains(strings.ToLower(name), strings.ToLower(x.Code)) {
			holding = append(holding, name+" ("+api+")")
		}
	}
	for _, c := range contracts {
		for _, code := range c.Codes {
			add(code.Wire, c.API)
			add(code.Name, c.API)
		}
	}
	for _, e := range condition.All() {
		add(string(e.Condition), "any API")
	}
	what := fmt.Errorf("no built-in contract has a code %q", x.Code)
	if x.Contract != "" {
		what = fmt.Errorf("the contract %s has no code %q", x.Contract, x.Code)
	}
	hint := contract.DidYouMean(x.Code, names)
	switch {
	case len(holding) > 0:
		hint = "there is " + strings.Join(holding[:min(len(holding), 8)], ", ")
	case strings.HasPrefix(hint, "known are"):
		hint = "failwell contract show NAME lists the codes of a contract"
	}
	return hinted(what, hint)
}

func (c *console) showCondition(p painter, e *condition.Entry) error {
	if err := c.printf("%s  a condition, usually %s\n", p.bold(string(e.Condition)), p.status(e.Status)); err != nil {
		return err
	}
	return c.pairs(p, [][2]string{
		{"what happened", e.Meaning}, {"whose fault", whoActs(e.Fault)}, {"what to do", e.Remedy},
		{"send again", advice(&contract.Explanation{Retry: e.Retry})},
	})
}

func (c *console) showCode(p painter, x *contract.Explanation) error {
	title := p.bold(x.Name)
	if x.Code != x.Name {
		title += " (sent as " + x.Code + ")"
		if x.Code == "" {
			title = p.bold(x.Name) + " (no code is sent)"
		}
	}
	if err := c.printf("%s  %s in %s\n", title, p.status(x.Status), x.API); err != nil {
		return err
	}
	beyond := ""
	if x.Beyond {
		beyond = "the API's own document does not list it; a gateway needs it"
	}
	return c.pairs(p, [][2]string{
		{"message", x.Message}, {"what happened", x.Meaning}, {"cause", x.Cause}, {"whose fault", whoActs(x.Fault)}, {"what to do", x.Remedy},
		{"send again", advice(x)}, {"for end users", x.Friendly}, {"conditions", words(x.Conditions)}, {"also under", ranges(x.Others)},
		{"only in", words(x.Operations)}, {"since", x.Since}, {"deprecated", x.Deprecated}, {"more", x.DocURL}, {"note", beyond}, {"sample", sampleText(&x.Sample)},
	})
}

// sampleText is a sample as curl -i would print it, JSON indented.
func sampleText(s *contract.Sample) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP %d", s.Status)
	for _, h := range s.Headers {
		fmt.Fprintf(&b, "\n%s: %s", h.Name, h.Value)
	}
	b.WriteByte('\n')
	if json.Indent(&b, s.Body, "", "  ") != nil {
		b.Write(s.Body)
	}
	return b.String()
}

func ranges(list []contract.StatusRange) string {
	parts := make([]string, len(list))
	for i, r := range list {
		parts[i] = strconv.Itoa(r.From)
		switch {
		case r.From%100 == 0 && r.To == r.From+99:
			parts[i] = strconv.Itoa(r.From/100) + "xx"
		case r.To != r.From:
			parts[i] += "-" + strconv.Itoa(r.To)
		}
	}
	return strings.Join(parts, ", ")
}

func (f found) json(query string) any {
	out := struct {
		Query     string         `json:"query"`
		Condition *conditionJSON `json:"condition"`
		Codes     []codeJSON     `json:"codes"`
	}{Query: query, Codes: []codeJSON{}}
	if e := f.condition; e != nil {
		out.Condition = &conditionJSON{string(e.Condition), e.Status, string(e.Retry), string(e.Fault), e.Meaning, e.Remedy}
	}
	for i := range f.codes {
		out.Codes = append(out.Codes, codeOf(&f.codes[i]))
	}
	return out
}

func codeOf(x *contract.Explanation) codeJSON {
	j := codeJSON{
		API: x.API, Name: x.Name, Code: orNull(x.Code), Status: x.Status, Conditions: []string{}, Type: x.Type, Message: x.Message,
		Meaning: x.Meaning, Cause: x.Cause, Remedy: x.Remedy, Friendly: x.Friendly, Fault: string(x.Fault), Retry: string(x.Retry),
		Retryable: x.Retryable, Envelope: x.Envelope, Operations: x.Operations, Since: x.Since, Deprecated: x.Deprecated,
		DocURL: x.DocURL, Beyond: x.Beyond, Sample: string(x.Sample.Body), Source: fmt.Sprintf("%s:%d", x.Pos.File, x.Pos.Line),
	}
	for _, of := range x.Conditions {
		j.Conditions = append(j.Conditions, string(of))
	}
	for _, r := range x.Others {
		j.Also = append(j.Also, ranges([]contract.StatusRange{r}))
	}
	return j
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
