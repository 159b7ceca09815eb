package gen

import (
	"strings"

	"github.com/failwell/failwell/contract"
)

// ErrorClass is the class of a code's or a condition's errors in generated
// clients: RATE_LIMIT_EXCEEDED is RateLimitExceededError, internal_error is
// InternalError.
func ErrorClass(name string) string {
	s := Pascal(name)
	if strings.HasSuffix(s, "Error") {
		return s
	}
	return s + "Error"
}

// PackageName is what generated packages are called unless somebody says
// otherwise: the contract's api, its words joined by sep.
func PackageName(c *contract.Contract, sep string) string { return Options{}.name(c, sep) }
