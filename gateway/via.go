package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
)

// via says in each request to an upstream that it came through this gateway, as
// RFC 9110 section 7.6.3 has every gateway do, and recognises one that comes
// back: an upstream that leads to the gateway itself, by whatever name, would
// otherwise be asked until connections run out.
type via struct {
	pseudonym string
	// sent are header values for HTTP/1.1 and HTTP/2, shared by all requests.
	sent [2][]string
}

// newVia draws a name, so that gateways may stand behind each other.
func newVia() via {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	name := "failwell-" + hex.EncodeToString(b[:])
	return via{pseudonym: name, sent: [2][]string{{"1.1 " + name}, {"2.0 " + name}}}
}

var errLoop = errors.New("the request has been here before: an upstream leads back to this gateway")

// loops reports whether a request has passed here before.
func (v *via) loops(r *http.Request) bool {
	for _, line := range r.Header["Via"] {
		if strings.Contains(line, v.pseudonym) {
			return true
		}
	}
	return false
}

// add appends this gateway to what out says it came through.
func (v *via) add(out, in *http.Request) {
	own := v.sent[0]
	if in.ProtoMajor > 1 {
		own = v.sent[1]
	}
	if prior := in.Header["Via"]; len(prior) > 0 {
		own = []string{strings.Join(prior, ", ") + ", " + own[0]}
	}
	out.Header["Via"] = own
}
