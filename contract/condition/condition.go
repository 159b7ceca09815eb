// Package condition is the closed vocabulary of what can go wrong in an HTTP
// API, shared by every contract. A contract's codes are names for conditions;
// a program that tests for a condition works with any API.
//
// A [Condition] is a comparable value that satisfies error, so that
//
//	errors.Is(err, condition.RateLimited)
//
// holds for any failure that means it, whatever its code or status.
package condition

// Condition says what happened. The zero value means that it is not known.
type Condition string

// Error makes a Condition usable with errors.Is; it returns the name.
func (c Condition) Error() string { return string(c) }

// The vocabulary. Each name is what a contract writes under "is:".
const (
	Unknown Condition = ""

	KeyMissing     Condition = "key_missing"
	KeyMalformed   Condition = "key_malformed"
	KeyUnknown     Condition = "key_unknown"
	KeyExpired     Condition = "key_expired"
	KeyRevoked     Condition = "key_revoked"
	KeyDeactivated Condition = "key_deactivated"

	PaymentRequired    Condition = "payment_required"
	AccountSuspended   Condition = "account_suspended"
	PermissionDenied   Condition = "permission_denied"
	FeatureUnavailable Condition = "feature_unavailable"

	RequestMalformed     Condition = "request_malformed"
	ParameterMissing     Condition = "parameter_missing"
	ParameterInvalid     Condition = "parameter_invalid"
	FormatInvalid        Condition = "format_invalid"
	ConfirmationMismatch Condition = "confirmation_mismatch"
	BalanceInsufficient  Condition = "balance_insufficient"
	ValidationFailed     Condition = "validation_failed"
	BodyTooLarge         Condition = "body_too_large"
	MediaUnsupported     Condition = "media_unsupported"

	RouteUnknown     Condition = "route_unknown"
	ResourceMissing  Condition = "resource_missing"
	MethodNotAllowed Condition = "method_not_allowed"
	ResourceConflict Condition = "resource_conflict"

	RateLimited         Condition = "rate_limited"
	QuotaExhausted      Condition = "quota_exhausted"
	ConcurrencyExceeded Condition = "concurrency_exceeded"
	StorageExhausted    Condition = "storage_exhausted"
	Overloaded          Condition = "overloaded"

	IdempotencyMismatch       Condition = "idempotency_mismatch"
	IdempotencyInProgress     Condition = "idempotency_in_progress"
	IdempotencyOutcomeUnknown Condition = "idempotency_outcome_unknown"
	IdempotencyNotReplayable  Condition = "idempotency_not_replayable"

	ClientTimeout       Condition = "client_timeout"
	ProcessingFailed    Condition = "processing_failed"
	ChunkRejected       Condition = "chunk_rejected"
	Internal            Condition = "internal"
	StorageFailed       Condition = "storage_failed"
	DependencyFailed    Condition = "dependency_failed"
	Unavailable         Condition = "unavailable"
	UpstreamUnreachable Condition = "upstream_unreachable"
	UpstreamTimeout     Condition = "upstream_timeout"
)

// Retry is advice to a caller about sending the same call again.
type Retry string

const (
	RetryUnknown Retry = ""
	// Never: the same call cannot succeed; change it first.
	Never Retry = "never"
	// AfterWait: once the server's hint has passed. Without a hint, the
	// contract's default wait or backoff stands in.
	AfterWait Retry = "after_wait"
	// Backoff: again after a growing, jittered wait.
	Backoff Retry = "backoff"
	// SameKey: a write may go again only under the same idempotency key.
	SameKey Retry = "same_key"
	// NewKey: again, but under a fresh idempotency key.
	NewKey Retry = "new_key"
	// AfterAction: after somebody acted (topped up, upgraded, deleted files).
	AfterAction Retry = "after_action"
)

// Retryable reports whether a program may repeat the call by itself, as far as
// the advice goes. Whether the repetition is safe is a question of the method
// and the idempotency key, not of the advice.
func (r Retry) Retryable() bool { return r == AfterWait || r == Backoff || r == SameKey }

// Known reports whether r is one of the constants, other than RetryUnknown.
func (r Retry) Known() bool {
	switch r {
	case Never, AfterWait, Backoff, SameKey, NewKey, AfterAction:
		return true
	}
	return false
}

