package gateway

import (
	"net/http"
	"net/netip"
)

// CleanForTest gives tests from outside the hygiene of a gateway.
func CleanForTest(r *http.Request, trusted ...netip.Prefix) {
	(&hygiene{trusted: trusted}).clean(r)
}
