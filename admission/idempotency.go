package admission

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// lookup is what a look at an idempotency key has found.
type lookup struct {
	// key of the record in the store, said is the caller's own.
	key, said string
	// kept is nil when there is no record.
	kept    *kept
	version store.Version
	// remaining is how long a call under way is believed in without news of it.
	remaining time.Duration
	// dead says that a call under way is not believed in any more.
	dead bool
}

// state is that of the record, an end of the lease taken into account.
func (f *lookup) state() recordState {
	switch {
	case f.kept == nil:
		return stateReleased
	case f.dead:
		return stateUnknown
	}
	return f.kept.state
}

// Answer is the kept answer of a call.
type Answer struct {
	// RequestID is that of the call that was worked on.
	RequestID string
	Status    int
	// Header lists the headers that were kept, in canonical form.
	Header []contract.HeaderValue
	Body   []byte
}

const idempotencyPrefix = "idempotency/"

// What an operation may say about idempotency, and about unknown outcomes.
const (
	idempotencyRequired = "required"
	idempotencyOff      = "off"
	unknownReexecute    = "reexecute"
	unknownReconcile    = "reconcile"
	inFlightWait        = "wait"
)

// repeated looks at the call's idempotency key, and at what became of an
// earlier call with it. One that will not be worked on again is charged to the
// rates alone. Whether its payload is the same is for Reserve to see, which has
// the payload.
func (d *deciding) repeated(ctx context.Context) bool {
	key, ok := d.idempotencyKey()
	if !ok || key == "" {
		return ok
	}
	scope := d.scope(key)
	f := &d.v.found
	*f = lookup{key: scope.record(), said: key}
	if err := d.seek(ctx, f, d.patience.left()); err != nil {
		return d.unprotected(ctx, err)
	}
	d.v.Keyed, d.v.hold = true, scope.hold()
	d.v.repeat = !d.mayWork(f)
	return true
}

// mayWork reports whether the call would be worked on if nothing changed.
func (d *deciding) mayWork(f *lookup) bool {
	switch f.state() {
	case stateReleased:
		return true
	case stateUnknown:
		return d.unknownPolicy(d.call.Operation) != ""
	case stateInFlight, stateCompleted, stateTombstone:
	}
	return false
}

// unprotected decides about a call whose key cannot be looked up. Only a store
// that is away opens: what a record says that cannot be read, nobody knows.
func (d *deciding) unprotected(ctx context.Context, cause error) bool {
	if d.Contract.Idempotency.Away == contract.AwayOpen && !errors.Is(cause, errRecord) {
		d.warn(ctx, d.now, "the store is away: calls with an idempotency key run unprotected, as the contract says", "cause", cause)
		return true
	}
	d.v.RetryAfter, d.v.HasRetryAfter = awayWait, true
	return d.undecided(condition.Unavailable, fmt.Errorf("admission: idempotency key: %w", cause))
}

// awayWait is when to come back to a store that was away.
const awayWait = time.Second

// unknownPolicy is what becomes of a call whose first outcome is unknown:
// reexecute, reconcile, or "" for being refused.
func (c *Controller) unknownPolicy(o *contract.Operation) string {
	policy := c.Contract.Idempotency.Unknown
	if o != nil && o.Unknown != "" {
		policy = o.Unknown
	}
	switch {
	case policy == unknownReexecute, policy == unknownReconcile && o != nil && o.Reconcile != "":
		return policy
	}
	return ""
}

// idempotencyKey returns the key of a call, "" for one that has none or for
// which none counts.
func (d *deciding) idempotencyKey() (key string, ok bool) {
	rules, o := &d.Contract.Idempotency, d.call.Operation
	if rules.Header == "" || o != nil && o.Idempotency == idempotencyOff {
		return "", true
	}
	required := o != nil && o.Idempotency == idempotencyRequired
	if !required && !slices.Contains(rules.Methods, d.call.Method) {
		return "", true
	}
	if len(d.call.IdempotencyKeys) == 0 {
		if required {
			return "", d.badKey(condition.ParameterMissing, codeMissing, "is required")
		}
		return "", true
	}
	key, problem := readKey(d.call.IdempotencyKeys)
	if problem != "" {
		return "", d.badKey(condition.ParameterInvalid, "string_pattern_mismatch", problem)
	}
	return key, true
}

func (d *deciding) badKey(of condition.Condition, code, message string) bool {
	if own, ok := d.Contract.Validation.Codes[keywords[code]]; ok {
		code = own
	}
	d.v.Fields = append(d.v.Fields, contract.FieldError{In: "header", Path: []string{d.Contract.Idempotency.Header}, Message: message, Code: code})
	return d.refuse(of)
}

// scope is what an idempotency key counts for.
type scope struct {
	account string
	hash    string
}

// scope makes one name of everything that a key counts for: the caller, the
// environment, method, path and key. Of a public operation the caller is whatever
// credential the service behind looks at: nobody must be able to fetch another's
// answer with a key that both chose.
func (d *deciding) scope(key string) scope {
	var s scope
	var environment string
	kind := "public"
	if d.v.Account != nil {
		s.account, kind = d.v.Account.ID, "account"
		environment = d.v.Key.Environment
	}
	var room [512]byte
	b := appendParts(room[:0], kind, s.account, environment, d.identity(), d.call.Method, samePath(d.call.Path), key)
	sum := sha256.Sum256(b)
	s.hash = base64.RawURLEncoding.EncodeToString(sum[:])
	return s
}

func (d *deciding) identity() string {
	if d.v.Account != nil {
		return ""
	}
	return d.call.Identity
}

// appendParts joins parts in such a way that no other parts make the same.
func appendParts(b []byte, parts ...string) []byte {
	for _, part := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}

// record is where the record stands. The braces keep it with all that belongs
// to the account in a Redis cluster.
func (s scope) record() string {
	if s.account == "" {
		return idempotencyPrefix + s.hash
	}
	return idempotencyPrefix + accountSlot(s.account) + "/" + s.hash
}

// hold names what the calls under the key hold.
func (s scope) hold() string { return "key/" + s.hash }

var slotEscapes = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")

// accountSlot is an account's id as a hash tag (Redis cluster specification).
func accountSlot(account string) string {
	if strings.ContainsAny(account, "%{}") {
		account = slotEscapes.Replace(account)
	}
	return "{" + account + "}"
}
