package vectors

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

//go:embed *.yaml contracts/*.yaml
var files embed.FS

// Load reads all cases, in the order of files and of lines.
func Load() ([]Case, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	var all []Case
	seen := map[string]string{}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("vectors: %w", err)
		}
		cases, err := Parse(name, text)
		if err != nil {
			return nil, err
		}
		for i := range cases {
			c := &cases[i]
			if other, twice := seen[c.Name]; twice {
				return nil, fmt.Errorf("%s:%d: the name %q is taken in %s", c.Pos.File, c.Pos.Line, c.Name, other)
			}
			seen[c.Name] = c.Pos.File
		}
		all = append(all, cases...)
	}
	return all, nil
}

// Parse reads one file of cases. Errors name file and line.
func Parse(file string, text []byte) ([]Case, error) {
	var list yaml.Node
	if err := yaml.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(list.Content) != 1 || list.Content[0].Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s:1: expected a list of cases", file)
	}
	var cases []Case
	var faults []error
	for _, n := range list.Content[0].Content {
		c := Case{Pos: &Position{file, n.Line}}
		if err := n.Load(&c, yaml.WithKnownFields()); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, n.Line, err))
			continue
		}
		c.Pos = &Position{file, n.Line}
		if err := c.settle(); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %q: %w", file, n.Line, c.Name, err))
		}
		cases = append(cases, c)
	}
	return cases, errors.Join(faults...)
}

// settle checks a case and fills in what it leaves out.
func (c *Case) settle() error {
	if c.Name == "" || len(c.Script) == 0 {
		return errors.New("a case has a name and a script")
	}
	if _, err := Contract(c.Contract); err != nil {
		return err
	}
	if c.Start.IsZero() {
		c.Start = Start
	}
	if c.Client.Random == nil {
		c.Client.Random = []float64{0}
	}
	if err := c.settleCalls(); err != nil {
		return err
	}
	for i := len(c.Client.Keys); i < len(c.Calls); i++ {
		c.Client.Keys = append(c.Client.Keys, fmt.Sprintf("key-%d", i+1))
	}
	for i := range c.Script {
		if err := c.Script[i].settle(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return c.Expect.check()
}

// settleCalls writes calls out one by one.
func (c *Case) settleCalls() error {
	short := c.Calls
	if c.Call != nil {
		short = append(short, *c.Call)
	}
	if len(short) == 0 || c.Call != nil && len(short) > 1 {
		return errors.New("a case has one of call and calls")
	}
	c.Calls = nil
	for i := range short {
		r := &short[i]
		if err := r.settle(); err != nil {
			return err
		}
		for range max(r.Times, 1) {
			c.Calls = append(c.Calls, *r)
		}
	}
	return nil
}

func (r *Request) settle() error {
	if r.Method == "" {
		r.Method = "GET"
	}
	if !slices.Contains([]string{"", "events", "lines"}, r.Stream) {
		return fmt.Errorf("a stream of %q is not known; there are events and lines", r.Stream)
	}
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("the path %q does not begin at the root", r.Path)
	}
	if r.JSON == nil {
		return nil
	}
	text, err := json.Marshal(r.JSON)
	if err != nil {
		return fmt.Errorf("call: json: %w", err)
	}
	body := string(text)
	r.Body = &body
	r.Headers = withType(r.Headers)
	return nil
}

func (s *Step) settle() error {
	whole := 0
	for _, is := range []bool{s.Fault != "", s.Raw != "", s.Status != 0} {
		if is {
			whole++
		}
	}
	if whole != 1 {
		return errors.New("a step is one of fault, raw and status")
	}
	if s.Fault != "" && !slices.Contains(faults(), s.Fault) {
		return fmt.Errorf("the fault %q is not known; there are %v", s.Fault, faults())
	}
	if s.JSON != nil {
		text, err := json.Marshal(s.JSON)
		if err != nil {
			return fmt.Errorf("json: %w", err)
		}
		s.Body = string(text)
		s.Headers = withType(s.Headers)
	}
	s.Body += strings.Repeat("x", s.Fill)
	return nil
}

func faults() []Fault {
	return []Fault{Refuse, ResetOnFirstByte, ResetWhileSending, ResetAfterRequest, CloseAfterRequest, ResetInHead, StallBeforeHead}
}

func withType(headers map[string]string) map[string]string {
	for name := range headers {
		if strings.EqualFold(name, "Content-Type") {
			return headers
		}
	}
	if headers == nil {
		headers = map[string]string{}
	}
	headers["Content-Type"] = "application/json"
	return headers
}

// check holds cases to saying what every error must be tested for.
func (e *Expected) check() error {
	if (e.OK != 0) == (e.Error != nil) {
		return errors.New("expect one of ok and error")
	}
	for i := range e.Events {
		e.Events[i].Event = cmp.Or(e.Events[i].Event, "message")
	}
	x := e.Error
	if x == nil {
		return nil
	}
	if x.Condition == nil || x.Status == nil || x.Stopped == nil || x.Code == nil {
		return errors.New("an expected error names code, condition, status and stopped")
	}
	if of := condition.Condition(*x.Condition); of != condition.Unknown {
		if _, known := condition.Lookup(of); !known {
			return fmt.Errorf("the condition %q is not known", string(of))
		}
	}
	return nil
}

// Contracts names the contracts that are beside the vectors.
func Contracts() []string {
	found, _ := fs.Glob(files, "contracts/*.yaml") // the pattern is well formed
	for i, name := range found {
		found[i] = strings.TrimSuffix(path.Base(name), ".yaml")
	}
	return found
}

// Contract reads the contract that a case names.
func Contract(name string) (*contract.Contract, error) {
	text, err := Source(name)
	if err != nil {
		return nil, err
	}
	c, err := contract.Parse(name+".yaml", text)
	if err != nil {
		return nil, fmt.Errorf("contract %s: %w", name, err)
	}
	return c, nil
}

// Source is the text of the contract that a case names.
func Source(name string) ([]byte, error) {
	if text, err := files.ReadFile(path.Join("contracts", name+".yaml")); err == nil {
		return text, nil
	}
	text, err := builtin.Source(name)
	if err != nil {
		return nil, fmt.Errorf("there is no contract %q, built in or beside the vectors", name)
	}
	return text, nil
}
