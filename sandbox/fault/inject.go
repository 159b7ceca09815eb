package fault

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Header names the header by which a caller asks for an error of the contract.
const Header = "X-Sandbox-Error"

// Injector does what a script says. It is safe for concurrent use.
type Injector struct {
	contract *contract.Contract
	routes   *http.ServeMux

	mu     sync.Mutex
	first  Script
	script Script
	rules  []rule
	counts []uint64
}

// New makes an injector; a nil script is none.
func New(c *contract.Contract, s *Script) (*Injector, error) {
	i := &Injector{contract: c, routes: http.NewServeMux()}
	for _, o := range c.Operations {
		i.routes.Handle(o.Method+" "+o.Path, operation{o})
	}
	if s != nil {
		i.first = *s
	}
	return i, i.Set(i.first)
}

// operation is found by the mux in its place.
type operation struct{ *contract.Operation }

func (operation) ServeHTTP(http.ResponseWriter, *http.Request) {}

// Set replaces the script, and counts from the beginning. A script that is
// wrong changes nothing.
func (i *Injector) Set(s Script) error {
	rules, err := compile(&s, i.contract)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.script, i.rules, i.counts = s, rules, make([]uint64, len(rules))
	return nil
}

// Script is what is done now.
func (i *Injector) Script() Script {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.script
}

// Reset goes back to the script of the start, from the beginning.
func (i *Injector) Reset() { _ = i.Set(i.first) } // it was right at the start

// Decision is what happens to one call on purpose.
type Decision struct {
	// Rule is the number of the rule, from 1; 0 is none.
	Rule int
	// Forced is the code that the caller asked for, or the script chose.
	Forced *contract.Code

	fault made
	delay time.Duration
	done  bool
	// wrong is why what the caller asked for cannot be had.
	wrong error
}

// Told says in a few words what was done to a call, "" for nothing.
func (d *Decision) Told() string {
	f := &d.fault
	switch {
	case d.Forced != nil:
		return "error " + d.Forced.Name
	case f.resetBefore:
		return "reset before the head"
	case f.Reset != "":
		return "reset after " + f.Reset + " bytes"
	case f.Stall != "":
		return "stall after " + f.Stall + " bytes"
	case f.Drip != "":
		return "drip " + f.Drip
	case f.CutEvents > 0:
		return "stream of events cut"
	case f.Status != 0:
		return strings.TrimSpace("status " + strconv.Itoa(f.Status) + " " + f.Body)
	case f.Body != "":
		return "body " + f.Body
	case d.mangles():
		return "head changed"
	case f.sigma == 0 && d.delay > 0:
		return "delay " + d.delay.Round(time.Millisecond).String()
	}
	return ""
}

type decisionKey struct{}

// Of returns what was decided about a request, or nil.
func Of(r *http.Request) *Decision {
	d, _ := r.Context().Value(decisionKey{}).(*Decision)
	return d
}

// Decide chooses what happens to a request; key is the name of its key.
func (i *Injector) Decide(r *http.Request, key string) (*http.Request, *Decision) {
	d := &Decision{fault: made{reset: -1, stall: -1}}
	if name := r.Header.Get(Header); name != "" {
		d.Forced, d.wrong = CodeOf(i.contract, name)
	} else {
		i.follow(d, r, key)
	}
	return r.WithContext(context.WithValue(r.Context(), decisionKey{}, d)), d
}

