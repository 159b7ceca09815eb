package docs_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen/docs"
)

// tables are those of an API's own document, as contract/builtin/testdata
// restates them.
type tables struct {
	Statuses []struct {
		Status int
		Name   string
	}
	Codes []struct {
		Code   string
		Status int
		Also   []int
		Retry  string
		Type   string
		Params []string
	}
	Headers []struct {
		Name string
		On   []int
	}
	Uses []struct {
		Operation    string
		Charge       map[string]int64
		Slot, Stores bool
	}
	Idempotency struct {
		Header, Replayed, Value string
		Methods                 []string
		Keep                    time.Duration
	}
	Auth       []contract.Scheme
	Conditions []struct {
		Condition, Code string
		Status          int
	}
	Client struct {
		Attempts     int
		Timeout      time.Duration
		Retried      []int
		NotRetried   []int `yaml:"not_retried"`
		Waits        []struct{ Low, High time.Duration }
		DefaultWaits map[int]time.Duration `yaml:"default_waits"`
		Network      string
		Classes      map[string]struct {
			Base      string
			Statuses  []int
			Languages []string
		}
		Log []string
	}
	Friendly  [][]string
	Scenarios []struct {
		Method, Path, Body string
		Headers            map[string]string
		Times, Status      int
		Code               string
	}
	Plans []struct {
		Plan, Price, Credits string
		Limit                int64
		Per                  time.Duration
		Storage              int64
		Concurrency          int
		Quota                map[string]int64
		Features             []string
	}
	Samples []struct {
		Envelope string
		Code     string
		Type     string
		Params   map[string]any
	}
}

// reference looks things up in the pages of one API, as a reader does.
type reference struct {
	t     *testing.T
	c     *contract.Contract
	site  *docs.Site
	pages map[string]*document
}

func (r *reference) page(name string) *document {
	r.t.Helper()
	if r.pages[name] == nil {
		_, data, ok := r.site.Page(name, "text/html")
		if !ok {
			r.t.Fatalf("there is no page %q", name)
		}
		r.pages[name] = parse(r.t, data)
	}
	return r.pages[name]
}

// row finds the row of a table that begins with first.
func (r *reference) row(page, caption, first string) []string {
	r.t.Helper()
	for _, row := range r.page(page).tables[caption] {
		if row[0] == first {
			return row
		}
	}
	r.t.Errorf("%s: the table %q has no row %q", page, caption, first)
	return nil
}

// holds reports a row that lacks some of the words.
func (r *reference) holds(row []string, words ...string) {
	r.t.Helper()
	for _, word := range words {
		if row != nil && word != "" && !slices.ContainsFunc(row, func(cell string) bool { return strings.Contains(cell, word) }) {
			r.t.Errorf("%q is missing in %q", word, row)
		}
	}
}

var advice = map[string]string{
	"never": "no", "after_wait": "after the wait", "backoff": "with growing waits", "same_key": "with the same key", "new_key": "with a new key", "after_action": "after acting",
}

// Every row of every table of the five documents stands in the reference that
// is made from their contracts.
func TestReferenceHoldsTheDocuments(t *testing.T) {
	t.Parallel()
	for _, api := range []string{"hume", "jobs", "heppu", "aionvision", "hebbrix"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("../../contract/builtin/testdata/" + api + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			var d tables
			if err := yaml.Unmarshal(data, &d); err != nil {
				t.Fatal(err)
			}
			if len(d.Statuses) == 0 || len(d.Codes) == 0 {
				t.Fatal("the tables are empty")
			}
			c := get(t, api)
			r := &reference{t: t, c: c, site: site(t, c), pages: map[string]*document{}}
			r.catalogue(&d)
			r.keys(&d)
			r.limits(&d)
			r.clients(&d)
			r.rest(&d)
		})
	}
}

func (r *reference) catalogue(d *tables) {
	for _, s := range d.Statuses {
		r.holds(r.row("guide/statuses", "Statuses", strconv.Itoa(s.Status)), s.Name)
	}
	for _, x := range d.Codes {
		row := r.row("index", "Every code, by status", x.Code)
		statuses := []string{strconv.Itoa(x.Status)}
		for _, s := range x.Also {
			statuses = append(statuses, strconv.Itoa(s))
		}
		r.holds(row, append(statuses, advice[x.Retry])...)
		i := slices.IndexFunc(r.c.Codes, func(c *contract.Code) bool { return c.Wire == x.Code || c.Name == x.Code })
		if i < 0 {
			r.t.Fatalf("there is no code %q", x.Code)
		}
		page := r.c.Codes[i].Slug
		if x.Type != "" {
			r.holds(r.row(page, "Details", "Type"), x.Type)
		}
		for _, name := range x.Params {
			r.row(page, "Parameters of the error", name)
		}
	}
	for _, x := range d.Conditions {
		r.holds(r.row("guide/conditions", "Conditions and their codes", x.Condition), x.Code, strconv.Itoa(x.Status))
	}
}

func (r *reference) keys(d *tables) {
	for _, x := range d.Auth {
		r.t.Run("scheme "+x.Name, func(t *testing.T) {
			for _, row := range r.page("guide/keys").tables["Credentials"] {
				if row[0] == x.In && row[1] == x.Name && row[2] == x.Prefix+"KEY" {
					return
				}
			}
			t.Errorf("no row says %+v", x)
		})
	}
	i := d.Idempotency
	if i.Header == "" {
		return
	}
	of := func(what string) []string { return r.row("guide/repeated-writes", "The promise", what) }
	r.holds(of("Request header"), i.Header)
	r.holds(of("Methods"), i.Methods...)
	r.holds(of("A key is remembered for"), strings.TrimSuffix(i.Keep.String(), "0m0s"))
	r.holds(of("An answer that is given once more has"), i.Replayed+": "+i.Value)
}

