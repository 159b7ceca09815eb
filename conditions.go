package failwell

import "github.com/failwell/failwell/contract/condition"

// Condition says what happened, in a closed vocabulary that all contracts
// share. It satisfies error, so that errors.Is(err, failwell.RateLimited) holds
// for any API that limits rates, whatever it calls its code.
type Condition = condition.Condition

// Retry is advice about sending the same call again.
type Retry = condition.Retry

// The vocabulary; package condition explains each word.
const (
	Unknown = condition.Unknown

	KeyMissing     = condition.KeyMissing
	KeyMalformed   = condition.KeyMalformed
	KeyUnknown     = condition.KeyUnknown
	KeyExpired     = condition.KeyExpired
	KeyRevoked     = condition.KeyRevoked
	KeyDeactivated = condition.KeyDeactivated

	PaymentRequired    = condition.PaymentRequired
	AccountSuspended   = condition.AccountSuspended
	PermissionDenied   = condition.PermissionDenied
	FeatureUnavailable = condition.FeatureUnavailable

	RequestMalformed     = condition.RequestMalformed
	ParameterMissing     = condition.ParameterMissing
	ParameterInvalid     = condition.ParameterInvalid
	FormatInvalid        = condition.FormatInvalid
	ConfirmationMismatch = condition.ConfirmationMismatch
	BalanceInsufficient  = condition.BalanceInsufficient
	ValidationFailed     = condition.ValidationFailed
	BodyTooLarge         = condition.BodyTooLarge
	MediaUnsupported     = condition.MediaUnsupported

	RouteUnknown     = condition.RouteUnknown
	ResourceMissing  = condition.ResourceMissing
	MethodNotAllowed = condition.MethodNotAllowed
	ResourceConflict = condition.ResourceConflict

	RateLimited         = condition.RateLimited
	QuotaExhausted      = condition.QuotaExhausted
	ConcurrencyExceeded = condition.ConcurrencyExceeded
	StorageExhausted    = condition.StorageExhausted
	Overloaded          = condition.Overloaded

	IdempotencyMismatch       = condition.IdempotencyMismatch
	IdempotencyInProgress     = condition.IdempotencyInProgress
	IdempotencyOutcomeUnknown = condition.IdempotencyOutcomeUnknown
	IdempotencyNotReplayable  = condition.IdempotencyNotReplayable

	ClientTimeout       = condition.ClientTimeout
	ProcessingFailed    = condition.ProcessingFailed
	ChunkRejected       = condition.ChunkRejected
	Internal            = condition.Internal
	StorageFailed       = condition.StorageFailed
	DependencyFailed    = condition.DependencyFailed
	Unavailable         = condition.Unavailable
	UpstreamUnreachable = condition.UpstreamUnreachable
	UpstreamTimeout     = condition.UpstreamTimeout
)

// The advice. RetryNever, RetryNewKey and RetryAfterAction are never followed
// by a repetition that the program makes on its own.
const (
	RetryUnknown     = condition.RetryUnknown
	RetryNever       = condition.Never
	RetryAfterWait   = condition.AfterWait
	RetryBackoff     = condition.Backoff
	RetrySameKey     = condition.SameKey
	RetryNewKey      = condition.NewKey
	RetryAfterAction = condition.AfterAction
)