func (i *Injector) follow(d *Decision, r *http.Request, key string) {
	id := ""
	if h, _ := i.routes.Handler(r); h != nil {
		if o, ok := h.(operation); ok {
			id = o.ID
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for n := range i.rules {
		x := &i.rules[n]
		if !x.fits(r, id, key) {
			continue
		}
		i.counts[n]++
		ordinal := i.counts[n]
		chance := rand.New(rand.NewPCG(i.script.Seed, uint64(n)<<32|ordinal)) //nolint:gosec // repeatable, not secret
		if !x.due(ordinal, chance) {
			continue
		}
		d.Rule, d.fault, d.done = n+1, x.fault, x.fault.Done
		if len(x.fault.codes) > 0 {
			d.Forced = x.fault.codes[chance.IntN(len(x.fault.codes))]
		}
		d.delay = x.fault.delay
		if x.fault.sigma > 0 {
			d.delay = time.Duration(float64(x.fault.delay) * math.Exp(x.fault.sigma*chance.NormFloat64()))
		}
		d.delay = min(d.delay, longest)
		return
	}
}

func (x *rule) fits(r *http.Request, operation, key string) bool {
	if x.Operation != "" && x.Operation != operation || x.Key != "" && x.Key != key || x.Method != "" && x.Method != r.Method {
		return false
	}
	if x.Path == "" {
		return true
	}
	fits, err := path.Match(x.Path, r.URL.Path)
	return err == nil && fits
}

func (x *rule) due(ordinal uint64, chance *rand.Rand) bool {
	switch {
	case ordinal < x.from || x.to != 0 && ordinal > x.to:
		return false
	case x.Every > 1 && ordinal%uint64(x.Every) != 0:
		return false
	case x.Percent > 0 && chance.Float64()*100 >= x.Percent:
		return false
	}
	return true
}

// Inside puts the errors of the contract into the place of the work, once a
// call has been let in: they take the same way out as any other.
func (i *Injector) Inside(next func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		d := Of(r)
		if d == nil || d.Forced == nil {
			return next(w, r)
		}
		if d.done {
			if err := next(discard{header: http.Header{}}, r); err != nil {
				return err
			}
		}
		return i.occurrence(d.Forced)
	}
}

// discard takes an answer that is never sent.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// occurrence is an error with the values of the contract's own sample.
func (i *Injector) occurrence(code *contract.Code) error {
	f := i.contract.SampleFailure(code)
	e := failwell.New(code, nil)
	e.Condition, e.Status, e.Fields, e.Params = f.Condition, f.Status, f.Fields, f.Params
	e.RetryAfter, e.HasRetryAfter = f.RetryAfter, f.HasRetryAfter
	// Whoever refuses for a while says for how long, also where the advice is to
	// back off by one's own formula.
	passes := f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable
	if !e.HasRetryAfter && passes && i.contract.Headers.RetryAfter.On.Holds(f.Status) {
		e.RetryAfter, e.HasRetryAfter = forcedWait, true
	}
	return e
}

// forcedWait is what a forced refusal tells to wait.
const forcedWait = time.Second

// early are conditions that are found before a call is let in.
var early = []condition.Condition{
	condition.KeyMissing, condition.KeyMalformed, condition.KeyUnknown, condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated,
	condition.PaymentRequired, condition.AccountSuspended, condition.RouteUnknown, condition.MethodNotAllowed, condition.BodyTooLarge,
}

// Outside stands around the guard: it delays, breaks the wire, and forces the
// errors that occur before anybody is let in. next has the guard in it.
func (i *Injector) Outside(g *failwell.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := Of(r)
		if d == nil {
			next.ServeHTTP(w, r)
			return
		}
		if !pause(r.Context(), d.delay) {
			panic(http.ErrAbortHandler)
		}
		if d.fault.resetBefore && !d.done {
			breakOff(w)
		}
		out := w
		if d.mangles() {
			out = &mangler{ResponseWriter: w, request: r, decision: d}
		}
		if d.wrong != nil {
			g.WriteError(out, r, failwell.FromCondition(condition.ParameterInvalid, d.wrong).WithField(Header, d.wrong.Error(), "enum"))
			return
		}
		if d.fault.Status != 0 && d.Forced == nil && !d.done {
			out.WriteHeader(d.fault.Status) // nobody behind the proxy has heard of it
			return
		}
		if d.Forced != nil && slices.Contains(early, d.Forced.Condition(d.Forced.Status)) {
			g.WriteError(out, r, i.occurrence(d.Forced))
			return
		}
		next.ServeHTTP(out, r)
		if m, ok := out.(*mangler); ok {
			m.WriteHeader(http.StatusOK) // it has the request; for a handler that has said nothing
		}
	})
}

// pause waits, unless the caller leaves.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
