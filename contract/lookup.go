package contract

import (
	"fmt"

	"github.com/failwell/failwell/contract/condition"
)

// Code returns the catalogue entry of that name.
func (c *Contract) Code(name string) (*Code, bool) {
	code, ok := c.byName[name]
	return code, ok
}

// MustCode is [Contract.Code] for names that are part of a program: it panics
// on a name that the contract lacks, so that a typo shows at start.
func (c *Contract) MustCode(name string) *Code {
	code, ok := c.byName[name]
	if !ok {
		panic(fmt.Sprintf("contract %s has no code %q, %s", c.API, name, didYouMean(name, c.codeNames())))
	}
	return code
}

// For returns the code that stands for a condition and the status it is sent
// under. Every condition of the vocabulary has one.
func (c *Contract) For(of condition.Condition) (code *Code, status int) {
	r, ok := c.byCondition[of]
	if !ok {
		r = c.byCondition[condition.Internal]
	}
	return r.code, r.status
}

// Plan returns the plan of that name.
func (c *Contract) Plan(name string) (*Plan, bool) {
	for _, x := range c.Plans {
		if x.Name == name {
			return x, true
		}
	}
	return nil, false
}

// Feature returns the feature of that name.
func (c *Contract) Feature(name string) (*Feature, bool) {
	for _, f := range c.Features {
		if f.Name == name {
			return f, true
		}
	}
	return nil, false
}

// Status returns the row of the API's own table for a status.
func (c *Contract) Status(status int) (StatusRow, bool) {
	row, ok := c.byStatus[status]
	if !ok {
		return StatusRow{}, false
	}
	return *row, true
}

// RetryFor returns the advice for a failure with this code under this status.
// The code's word comes first; a code outside the catalogue gets the advice
// of its status.
func (c *Contract) RetryFor(code *Code, status int) condition.Retry {
	if code != nil && code.Retry != "" {
		return code.Retry
	}
	for _, a := range c.Client.ByStatus {
		if a.Statuses.Holds(status) {
			return a.Retry
		}
	}
	if e, ok := condition.Lookup(condition.OfStatus(status)); ok {
		return e.Retry
	}
	return condition.Never
}

// Owns reports whether a code is an entry of this contract's catalogue.
func (c *Contract) Owns(code *Code) bool { return code != nil && c.byName[code.Name] == code }
