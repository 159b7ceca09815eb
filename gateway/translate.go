package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// translate reads an upstream's error and makes it the contract's. An error
// that already is in the contract's shape passes as it is; so does one whose
// body is too long to be an error.
//
// What passes from a foreign error: its meaning (as a condition), the class of
// its status, how long to wait, and for errors of the caller's the names and
// messages of the fields at fault. Its other text does not: it was not written
// for this contract's readers and may tell what is private.
func (x *exchange) translate(resp *http.Response) error {
	head, broken := io.ReadAll(io.LimitReader(resp.Body, contract.MaxErrorBody+1))
	if broken != nil {
		return failwell.FromCondition(condition.UpstreamUnreachable, broken)
	}
	if len(head) > contract.MaxErrorBody {
		resp.Body = passedBody{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
		return nil
	}
	c := x.proxy.contract
	f, ok := c.Decode(contract.Response{Status: resp.StatusCode, Header: resp.Header, Body: head}, time.Now())
	if ok && f.Envelope != "" && f.Code != nil {
		resp.Body = passedBody{bytes.NewReader(head), resp.Body}
		return nil //nolint:nilerr // a code is an error by its type, here it is what was looked for
	}
	e := failwell.FromCondition(ofClass(c, f.Condition, resp.StatusCode), errTranslated)
	e.Status = resp.StatusCode
	if resp.StatusCode < 500 {
		e.Fields = f.Fields
	}
	if f.HasRetryAfter {
		e = e.WithRetryAfter(f.RetryAfter)
	}
	if allow := resp.Header.Get("Allow"); allow != "" && resp.StatusCode == http.StatusMethodNotAllowed {
		e = e.With(allowFact, allow)
	}
	return e
}

// allowFact is the parameter with the methods that a path has.
const allowFact = "allow"

var errTranslated = errors.New("translated from the upstream's error")

// ofClass returns the condition that was read, if the contract sends it under
// the upstream's status; else what the status stands for; else whatever keeps
// its class, so that what was the caller's fault stays so.
func ofClass(c *contract.Contract, read condition.Condition, status int) condition.Condition {
	candidates := [2]condition.Condition{read, condition.OfStatus(status)}
	for _, of := range candidates {
		if code, _ := c.For(of); of != condition.Unknown && code.Allows(status) {
			return of
		}
	}
	for _, of := range candidates {
		if _, usual := c.For(of); of != condition.Unknown && usual/100 == status/100 {
			return of
		}
	}
	if status >= 500 {
		return condition.Internal
	}
	return condition.RequestMalformed
}

// passedBody is a body of which a part has been read already.
type passedBody struct {
	io.Reader
	io.Closer
}
