// Package stand is the ground that the stand-ins of package sandbox stand on:
// a world with a store, a clock that can be set forward, keys, a service behind
// the API, and work that falls due. An API brings its resources and rules;
// everything it keeps is in the world's store, so that it survives a restart
// when the store does.
package stand

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/store"
)

// World is what a stand-in works with. It is safe for concurrent use.
type World struct {
	Contract *contract.Contract
	Guard    *failwell.Guard
	// Admission decides about calls; its Charge and Credit are for prices that
	// only the work itself shows.
	Admission *admission.Controller
	Keys      *admission.Keyring
	Store     store.Store
	Clock     *Clock
	Backend   *Backend
	Due       *Due
	Logger    *slog.Logger
	// URL is where the stand-in is reached, "" before it is known: for links
	// that it hands out.
	URL func() string
}

// Handler answers one operation; what it returns is rendered by the contract.
type Handler = func(http.ResponseWriter, *http.Request) error

// API is one stand-in.
type API interface {
	// Handlers by the id of the contract's operation, one for each.
	Handlers() map[string]Handler
	// Seed brings about what is there at the first start, besides keys. It is
	// called once per store.
	Seed(ctx context.Context) error
	// Tasks are the kinds of work that fall due; see Due.
	Tasks() map[string]func(ctx context.Context, id string) error
	// Describe says of operations, by their id, what the contract does not; one
	// that is not there has nothing of the kind.
	Describe() map[string]Description
}

// KeySeeder is an API that has keys of its own: for accounts whose state is no
// state of a key, as one without funds.
type KeySeeder interface {
	// SeedKeys makes them, by name. It is called once per store, before Seed.
	SeedKeys(ctx context.Context) (map[string]string, error)
}

// Outsider is an API that hands out addresses which are not in its contract,
// as storage services do: whoever has one may use it, without a key.
type Outsider interface {
	// Outside serves what is below OutsidePath.
	Outside() http.Handler
}

// OutsidePath is where addresses outside of a contract begin.
const OutsidePath = "/_files/"

// AccountHeader names the account of a call that was admitted elsewhere.
const AccountHeader = "X-Failwell-Account"

// MainAccount is whom a call belongs to that nobody was asked about.
const MainAccount = "org_main"

// Account is who makes the call.
func (*World) Account(r *http.Request) string {
	if _, account := failwell.Caller(r.Context()); account != nil {
		return account.ID
	}
	if id := r.Header.Get(AccountHeader); id != "" {
		return id
	}
	return MainAccount
}

// Prefix is where the records of the stand-in begin.
func (w *World) Prefix() string { return "sandbox/" + w.Contract.API + "/" }

// Charge takes from a quota or a balance of the caller, where the stand-in keeps
// limits itself.
func (w *World) Charge(ctx context.Context, name string, amount int64) error {
	if w.Guard.Admission == nil || amount <= 0 {
		return nil
	}
	return failwell.Charge(ctx, name, amount)
}
