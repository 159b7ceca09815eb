package main

import (
	"strings"

	"github.com/failwell/failwell/gateway"
)

// openAdmin finds the running gateway, whose token it reads where the gateway
// has left it for its user.
func (x *keyPlace) openAdmin() (*gateway.AdminClient, error) {
	client, err := gateway.OpenAdmin(x.Admin)
	if err != nil {
		hint := "start one with failwell serve; name its address with --admin, or the store with --store when none runs"
		if strings.Contains(x.Admin, "@") || !strings.Contains(x.Admin, ":") {
			hint = "write --admin http://127.0.0.1:8081"
		}
		return nil, hinted(err, hint)
	}
	return client, nil
}
