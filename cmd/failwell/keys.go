package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key and print it, this once."`
	List   keysListCmd   `cmd:"" help:"List keys; secrets are kept nowhere."`
	Rotate keysRotateCmd `cmd:"" help:"Replace a key by a new one; both work for a while."`
	Revoke keysRevokeCmd `cmd:"" help:"End keys for ever."`
	Import keysImportCmd `cmd:"" help:"Take over keys that were issued elsewhere."`
}

// keyPlace is where a command finds keys: at a running gateway, or in the store
// while none runs.
type keyPlace struct {
	adminAt

	Store    string `group:"place"           help:"The store, when no gateway runs on it: pebble:DIR, redis:// or postgres://." placeholder:"URL"`
	Contract string `env:"FAILWELL_CONTRACT" group:"place"                                                                      help:"With --store: the contract that the keys are for." placeholder:"NAME|FILE" short:"c"`
	JSON     bool   `help:"Print JSON."`
}

// keyring is what the commands need of either place.
type keyring interface {
	CreateKey(ctx context.Context, n admission.NewKey) (secret string, key admission.Key, err error)
	// ImportKeys has a result for each key, unless it ends with an error.
	ImportKeys(ctx context.Context, list []admission.Imported) ([]admission.ImportResult, error)
	Keys(ctx context.Context, account string) ([]admission.Key, error)
	RevokeKey(ctx context.Context, id string) (admission.Key, error)
	// SetPlan puts an account, new or not, on a plan.
	SetPlan(ctx context.Context, account, plan string) (admission.Account, error)
	accounts
}

// accounts is the part of it that is about accounts.
type accounts interface {
	Accounts(ctx context.Context) ([]admission.Account, error)
	Account(ctx context.Context, id string) (admission.Account, error)
	PutAccount(ctx context.Context, a admission.Account) (admission.Account, error)
	ChangeAccount(ctx context.Context, id string, to admission.AccountChange) (admission.Account, error)
	Usage(ctx context.Context, id string) ([]gateway.LimitUsage, error)
	Credit(ctx context.Context, id, name string, amount int64, key string) (*gateway.LimitUsage, error)
	Charge(ctx context.Context, id, name string, amount int64, key string) (*gateway.LimitUsage, error)
}

// with opens the place, lets work happen there and closes it.
func (x *keyPlace) with(ctx context.Context, c *console, work func(keyring) error) error {
	if x.Store != "" {
		return x.withStore(ctx, c, work)
	}
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	return refusal(work(client))
}

func (x *keyPlace) withStore(ctx context.Context, c *console, work func(keyring) error) error {
	if x.Contract == "" {
		return usage("add --contract NAME|FILE: it says what keys look like and may do", "keys in a store need a contract")
	}
	if x.Store == memoryStore {
		return usage("name a store that lasts: pebble:DIR, redis://HOST, postgres://HOST/DATABASE, or a running gateway with --admin", "the store memory: is gone with the process that has it")
	}
	spec, err := loadContract(x.Contract)
	if err != nil {
		return err
	}
	s, err := openStore(ctx, x.Store, newLogger(c.stderr, "text", slog.LevelError))
	if err != nil {
		return err
	}
	err = refusal(work(newStoredKeys(spec, s)))
	return errors.Join(err, s.Close())
}

// refusal adds what to do to the errors of a keyring.
func refusal(err error) error {
	if _, ok := errors.AsType[*hintError](err); ok {
		return err
	}
	if why := unanswered(err); why != nil {
		return why
	}
	switch {
	case errors.Is(err, admission.ErrNoAccount):
		return hinted(err, "failwell accounts list shows the ids")
	case errors.Is(err, admission.ErrNoKey):
		return hinted(err, "failwell keys list shows the ids")
	case errors.Is(err, admission.ErrInvalid):
		if what, hint, ok := strings.Cut(err.Error(), "; "); ok {
			return hinted(errors.New(what), hint) //nolint:err113 // the same error, with its hint apart
		}
	}
	return err
}

// expiry reads an instant, a date or a span from now.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 16); err == nil {
			return now.Add(time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if span, err := time.ParseDuration(text); err == nil {
		return now.Add(span), nil
	}
	return time.Time{}, usage("write a span such as 30d or 12h, or a date such as 2030-01-31", "--expires cannot be %q", text)
}

// keyJSON is a key as --json prints it; never its secret but for create.
type keyJSON struct {
	admission.Key

	Secret string `json:"secret,omitempty"`
}

// stateOf includes the passing of time.
func stateOf(k *admission.Key, now time.Time) string {
	if k.State == admission.KeyActive && !k.Expires.IsZero() && !now.Before(k.Expires) {
		return "expired"
	}
	return string(k.State)
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func (c *console) keyTable(p painter, keys []admission.Key, now time.Time) error {
	rows := make([][]string, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		rows = append(rows, []string{
			k.ID, k.Start + "…", k.Account, k.Environment, stateOf(k, now), dateOf(k.Expires), strings.Join(k.Permissions, " "), k.Name,
		})
	}
	if len(rows) == 0 {
		return c.print("no keys\n")
	}
	return c.list(p, count(len(rows), "key"), []column{
		{head: "ID"}, {head: "START", goes: 5}, {head: "ACCOUNT"}, {head: "ENV", goes: 2}, {head: "STATE"}, {head: "EXPIRES", goes: 4},
		{head: "PERMISSIONS", goes: 1}, {head: "NAME", goes: 3, least: 12},
	}, rows)
}
