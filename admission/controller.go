package admission

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// Controller decides on calls. Its methods may be used from any goroutine; it
// must not be copied, nor its fields changed, after the first use.
type Controller struct {
	// Contract is Required.
	Contract *contract.Contract
	// Store holds keys and accounts. Required unless every operation is public.
	Store store.Store
	// Clock is Optional: nil means time.Now. It is called concurrently.
	Clock func() time.Time
	// Random is Optional: where keys come from; nil means crypto/rand.Reader.
	Random io.Reader
	// StoreTimeout is Optional: how long a decision waits for the store, all
	// its reads together; 0 means 20 ms. Then the call gets unavailable.
	StoreTimeout time.Duration
	// Environment is Optional: keys of other environments are unknown; "" means
	// that all of the contract's environments are served.
	Environment string
	// Logger is Optional: nil discards.
	Logger *slog.Logger
}

// Admit decides on a call and overwrites the verdict.
func (c *Controller) Admit(_ context.Context, call *Call, v *Verdict) {
	*v = Verdict{Facts: v.Facts[:0]}
	switch {
	case len(c.Contract.Auth.Schemes) == 0, call.Operation != nil && call.Operation.Public:
		v.Admitted = true
	case call.Credential == "" && !call.Misplaced:
		v.Condition = condition.KeyMissing
	default:
		v.Condition = condition.KeyUnknown
	}
}
