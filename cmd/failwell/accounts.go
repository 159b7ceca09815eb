package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
)

type accountsCmd struct {
	List   accountsListCmd   `cmd:"" help:"List accounts with plan and state."`
	Show   accountsShowCmd   `cmd:"" help:"Show an account and how its limits stand."`
	Set    accountsSetCmd    `cmd:"" help:"Change plan, state or name of an account."`
	Credit accountsCreditCmd `cmd:"" help:"Pay into a balance, or give back to a quota or the storage."`
	Charge accountsChargeCmd `cmd:"" help:"Take from a balance, a quota or the storage."`
}

type accountsListCmd struct {
	keyPlace
	wideFlag
}

// Run lists accounts in the order of their ids.
func (x *accountsListCmd) Run(ctx context.Context, c *console) error {
	return x.with(ctx, c, func(keys keyring) error {
		all, err := keys.Accounts(ctx)
		if err != nil {
			return err
		}
		if x.JSON {
			return c.json(map[string][]admission.Account{"accounts": all})
		}
		rows := make([][]string, 0, len(all))
		for _, a := range all {
			rows = append(rows, []string{a.ID, planOf(&a), string(a.State), a.Name})
		}
		if len(rows) == 0 {
			return c.print("no accounts\n")
		}
		return c.list(x.painterFor(c), count(len(rows), "account"), []column{
			{head: "ACCOUNT"}, {head: "PLAN"}, {head: "STATE"}, {head: "NAME", goes: 1, least: 12},
		}, rows)
	})
}

func planOf(a *admission.Account) string {
	if a.Plan == "" {
		return "(default)"
	}
	return a.Plan
}

type accountsShowCmd struct {
	keyPlace

	ID string `arg:"" help:"The account." name:"id"`
}

type accountJSON struct {
	Account admission.Account    `json:"account"`
	Limits  []gateway.LimitUsage `json:"limits"`
}

// Run shows an account, what is used of its limits and what is left.
func (x *accountsShowCmd) Run(ctx context.Context, c *console) error {
	return x.with(ctx, c, func(keys keyring) error {
		account, err := keys.Account(ctx, x.ID)
		if err != nil {
			return err
		}
		limits, err := keys.Usage(ctx, x.ID)
		if err != nil {
			return err
		}
		if x.JSON {
			return c.json(accountJSON{account, append([]gateway.LimitUsage{}, limits...)})
		}
		p := c.painterFor(c.stdout)
		return errors.Join(
			c.printf("%s\n", p.bold(account.ID)),
			c.pairs(p, [][2]string{{"name", account.Name}, {"plan", planOf(&account)}, {"state", string(account.State)}}),
			c.limitTable(p, limits),
		)
	})
}

func (c *console) limitTable(p painter, limits []gateway.LimitUsage) error {
	rows := make([][]string, 0, len(limits))
	for _, l := range limits {
		used, granted, reset := strconv.FormatInt(l.Used, 10), strconv.FormatInt(l.Limit, 10), ""
		if l.Kind == "balance" {
			used, granted = "", ""
		}
		if !l.Reset.IsZero() {
			reset = dateOf(l.Reset)
		}
		rows = append(rows, []string{l.Name, l.Kind, used, granted, strconv.FormatInt(l.Remaining, 10), reset})
	}
	if len(rows) == 0 {
		return nil
	}
	return errors.Join(c.print("\n"), c.table(p, "limits", []string{"LIMIT", "KIND", "USED", "OF", "LEFT", "RESET"}, rows))
}

type accountsSetCmd struct {
	keyPlace

	ID    string  `arg:""                                                            help:"The account." name:"id"`
	Plan  *string `help:"Put it on this plan of the contract; \"\" for the default." placeholder:"NAME"`
	State *string `help:"Its standing: active, suspended or unpaid."                 placeholder:"STATE"`
	Name  *string `help:"Name for people."                                           placeholder:"TEXT"`
	New   bool    `help:"Open the account when there is none."`
}

// Run changes what is given, at once or not at all.
func (x *accountsSetCmd) Run(ctx context.Context, c *console) error {
	change := admission.AccountChange{Plan: x.Plan, Name: x.Name}
	if x.State != nil {
		state := admission.AccountState(*x.State)
		change.State = &state
	}
	if change == (admission.AccountChange{}) && !x.New {
		return usage("give --plan, --state or --name", "there is nothing to change")
	}
	return x.with(ctx, c, func(keys keyring) error {
		account, err := keys.ChangeAccount(ctx, x.ID, change)
		if x.New && errors.Is(err, admission.ErrNoAccount) {
			account, err = keys.PutAccount(ctx, opened(x.ID, &change))
		}
		switch {
		case errors.Is(err, admission.ErrNoAccount):
			return hinted(err, "failwell accounts list shows the ids; --new opens it")
		case err != nil:
			return err
		case x.JSON:
			return c.json(account)
		}
		return c.printf("account %s: plan %s, %s\n", account.ID, planOf(&account), account.State)
	})
}

func opened(id string, as *admission.AccountChange) admission.Account {
	a := admission.Account{ID: id}
	if as.Plan != nil {
		a.Plan = *as.Plan
	}
	if as.State != nil {
		a.State = *as.State
	}
	if as.Name != nil {
		a.Name = *as.Name
	}
	return a
}