// Fault says who has to act.
type Fault string

const (
	FaultCaller   Fault = "caller"   // the request, the key or the plan
	FaultServer   Fault = "server"   // the API itself
	FaultUpstream Fault = "upstream" // something behind the API
)

// Entry is what is known of a condition before any contract is read.
type Entry struct {
	Condition Condition
	// Status is the usual HTTP status.
	Status int
	// Retry is the advice when a contract gives none.
	Retry Retry
	Fault Fault
	// Meaning is one plain sentence.
	Meaning string
	// Remedy is one plain sentence: what to do about it.
	Remedy string
}

// All lists the vocabulary in its documented order. The slice is a copy.
func All() []Entry { return append([]Entry(nil), entries...) }

// Each yields the vocabulary in its documented order, without a copy.
func Each(yield func(Condition) bool) {
	for i := range entries {
		if !yield(entries[i].Condition) {
			return
		}
	}
}

// Lookup returns what is known of c; ok is false outside the vocabulary.
func Lookup(c Condition) (Entry, bool) {
	e, ok := byName[c]
	return e, ok
}

// OfStatus returns the condition that an HTTP status suggests when nothing else
// is known of the failure, and Unknown for a status that is not an error.
// Statuses outside the table fall back to their class (RFC 9110 section 15).
func OfStatus(status int) Condition {
	if c, ok := byStatus[status]; ok {
		return c
	}
	switch {
	case status >= 400 && status < 500:
		return RequestMalformed
	case status >= 500 && status < 600:
		return Internal
	}
	return Unknown
}

var byStatus = map[int]Condition{
	400: RequestMalformed, 401: KeyUnknown, 402: PaymentRequired, 403: PermissionDenied,
	404: ResourceMissing, 405: MethodNotAllowed, 406: MediaUnsupported, 408: ClientTimeout,
	409: ResourceConflict, 410: ResourceMissing, 411: RequestMalformed, 412: ResourceConflict,
	413: BodyTooLarge, 415: MediaUnsupported, 422: ValidationFailed, 423: ResourceConflict,
	425: Unavailable, 428: ParameterMissing, 429: RateLimited, 431: RequestMalformed,
	500: Internal, 501: MethodNotAllowed, 502: UpstreamUnreachable, 503: Unavailable,
	504: UpstreamTimeout, 507: StorageExhausted, 508: Internal, 529: Overloaded,
}

var byName = func() map[Condition]Entry {
	m := make(map[Condition]Entry, len(entries))
	for _, e := range entries {
		m[e.Condition] = e
	}
	return m
}()

