package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/gateway"
)

type tokensCmd struct {
	Create tokensCreateCmd `cmd:"" help:"Make a token and print it, this once."`
	List   tokensListCmd   `cmd:"" help:"List tokens."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token."`
}

// adminPlace is a running gateway.
type adminPlace struct {
	adminAt

	JSON bool `help:"Print JSON."`
}

type tokensCreateCmd struct {
	adminPlace

	Name    string `arg:""                                                             help:"Who bears it; the audit log shows it."`
	Role    string `default:"read"                                                     enum:"read,operate"                          help:"What it may do: read, or operate (${default})." placeholder:"ROLE"`
	Expires string `help:"When it ends: a span such as 30d, or a date; absent: never." placeholder:"WHEN"`
}

// Run makes a token.
func (x *tokensCreateCmd) Run(ctx context.Context, c *console) error {
	until, err := expiry(x.Expires, time.Now())
	if err != nil {
		return err
	}
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	secret, token, err := client.CreateToken(ctx, x.Name, gateway.Role(x.Role), until)
	if err != nil {
		return refusal(err)
	}
	if x.JSON {
		return c.json(map[string]any{"secret": secret, "token": token})
	}
	c.notef("token %s for %s may %s; it is shown this once", token.ID, token.Name, token.Role)
	return c.printf("%s\n", secret)
}

type tokensListCmd struct {
	adminPlace
	wideFlag
}

// Run lists tokens.
func (x *tokensListCmd) Run(ctx context.Context, c *console) error {
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	tokens, err := client.Tokens(ctx)
	if err != nil {
		return refusal(err)
	}
	if x.JSON {
		return c.json(tokens)
	}
	if len(tokens) == 0 {
		return c.print("no tokens but the gateway's own\n")
	}
	rows := make([][]string, 0, len(tokens))
	for _, t := range tokens {
		rows = append(rows, []string{t.ID, t.Name, string(t.Role), dateOf(t.Created), t.By, dateOf(t.Expires)})
	}
	return c.list(x.painterFor(c), count(len(rows), "token"), []column{
		{head: "ID"}, {head: "NAME", least: 12}, {head: "ROLE"}, {head: "MADE", goes: 2}, {head: "BY", goes: 1, least: 8}, {head: "EXPIRES", goes: 3},
	}, rows)
}

type tokensRevokeCmd struct {
	adminPlace

	ID string `arg:"" help:"Its id, as tokens list shows it."`
}

// Run ends a token.
func (x *tokensRevokeCmd) Run(ctx context.Context, c *console) error {
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	token, err := client.RevokeToken(ctx, x.ID)
	if err != nil {
		return hinted(refusal(err), "failwell tokens list shows the ids")
	}
	if x.JSON {
		return c.json(token)
	}
	return c.printf("%s has ended\n", token.ID)
}

type auditCmd struct {
	adminPlace
	wideFlag

	Limit int `default:"50" help:"How many, the latest first (${default})." placeholder:"N"`
}

// Run lists what has been changed over the admin API.
func (x *auditCmd) Run(ctx context.Context, c *console) error {
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	entries, err := client.Audit(ctx, "", x.Limit)
	if err != nil {
		return refusal(err)
	}
	if x.JSON {
		return c.json(entries)
	}
	if len(entries) == 0 {
		return c.print("nothing has been changed\n")
	}
	rows := make([][]string, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		details := make([]string, 0, len(e.Details))
		for _, name := range slices.Sorted(maps.Keys(e.Details)) {
			details = append(details, name+"="+e.Details[name])
		}
		result := strings.TrimSpace(e.Result + " " + e.Condition)
		rows = append(rows, []string{dateOf(e.At), e.By.Name, e.Action, e.Target, result, strings.Join(details, " ")})
	}
	return c.list(x.painterFor(c), count(len(rows), "change"), []column{
		{head: "TIME"}, {head: "WHO", least: 8}, {head: "WHAT"}, {head: "OF"}, {head: "RESULT", least: 7}, {head: "DETAILS", breaks: true},
	}, rows)
}

type keysRotateCmd struct {
	adminPlace

	ID      string        `arg:""        help:"The key's id."`
	Overlap time.Duration `default:"24h" help:"How long the old key goes on (${default})." placeholder:"DURATION"`
}

// Run replaces a key by a new one.
func (x *keysRotateCmd) Run(ctx context.Context, c *console) error {
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	done, err := client.RotateKey(ctx, x.ID, x.Overlap)
	if err != nil {
		return refusal(err)
	}
	if x.JSON {
		return c.json(map[string]any{"secret": done.Secret, "key": done.Next, "old": done.Old})
	}
	c.notef("key %s takes the place of %s, which works until %s; it is shown this once", done.Next.ID, done.Old.ID, dateOf(done.Old.Expires))
	return c.printf("%s\n", done.Secret)
}
