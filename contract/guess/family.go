package guess

import (
	"github.com/failwell/failwell/contract/condition"
)

// suits adds to a condition that is usual under a status and takes from one
// that would be odd there.
func suits(c condition.Condition, status, weight int) int {
	of := family(c)
	switch status {
	case 401:
		return fit(of == "auth", 8, of == "access", -2, -30)
	case 402:
		return fit(of == "money" || of == "limit" || c == condition.FeatureUnavailable, 10, false, 0, -25)
	case 403:
		return fit(of == "access" || of == "limit" || of == "money", 4, of == "auth", 0, -24)
	case 404:
		return fit(of == "missing", 10, of == "auth" || of == "access", -24, -22)
	case 405:
		return fit(c == condition.MethodNotAllowed, 10, false, 0, -30)
	case 409, 412, 423:
		return fit(of == "state", 8, false, 0, -20)
	case 413:
		return fit(c == condition.BodyTooLarge || c == condition.StorageExhausted, 12, of == "limit", 0, -25)
	case 415, 406:
		return fit(c == condition.MediaUnsupported, 8, false, 0, -28)
	case 429:
		return fit(of == "limit" || of == "money", 10, false, 0, -34)
	case 400, 422:
		return fit(of == "server", -18, false, 0, 0)
	case 500:
		if weight >= 84 {
			return fit(of == "server", 8, of == "limit", 0, -16)
		}
		return fit(of == "server", 8, of == "limit", 0, -32)
	case 502, 503, 504:
		return fit(of == "server", 8, of == "limit", 0, -32)
	}
	return 0
}

// fit chooses between what is usual, what is tolerable and what would be odd.
func fit(usual bool, gain int, tolerable bool, slight, odd int) int {
	switch {
	case usual:
		return gain
	case tolerable:
		return slight
	}
	return odd
}

// family groups conditions that are about the same matter.
func family(c condition.Condition) string {
	switch c {
	case condition.KeyMissing, condition.KeyMalformed, condition.KeyUnknown,
		condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated:
		return "auth"
	case condition.PermissionDenied, condition.FeatureUnavailable, condition.AccountSuspended:
		return "access"
	case condition.PaymentRequired, condition.BalanceInsufficient:
		return "money"
	case condition.RateLimited, condition.QuotaExhausted, condition.ConcurrencyExceeded,
		condition.StorageExhausted, condition.Overloaded:
		return "limit"
	case condition.ResourceMissing, condition.RouteUnknown:
		return "missing"
	case condition.ResourceConflict, condition.IdempotencyMismatch, condition.IdempotencyInProgress,
		condition.IdempotencyOutcomeUnknown, condition.IdempotencyNotReplayable:
		return "state"
	case condition.Internal, condition.StorageFailed, condition.DependencyFailed, condition.Unavailable,
		condition.UpstreamUnreachable, condition.UpstreamTimeout, condition.ProcessingFailed:
		return "server"
	}
	return "request"
}

// finer lists the conditions that say the same as c, more exactly.
func finer(c condition.Condition) []condition.Condition {
	switch c {
	case condition.KeyUnknown:
		return []condition.Condition{
			condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated, condition.KeyMalformed, condition.KeyMissing,
			condition.AccountSuspended,
		}
	case condition.RateLimited:
		return []condition.Condition{condition.ConcurrencyExceeded, condition.QuotaExhausted}
	case condition.QuotaExhausted:
		return []condition.Condition{condition.StorageExhausted, condition.ConcurrencyExceeded, condition.RateLimited}
	case condition.PermissionDenied:
		return []condition.Condition{
			condition.RateLimited, condition.AccountSuspended, condition.FeatureUnavailable, condition.QuotaExhausted, condition.PaymentRequired,
			condition.KeyExpired, condition.KeyRevoked, condition.KeyDeactivated, condition.StorageExhausted, condition.KeyMissing, condition.KeyUnknown,
		}
	case condition.PaymentRequired:
		return []condition.Condition{condition.BalanceInsufficient}
	case condition.ResourceMissing:
		return []condition.Condition{condition.RouteUnknown}
	case condition.ResourceConflict:
		return []condition.Condition{condition.IdempotencyInProgress, condition.IdempotencyMismatch, condition.IdempotencyOutcomeUnknown}
	case condition.ParameterInvalid:
		return []condition.Condition{condition.IdempotencyMismatch, condition.FormatInvalid}
	case condition.RequestMalformed:
		return []condition.Condition{condition.FormatInvalid, condition.ParameterMissing, condition.ParameterInvalid, condition.IdempotencyMismatch}
	case condition.Internal:
		return []condition.Condition{
			condition.StorageFailed, condition.DependencyFailed, condition.Overloaded, condition.UpstreamTimeout, condition.ProcessingFailed,
		}
	case condition.Unavailable:
		return []condition.Condition{condition.Overloaded, condition.UpstreamUnreachable, condition.DependencyFailed}
	}
	return nil
}

// refine lets a strong word of the code or the sentence make c more exact.
func (x *reading) refine(c condition.Condition, sources ...evidence) condition.Condition {
	top, at := 0, c
	for _, is := range finer(c) {
		for i, e := range sources {
			w := e[is]
			if w < 84 || w <= top {
				continue
			}
			prose := i == len(sources)-1
			if prose && (c == condition.QuotaExhausted || c == condition.RateLimited) && (w < 93 || e[c] >= w) {
				continue
			}
			// "Missing or invalid key" says both; the coarser stands.
			if prose && is == condition.KeyMissing && sources[0][c] > 85 {
				continue
			}
			if is == condition.BalanceInsufficient && sources[0][c] >= 96 {
				continue
			}
			if prose && e[c] >= w {
				continue
			}
			top, at = w, is
		}
	}
	return at
}