var entries = []Entry{
	{KeyMissing, 401, Never, FaultCaller, "The request carried no API key.", "Send the key in the header that the API names."},
	{KeyMalformed, 401, Never, FaultCaller, "The API key does not have the form of a key.", "Check the key for missing characters, blanks and line breaks."},
	{KeyUnknown, 401, Never, FaultCaller, "No such API key exists.", "Check which environment the key belongs to, or create a new one."},
	{KeyExpired, 401, Never, FaultCaller, "The API key is past its end date.", "Create a new key and replace this one."},
	{KeyRevoked, 401, Never, FaultCaller, "The API key was withdrawn.", "Create a new key and remove this one wherever it is configured."},
	{KeyDeactivated, 401, Never, FaultCaller, "The API key is switched off.", "Switch it on again or create a new key."},
	{PaymentRequired, 402, AfterAction, FaultCaller, "The account has to pay before it can go on.", "Settle the open payment, then send the call again."},
	{AccountSuspended, 403, AfterAction, FaultCaller, "The account behind the key is suspended.", "Contact the provider's support."},
	{PermissionDenied, 403, Never, FaultCaller, "The key may not do this.", "Use a key that holds the permission, or ask for it."},
	{FeatureUnavailable, 403, AfterAction, FaultCaller, "The plan does not include this feature.", "Move to a plan that includes it."},
	{RequestMalformed, 400, Never, FaultCaller, "The request could not be understood.", "Compare the request with the API's reference and correct it."},
	{ParameterMissing, 400, Never, FaultCaller, "A required parameter is missing.", "Add the parameter that the error names."},
	{ParameterInvalid, 400, Never, FaultCaller, "A parameter has a value that is not accepted.", "Correct the parameter that the error names."},
	{FormatInvalid, 400, Never, FaultCaller, "The body is not in the format it should have.", "Send well-formed JSON and the matching Content-Type."},
	{ConfirmationMismatch, 400, Never, FaultCaller, "The confirmation of a destructive call does not match.", "Send the exact confirmation that the API asks for."},
	{BalanceInsufficient, 400, AfterAction, FaultCaller, "The balance is below what the call needs.", "Add funds, then send the call again."},
	{ValidationFailed, 422, Never, FaultCaller, "The request is well formed but breaks a rule.", "Correct the listed fields."},
	{BodyTooLarge, 413, Never, FaultCaller, "The request is larger than the API accepts.", "Send less, or split it."},
	{MediaUnsupported, 415, Never, FaultCaller, "The media type is not supported.", "Convert the content to a supported type."},
	{RouteUnknown, 404, Never, FaultCaller, "The API has nothing at this path.", "Check the path and the version in it."},
	{ResourceMissing, 404, Never, FaultCaller, "The resource does not exist or is not visible to this key.", "Check the id; the resource may have been deleted."},
	{MethodNotAllowed, 405, Never, FaultCaller, "The path exists but not with this method.", "Use one of the methods in the Allow header."},
	{ResourceConflict, 409, Never, FaultCaller, "The request clashes with the state of the resource.", "Read the resource again and decide anew."},
	{RateLimited, 429, AfterWait, FaultCaller, "Too many requests in too short a time.", "Wait as long as the response says, and spread calls out."},
	{QuotaExhausted, 429, AfterAction, FaultCaller, "The allowance of the period is used up.", "Wait for the next period or move to a larger plan."},
	{ConcurrencyExceeded, 429, AfterWait, FaultCaller, "Too many calls are running at once.", "Let running calls finish before starting more."},
	{StorageExhausted, 413, AfterAction, FaultCaller, "The storage allowance is full.", "Delete what is not needed or move to a larger plan."},
	{Overloaded, 503, AfterWait, FaultServer, "The service has more work than it can take at the moment.", "Wait as long as the response says, then try again."},
	{IdempotencyMismatch, 422, NewKey, FaultCaller, "The idempotency key was used before with another request.", "Use a fresh key for a different request."},
	{IdempotencyInProgress, 409, SameKey, FaultCaller, "A request with this idempotency key is still running.", "Wait, then send the same request with the same key."},
	{IdempotencyOutcomeUnknown, 409, AfterAction, FaultServer, "Nobody can say whether the first request with this key took effect.", "Look at the resource before deciding; use a fresh key to do it again."},
	{IdempotencyNotReplayable, 409, AfterAction, FaultServer, "The request with this key was done, but its answer was too large to keep.", "Read the resource to see the result."},
	{ClientTimeout, 408, Backoff, FaultCaller, "The request did not arrive completely in time.", "Send it again; check the connection if it recurs."},
	{ProcessingFailed, 500, Never, FaultServer, "The work itself failed.", "Look at the details of the job; the same input is likely to fail again."},
	{ChunkRejected, 400, AfterAction, FaultCaller, "A part of an upload was not accepted.", "Check the number and the size of the part, then use the upload's own retry call."},
	{Internal, 500, Backoff, FaultServer, "The service made an error.", "Try again after a wait; report the request id if it persists."},
	{StorageFailed, 500, Backoff, FaultServer, "The service could not read or write its data.", "Try again after a wait; report the request id if it persists."},
	{DependencyFailed, 500, Backoff, FaultUpstream, "A service that this API depends on failed.", "Try again after a wait; it may be down for a while."},
	{Unavailable, 503, Backoff, FaultServer, "The service is not available at the moment.", "Try again after a wait."},
	{UpstreamUnreachable, 502, Backoff, FaultUpstream, "The service behind the gateway could not be reached or did not answer properly.", "Try again after a wait."},
	{UpstreamTimeout, 504, Backoff, FaultUpstream, "The service behind the gateway did not answer in time.", "Try again after a wait; a write may have happened, so read before repeating it."},
}
