package docs

import (
	"encoding/json"
	"fmt"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// twin is a page as programs read it. Tables and texts are those of the page.
type twin struct {
	Page     string        `json:"page"`
	Title    string        `json:"title"`
	Summary  string        `json:"summary,omitempty"`
	Error    any           `json:"error,omitempty"`
	Sections []twinSection `json:"sections"`
}

type twinSection struct {
	ID     string      `json:"id"`
	Title  string      `json:"title"`
	Texts  []string    `json:"texts,omitempty"`
	Tables []twinTable `json:"tables,omitempty"`
	Code   []twinCode  `json:"code,omitempty"`
}

type twinTable struct {
	About   string     `json:"about"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

type twinCode struct {
	Language string `json:"language"`
	Label    string `json:"label"`
	Text     string `json:"text"`
}

func jsonOf(p *page) ([]byte, error) {
	t := twin{Page: p.Name, Title: p.Title, Summary: p.Lead.String(), Error: p.Data, Sections: make([]twinSection, 0, len(p.Sections))}
	for _, s := range p.Sections {
		x := twinSection{ID: s.ID, Title: s.Title}
		for i := range s.Blocks {
			x.add(&s.Blocks[i])
		}
		t.Sections = append(t.Sections, x)
	}
	out, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	return append(out, '\n'), nil
}

func (x *twinSection) add(b *block) {
	switch {
	case b.Table != nil:
		rows := make([][]string, len(b.Table.Rows))
		for i, cells := range b.Table.Rows {
			rows[i] = appendTexts(rows[i], cells)
		}
		x.Tables = append(x.Tables, twinTable{b.Table.Caption, b.Table.Heads, rows})
	case b.Listing != nil:
		x.Code = append(x.Code, twinCode{b.Listing.Language, b.Listing.Label, b.Listing.Text})
	case b.List != nil:
		x.Texts = appendTexts(x.Texts, b.List)
	default:
		x.Texts = append(x.Texts, b.Text.String())
	}
}

func appendTexts(dst []string, list []text) []string {
	for _, t := range list {
		dst = append(dst, t.String())
	}
	return dst
}

// errorData is a code as programs read it. Absent members say nothing.
type errorData struct {
	API        string          `json:"api"`
	Code       *string         `json:"code"`
	Name       string          `json:"name"`
	Status     int             `json:"status"`
	Statuses   string          `json:"statuses"`
	Conditions []string        `json:"conditions"`
	Fault      condition.Fault `json:"fault"`
	Retry      condition.Retry `json:"retry"`
	Retryable  bool            `json:"retryable"`
	Type       string          `json:"type,omitempty"`
	Subcode    string          `json:"subcode,omitempty"`
	Messages   []string        `json:"messages"`
	Meaning    string          `json:"meaning,omitempty"`
	Cause      string          `json:"cause,omitempty"`
	Remedy     string          `json:"remedy,omitempty"`
	Friendly   string          `json:"friendly,omitempty"`
	Since      string          `json:"since,omitempty"`
	Deprecated string          `json:"deprecated,omitempty"`
	DocURL     string          `json:"doc_url,omitempty"`
	Params     []paramData     `json:"params"`
	Envelope   string          `json:"envelope"`
	Schema     json.RawMessage `json:"schema,omitempty"`
	Sample     sampleData      `json:"sample"`
}

type paramData struct {
	Name     string             `json:"name"`
	Type     contract.ParamType `json:"type"`
	Required bool               `json:"required"`
	Doc      string             `json:"doc,omitempty"`
}

type sampleData struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Body is exactly what is sent.
	Body string `json:"body"`
}

func codeData(b *book, c *contract.Code, x *contract.Explanation) errorData {
	d := errorData{
		API: b.contract.API, Name: c.Name, Status: c.Status, Statuses: statusesOf(c), Conditions: []string{}, Fault: x.Fault, Retry: x.Retry,
		Retryable: x.Retryable, Type: c.Type, Subcode: c.Subcode, Messages: []string{}, Meaning: x.Meaning, Cause: x.Cause, Remedy: x.Remedy,
		Friendly: x.Friendly, Since: c.Since, Deprecated: c.Deprecated, DocURL: c.DocURL, Params: []paramData{}, Envelope: x.Envelope,
		Schema: b.contract.ErrorSchema(c.Envelope, c),
		Sample: sampleData{x.Sample.Status, map[string]string{}, string(x.Sample.Body)},
	}
	if c.Wire != "" {
		d.Code = &c.Wire
	}
	for _, m := range c.Is {
		d.Conditions = append(d.Conditions, string(m.Condition))
	}
	for _, t := range c.Messages {
		d.Messages = append(d.Messages, t.String())
	}
	for _, p := range c.Params {
		d.Params = append(d.Params, paramData{p.Name, p.Type, p.Required, p.Doc})
	}
	for _, h := range x.Sample.Headers {
		d.Sample.Headers[h.Name] = h.Value
	}
	return d
}
