// Package server checks a live HTTP API, written in anything, against its
// contract: it calls the API in every way that the contract has an answer for,
// and holds each answer to what is promised.
//
// The rules are data (see rules.go): each has the contract's words for what is
// promised, and a pure function over what was sent and received, so that a
// recorded answer can be judged like a live one. What is sent is a plan that can
// be read beforehand ([Plan]): unless told otherwise, only reads and calls that
// a server which keeps its contract refuses.
package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

// Config says what is checked, and how far a check may go. Contract and URL are
// required; zero fields mean what their comments say.
type Config struct {
	// Contract is what the server should keep.
	Contract *contract.Contract
	// URL is the API's base URL, with or without the path of the contract's.
	URL string
	// Keys are API keys by what they are: "valid" works; "other" works for another
	// account; "read_only", "expired", "revoked", "deactivated", "suspended" and
	// "unpaid" are refused for that. Rules that need an absent one are not checked.
	Keys map[string]string
	// Operations narrows the check to operations with these ids, or written as
	// "POST /v1/items". Empty: all.
	Operations []string
	// Params fill path parameters by name. An operation whose parameters are not
	// all given is called with ids that nothing has.
	Params map[string]string
	// Header goes along with every request.
	Header http.Header

	// Safe sends nothing but GET and HEAD, and methods that RFC 9110 and RFC 4918
	// call safe.
	Safe bool
	// Writes makes calls that succeed and change something, as idempotency needs.
	Writes bool
	// Limits uses a rate limit up, to see what happens then.
	Limits bool
	// UseUp names allowances that are used up by calls that succeed, to see what
	// happens then: see [Allowances]. Whoever shares the account is refused as well,
	// until it is given back or paid for.
	UseUp []string
	// Thorough tries each operation; otherwise three stand for all.
	Thorough bool

	// MaxRequests bounds what is sent; 500 when 0.
	MaxRequests int
	// Pause is the least time between two requests, but for those that use a limit
	// up; 100 ms when 0, none when negative.
	Pause time.Duration
	// Patience is the longest that a Retry-After is waited for; 90 s when 0.
	Patience time.Duration

	// Transport is optional: nil means one of the check's own. Requests that are
	// no HTTP go over a connection of their own in any case.
	Transport http.RoundTripper
	// Clock and Sleep are optional: nil means those of the system.
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Sent is optional: it is told of each request before it is sent.
	Sent func(number int, line string)
}

// Errors of [Check]; compare with errors.Is.
var (
	// ErrUnreachable: nothing answered, so that nothing can be said.
	ErrUnreachable = errors.New("the server does not answer")
	// ErrConfig: the configuration does not fit the contract.
	ErrConfig = errors.New("this cannot be checked")
)

const (
	defaultRequests = 500
	defaultPause    = 100 * time.Millisecond
	defaultPatience = 90 * time.Second
	// answerTime bounds one request.
	answerTime = 30 * time.Second
)

// Check calls the server and reports what breaks its contract. The error is for
// what keeps it from checking; a broken contract is none. When ctx ends first and
// something was seen until then, the report of that comes along with the error.
func Check(ctx context.Context, config Config) (*conform.Report, error) {
	k, err := newChecker(config)
	if err != nil {
		return nil, err
	}
	began := k.config.Clock()
	err = k.run(ctx)
	k.stopped = err != nil && ctx.Err() != nil && len(k.seen) > 0
	if err != nil && !k.stopped {
		return nil, err
	}
	report := &conform.Report{
		Kind: "server", Target: k.config.URL, API: config.Contract.API, File: config.Contract.File,
		Checks: k.judge(), Requests: k.count, Took: k.config.Clock().Sub(began),
	}
	if k.stopped {
		report.Stopped, report.Done, report.All = true, k.done, k.planned
	}
	return report, err
}

// Planned is a request that a check would send.
type Planned struct {
	// Line is the request in short, such as "POST /v1/items".
	Line string `json:"line"`
	// Subject says what is special about it.
	Subject string `json:"subject,omitempty"`
	// Effect is what it does to a server that keeps its contract.
	Effect Effect `json:"effect"`
}

// Effect is what a request does to a server that keeps its contract.
type Effect string

// The effects.
const (
	Reads   Effect = "reads"
	Refused Effect = "refused"
	Writes  Effect = "writes"
)

// Plan lists what [Check] would send, in order. How often a limit has to be
// called until it is used up, or a wait ends in another try, is not known before.
func Plan(config Config) ([]Planned, error) {
	k, err := newChecker(config)
	if err != nil {
		return nil, err
	}
	var list []Planned
	for _, p := range k.plan() {
		list = append(list, Planned{p.line(), p.subject, p.effect})
	}
	return list, nil
}

// checker is one run.
type checker struct {
	config   Config
	contract *contract.Contract
	origin   *url.URL
	schemas  schemas
	client   *http.Client

	began time.Time
	count int
	last  time.Time
	seen  []*exchange
	// done of the planned probes are behind the run; stopped: it was ended there.
	done, planned int
	stopped       bool
	// unlimited says why the limit was not used up; "" when it was.
	unlimited string
	// left says, by rule, why an allowance was not used up.
	left map[string]string
}

func newChecker(c Config) (*checker, error) {
	if c.Contract == nil {
		return nil, fmt.Errorf("%w: there is no contract", ErrConfig)
	}
	origin, err := originOf(c.URL, c.Contract)
	if err != nil {
		return nil, err
	}
	if c.MaxRequests <= 0 {
		c.MaxRequests = defaultRequests
	}
	if c.Pause == 0 {
		c.Pause = defaultPause
	}
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Sent == nil {
		c.Sent = func(int, string) {}
	}
	k := &checker{config: c, contract: c.Contract, origin: origin, left: map[string]string{}}
	if k.schemas, err = compileSchemas(c.Contract); err != nil {
		return nil, err
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	k.client = &http.Client{
		Transport: c.Transport, Timeout: answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, name := range c.Operations {
		if k.operation(name) == nil {
			return nil, fmt.Errorf("%w: the contract has no operation %q", ErrConfig, name)
		}
	}
	for _, name := range c.UseUp {
		if !slices.Contains(Allowances(), name) {
			return nil, fmt.Errorf("%w: there is no allowance %q, write of %s", ErrConfig, name, strings.Join(Allowances(), ", "))
		}
	}
	return k, nil
}

// originOf is the base URL without the path that operations of the contract
// begin with anyway.
func originOf(address string, c *contract.Contract) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w: %q is not a URL of HTTP", ErrConfig, address)
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	u.RawQuery, u.Fragment = "", ""
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return u, nil //nolint:nilerr // then paths are as they stand
	}
	if prefix := strings.TrimSuffix(base.Path, "/"); prefix != "" && strings.HasSuffix(u.Path, prefix) && allBelow(c, prefix) {
		u.Path = strings.TrimSuffix(u.Path, prefix)
	}
	return u, nil
}

func allBelow(c *contract.Contract, prefix string) bool {
	for _, o := range c.Operations {
		if !strings.HasPrefix(o.Path, prefix+"/") {
			return false
		}
	}
	return true
}

func (k *checker) operation(name string) *contract.Operation {
	for _, o := range k.contract.Operations {
		if o.ID == name || o.Method+" "+o.Path == name {
			return o
		}
	}
	return nil
}

// operations are those that the check is about.
func (k *checker) operations() []*contract.Operation {
	if len(k.config.Operations) == 0 {
		return k.contract.Operations
	}
	var list []*contract.Operation
	for _, name := range k.config.Operations {
		list = append(list, k.operation(name))
	}
	return list
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // it is what it is
	}
}