func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (r *reference) limits(d *tables) {
	for _, x := range d.Plans {
		row := r.row("guide/limits", "Plans", x.Plan)
		words := []string{x.Price, x.Credits}
		if x.Limit > 0 {
			words = append(words, grouped(x.Limit)+" per "+map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour"}[x.Per])
		}
		if x.Concurrency > 0 {
			words = append(words, strconv.Itoa(x.Concurrency))
		}
		if x.Storage > 0 {
			words = append(words, grouped(x.Storage/1e9)+" GB")
		}
		for name, amount := range x.Quota {
			words = append(words, grouped(amount)+" "+name)
		}
		r.holds(row, append(words, x.Features...)...)
	}
	for _, x := range d.Uses {
		var words []string
		for name, amount := range x.Charge {
			words = append(words, grouped(amount)+" "+name)
		}
		if x.Slot {
			words = append(words, "a slot")
		}
		if x.Stores {
			words = append(words, "storage")
		}
		i := slices.IndexFunc(r.c.Operations, func(o *contract.Operation) bool { return o.ID == x.Operation })
		if i < 0 {
			r.t.Fatalf("there is no operation %q", x.Operation)
		}
		o := r.c.Operations[i]
		r.holds(r.row("guide/limits", "Operations that take more than one call", o.Method+" "+o.Path), words...)
	}
	for _, x := range d.Headers {
		row := r.row("guide/shapes", "Response headers", x.Name)
		for _, status := range x.On {
			if row != nil && row[1] != "every response" {
				r.holds(row, strconv.Itoa(status))
			}
		}
	}
}

func (r *reference) clients(d *tables) {
	const page = "guide/clients"
	r.holds(r.row(page, "Rules", "Tries of one call, the first included"), strconv.Itoa(d.Client.Attempts))
	if d.Client.Timeout > 0 {
		r.holds(r.row(page, "Rules", "Timeout of one try"), strings.TrimSuffix(d.Client.Timeout.String(), "0s"))
	}
	for i, x := range d.Client.Waits {
		row := r.row(page, "Waits without a hint", strconv.Itoa(i+1))
		if row != nil && row[1] != x.Low.String()+" to "+x.High.String() && (x.Low != x.High || row[1] != x.Low.String()) {
			r.t.Errorf("wait %d is %q, want %s to %s", i+1, row[1], x.Low, x.High)
		}
	}
	for status, wait := range d.Client.DefaultWaits {
		r.holds(r.row(page, "Waits that stand in for a missing hint", strconv.Itoa(status)), strings.TrimSuffix(wait.String(), "0s"))
	}
	repeated := func(status int) bool {
		rows := r.page(page).tables["Statuses, where the code is none of these"]
		for _, first := range []string{strconv.Itoa(status), "other " + strconv.Itoa(status/100) + "xx"} {
			for _, row := range rows {
				if row[0] == first {
					word := row[2]
					return word != advice["never"] && word != advice["after_action"] && word != advice["new_key"]
				}
			}
		}
		r.t.Errorf("nothing is said of %d", status)
		return false
	}
	for _, status := range d.Client.Retried {
		if !repeated(status) {
			r.t.Errorf("%d is not to be repeated, says the reference", status)
		}
	}
	for _, status := range d.Client.NotRetried {
		if repeated(status) {
			r.t.Errorf("%d is to be repeated, says the reference", status)
		}
	}
	for name, x := range d.Client.Classes {
		words := append([]string{x.Base}, x.Languages...)
		for _, s := range x.Statuses {
			words = append(words, strconv.Itoa(s))
		}
		r.holds(r.row(page, "Errors of the API's own clients", name), words...)
	}
	if !strings.Contains(r.page(page).text, strings.Join(d.Client.Log, ", ")) {
		r.t.Errorf("%v is not to be logged", d.Client.Log)
	}
}

func (r *reference) rest(d *tables) {
	for _, group := range d.Friendly {
		found := false
		for _, row := range r.page("guide/clients").tables["Texts for end users"] {
			all := true
			for _, code := range group {
				if code == "" {
					code = "any code that is not listed"
				}
				all = all && strings.Contains(row[1], code)
			}
			found = found || all
		}
		if !found {
			r.t.Errorf("no text is for %q together", group)
		}
	}
	for _, x := range d.Scenarios {
		found := slices.ContainsFunc(r.page("guide/tests").tables["Scenarios"], func(row []string) bool {
			all := strings.Join(row, "\n")
			ok := strings.Contains(all, x.Method+" "+x.Path) && strings.Contains(all, strconv.Itoa(x.Status)) && strings.Contains(all, x.Code) && strings.Contains(all, x.Body)
			for k, v := range x.Headers {
				ok = ok && strings.Contains(all, k+": "+v)
			}
			return ok && (x.Times < 2 || slices.Contains(row, strconv.Itoa(x.Times)))
		})
		if !found {
			r.t.Errorf("no scenario is %+v", x)
		}
	}
	for _, x := range d.Samples {
		if x.Envelope != "" && !r.page("guide/shapes").ids[x.Envelope] {
			r.t.Errorf("no shape is called %q", x.Envelope)
		}
	}
}
