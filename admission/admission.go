// Package admission decides whether a call may go in: who makes it, what the
// key and the plan allow, and whether the limits have room. It works on a plain
// [Call] and knows nothing of HTTP libraries; a front end turns requests into
// calls and verdicts into responses.
//
// A call is admitted ([Controller.Admit]), reserved where it has an idempotency key
// that counts ([Controller.Reserve]), worked on, and settled ([Controller.Settle]).
// A [Keyring] makes keys and ends them. A [Validator] holds parameters and bodies
// against the contract's schemas, and needs no Controller. A [Ledger] keeps limits
// in a store that cannot decide over them by itself.
//
// In the source, keyring*, keyformat, keystore, records and cache are about keys;
// apply, limits, ledger*, front, ending and debts about limits; idempotency* about
// repeated writes; validate* about parameters and bodies.
package admission

import (
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Call is what a decision needs to know of a request.
type Call struct {
	// Operation is the contract's operation that the request matched; nil when
	// the contract lists none and lets every path through. Such a call still
	// needs a key where the contract has schemes, and obeys the plan's rates.
	Operation *contract.Operation
	// Credential is the key as sent, without the scheme's prefix; "" when none was sent.
	Credential string
	// Misplaced says that something stood where the key belongs but was no
	// key, for example another authentication scheme.
	Misplaced bool
	// Source identifies where the call comes from (an address without a port);
	// failing authentication is throttled per source. "" is never throttled.
	Source string
	// Caller tells callers of one key apart who are refused together; see
	// meter.Taking. 0 when nobody knows.
	Caller uint32
	// RequestID names what the call holds while it runs, and is what a replay of
	// its answer is known by.
	RequestID string
	// Method and Path as sent; an idempotency key counts for them alone.
	Method, Path string
	// IdempotencyKeys are the values of the contract's idempotency header as sent.
	IdempotencyKeys []string
	// Identity tells callers of public operations apart, so that the idempotency
	// keys of one do not meet another's: whatever credential the service itself
	// looks at. It is only ever hashed. "" when there is none.
	Identity string
	// Size is the length of the body in bytes as announced, -1 when it was not.
	Size int64
}

// Verdict is the decision on a call. The zero Verdict is a refusal.
type Verdict struct {
	Admitted bool
	// Condition says why a call was refused.
	Condition condition.Condition
	// Facts are public facts about the refusal, by the names in docs/contract.md.
	Facts []contract.Value
	// Fields are the parts of the request that are at fault, if any are.
	Fields []contract.FieldError
	// RetryAfter is how long to wait before the call has a chance, exact.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Cause is why the decision could not be made, for logs and records only:
	// set with condition unavailable or internal, never to be sent.
	Cause error

	// Key and Account are set as soon as they are proven. They are shared and
	// must not be changed.
	Key     *Key
	Account *Account
	// Plan is the account's plan; nil for public operations.
	Plan *contract.Plan
	// Limit is the binding rate limit, for headers; the zero value when the
	// call touches none.
	Limit LimitState
	// Limits are all limits that the call touches, after the decision. The slice
	// lives as long as the Verdict.
	Limits []LimitState

	// Room bounds a body of unannounced length that is to be stored, where the
	// account has less room than the operation takes at most; 0 otherwise. Full is
	// what to tell whoever sends more.
	Room int64
	Full *Refusal

	// Keyed says that the call has an idempotency key that counts: before it is
	// worked on, [Controller.Reserve] has to say whether it may be.
	Keyed bool
	// Answer is set by Reserve: the answer of the first call with the key, to be
	// given once more.
	Answer *Answer

	// hold is the name under which the call's charges are held, so that
	// repetitions under one idempotency key are charged once; "" for the call's own.
	hold string
	// repeat says that the call will not be worked on, because another one with
	// its key has been or is: it is charged to rates alone.
	repeat bool
	// found is what the look-up of the key has found.
	found lookup
	// final says that the call's answer is recorded, so that nobody works under its
	// key any more.
	final bool
	// holding is what the call has taken.
	holding holding
	// limits is where Limits stands, as a rule.
	limits [3]LimitState
}

// KeyState is the life of a key.
type KeyState string

// The states. A key past its Expires is expired whatever its state says.
const (
	KeyActive      KeyState = "active"
	KeyRevoked     KeyState = "revoked"
	KeyDeactivated KeyState = "deactivated"
)

// Key is a credential as it is kept: never the secret itself.
type Key struct {
	// ID identifies the key in lists and logs.
	ID string `json:"id"`
	// Start is the beginning of the key, kept so that people recognise it.
	Start string `json:"start"`
	// Name was given by whoever made the key.
	Name        string   `json:"name,omitempty"`
	Account     string   `json:"account"`
	Environment string   `json:"environment,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
	State       KeyState `json:"state"`
	// Imported keys have a form of their own and no checksum.
	Imported bool      `json:"imported,omitempty"`
	Created  time.Time `json:"created"`
	// Expires is zero for a key without an end.
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
}

// AccountState is the standing of an account.
type AccountState string

// The states of an account.
const (
	AccountActive    AccountState = "active"
	AccountSuspended AccountState = "suspended"
	// AccountUnpaid gets payment_required.
	AccountUnpaid AccountState = "unpaid"
)

// Account is who pays.
type Account struct {
	ID    string       `json:"id"`
	Name  string       `json:"name,omitempty"`
	Plan  string       `json:"plan,omitempty"`
	State AccountState `json:"state"`
}
