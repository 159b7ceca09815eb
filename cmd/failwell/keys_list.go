package main

import (
	"context"
	"time"

	"github.com/failwell/failwell/admission"
)

type keysListCmd struct {
	keyPlace
	wideFlag

	Account string `help:"Only keys of this account." placeholder:"ID"`
}

// Run lists keys in the order in which they were made.
func (x *keysListCmd) Run(ctx context.Context, c *console) error {
	return x.with(ctx, c, func(keys keyring) error {
		all, err := keys.Keys(ctx, x.Account)
		if err != nil {
			return err
		}
		if x.JSON {
			return c.json(map[string][]admission.Key{"keys": all})
		}
		return c.keyTable(x.painterFor(c), all, time.Now())
	})
}

type keysRevokeCmd struct {
	keyPlace

	IDs []string `arg:"" help:"Ids of the keys, as keys list shows them." name:"id"`
}

// Run revokes keys one after the other and stops at the first that fails.
func (x *keysRevokeCmd) Run(ctx context.Context, c *console) error {
	return x.with(ctx, c, func(keys keyring) error {
		revoked := []admission.Key{}
		for _, id := range x.IDs {
			key, err := keys.RevokeKey(ctx, id)
			if err != nil {
				return err
			}
			revoked = append(revoked, key)
			if !x.JSON {
				if err := c.printf("revoked %s (%s…)\n", key.ID, key.Start); err != nil {
					return err
				}
			}
		}
		if x.JSON {
			return c.json(map[string][]admission.Key{"keys": revoked})
		}
		return nil
	})
}
