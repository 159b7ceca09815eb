package openapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// call is what decides which errors an operation can have: what the contract
// says of it, or what an OpenAPI document shows.
type call struct {
	method, path string
	// operation is nil for one that the contract does not know.
	operation *contract.Operation
	public    bool
	body      bool
	params    bool
}

// occurs reports whether something can happen to the call.
func (x *call) occurs(c *contract.Contract, of condition.Condition) bool {
	known, o := x.operation != nil, x.operation
	switch of {
	case condition.RouteUnknown, condition.MethodNotAllowed:
		return false // then it is not this operation
	case condition.KeyMissing, condition.KeyMalformed, condition.KeyUnknown, condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated,
		condition.PaymentRequired, condition.AccountSuspended:
		return !x.public
	case condition.PermissionDenied:
		return !x.public && (!known || o.Permission != "")
	case condition.FeatureUnavailable:
		return known && o.Feature != ""
	case condition.FormatInvalid, condition.BodyTooLarge, condition.MediaUnsupported:
		return x.body
	case condition.ChunkRejected, condition.ConfirmationMismatch, condition.ProcessingFailed:
		return true // the service's own, wherever the contract does not say
	case condition.ParameterMissing, condition.ParameterInvalid, condition.ValidationFailed:
		return x.body || x.params
	case condition.ResourceMissing:
		return x.body || x.params || strings.Contains(x.path, "{")
	case condition.ResourceConflict:
		return x.method != http.MethodGet && x.method != http.MethodHead
	case condition.QuotaExhausted:
		return known && slices.ContainsFunc(o.Charges, func(y contract.Charge) bool { return !prepaid(c, y.Name) })
	case condition.BalanceInsufficient:
		return known && slices.ContainsFunc(o.Charges, func(y contract.Charge) bool { return prepaid(c, y.Name) })
	case condition.StorageExhausted:
		return known && o.Stores
	case condition.ConcurrencyExceeded:
		return known && o.Slot
	case condition.IdempotencyMismatch, condition.IdempotencyInProgress, condition.IdempotencyOutcomeUnknown, condition.IdempotencyNotReplayable:
		off := known && o.Idempotency == "off"
		return slices.Contains(c.Idempotency.Methods, x.method) && !off
	}
	return true
}

// prepaid: the name is a balance's, not a quota's.
func prepaid(c *contract.Contract, name string) bool {
	return slices.ContainsFunc(c.Balances, func(b *contract.Balance) bool { return b.Name == name })
}

// statuses lists those under which the call can fail, in order.
func (x *call) statuses(c *contract.Contract) []int {
	var list []int
	for _, code := range c.Codes {
		if len(code.Operations) > 0 && (x.operation == nil || !slices.Contains(code.Operations, x.operation.ID)) {
			continue
		}
		if len(code.Is) == 0 {
			// The service's own; where it may occur is not told.
			if len(code.Operations) > 0 {
				list = append(list, code.Status)
			}
			continue
		}
		for _, m := range code.Is {
			if x.occurs(c, m.Condition) {
				list = append(list, code.StatusOf(m.Condition))
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
