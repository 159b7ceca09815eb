package main

import (
	"context"
	"time"

	"github.com/failwell/failwell/admission"
)

type keysCreateCmd struct {
	keyPlace

	Account    string   `default:"default"                                                                       help:"Account that the key is for (${default}); opened when it is new." placeholder:"ID"`
	Plan       string   `help:"Put the account on this plan."                                                    placeholder:"NAME"`
	Permission []string `help:"Permission of the key; repeat it for several. Absent: all that the contract has." placeholder:"NAME"`
	Env        string   `help:"Environment, such as live or test. Absent: the contract's first."                 placeholder:"NAME"`
	Expires    string   `help:"End, as a span (30d, 12h) or a date. Absent: never."                              placeholder:"WHEN"`
	Name       string   `help:"Name for people."                                                                 placeholder:"TEXT"`
}

// Run makes a key. stdout has the secret alone, so that it can be captured.
func (x *keysCreateCmd) Run(ctx context.Context, c *console) error {
	expires, err := expiry(x.Expires, time.Now())
	if err != nil {
		return err
	}
	return x.with(ctx, c, func(keys keyring) error {
		if x.Plan != "" {
			if _, err := keys.SetPlan(ctx, x.Account, x.Plan); err != nil {
				return err
			}
		}
		n := admission.NewKey{Account: x.Account, Name: x.Name, Environment: x.Env, Permissions: x.Permission, Expires: expires}
		secret, key, err := keys.CreateKey(ctx, n)
		if err != nil {
			return err
		}
		if x.JSON {
			return c.json(keyJSON{Key: key, Secret: secret})
		}
		if err := c.printf("%s\n", secret); err != nil {
			return err
		}
		c.notef("%s for account %s, expires %s; the secret is shown this once", key.ID, key.Account, dateOf(key.Expires))
		return nil
	})
}
