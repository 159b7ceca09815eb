package main

import (
	"context"
	"net/http"
	"strings"

	pages "github.com/failwell/failwell/console"
	"github.com/failwell/failwell/gateway"
)

type consoleCmd struct{ adminPlace }

// Run prints a link with which a browser is signed in to the console of a
// running gateway, once.
func (x *consoleCmd) Run(ctx context.Context, c *console) error {
	client, err := x.openAdmin()
	if err != nil {
		return err
	}
	path, err := client.Invitation(ctx)
	if err != nil {
		return refusal(err)
	}
	link := client.URL + path
	if x.JSON {
		return c.json(map[string]string{"url": link})
	}
	c.notef("this link signs a browser in, once, within ten minutes")
	return c.printf("%s\n", link)
}

// withConsole gives a gateway its console. It can invite from the start on.
func withConsole(config *gateway.Config) *pages.Console {
	made := &pages.Console{Logger: config.Logger}
	if config.Reference != nil && config.Settings.ErrorPages != "off" {
		made.Reference = "/errors/"
	}
	config.Console = func(g *gateway.Gateway, api http.Handler) http.Handler {
		made.API, made.Contract, made.BaseURL = api, g.Contract, g.URL
		if records := g.Records(); records != nil {
			made.Records = records
		}
		return made
	}
	return made
}

// consoleURL is where the console is, or "" without an admin listener.
func consoleURL(g *gateway.Gateway) string {
	if url := g.AdminURL(); url != "" {
		return url + pages.Path
	}
	return ""
}

// inviting is a link that signs whoever runs the gateway in.
func inviting(g *gateway.Gateway, made *pages.Console) string {
	return strings.TrimSuffix(g.AdminURL(), "/") + made.Invite(g.AdminToken())
}
