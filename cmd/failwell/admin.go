package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/gateway"
)

// adminAt is the admin listener of a running gateway.
type adminAt struct {
	Admin      string `default:"http://127.0.0.1:8081" env:"FAILWELL_ADMIN_URL" group:"place"                                                                                     help:"Admin listener of a running gateway (${default})." placeholder:"URL"`
	AdminCA    string `env:"FAILWELL_ADMIN_CA"         group:"place"            help:"File with the authorities for its certificate (the system's)."                              name:"admin-ca"                                          placeholder:"FILE"`
	AdminToken string `env:"FAILWELL_ADMIN_TOKEN"      group:"place"            help:"A token for a gateway elsewhere; on this machine its user has one. Better in the variable." name:"admin-token"                                       placeholder:"TOKEN"`
	Plaintext  bool   `env:"FAILWELL_ADMIN_PLAINTEXT"  group:"place"            help:"Let the token go to another machine unencrypted, over http://."                             name:"admin-plaintext"`
}

// openAdmin finds the running gateway. Its token is the one that is given, or
// that it has left for its user.
func (x *adminAt) openAdmin() (*gateway.AdminClient, error) {
	client, err := x.client()
	if err != nil {
		return nil, err
	}
	if x.AdminCA == "" {
		return client, nil
	}
	pem, err := os.ReadFile(x.AdminCA)
	if err != nil {
		return nil, hinted(fmt.Errorf("admin-ca: %w", err), "check the path given with --admin-ca")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("admin-ca: %s holds no certificate in PEM form", x.AdminCA)
	}
	client.HTTP = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	return client, nil
}

func (x *adminAt) client() (*gateway.AdminClient, error) {
	if x.AdminToken != "" {
		address := strings.TrimSuffix(x.Admin, "/")
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		if !x.Plaintext && inClear(address) {
			return nil, usage("write --admin https://…, or go through a tunnel of ssh -L; on a network that is yours alone --admin-plaintext allows it",
				"the token would go to %s unencrypted, for all on the way to read", address)
		}
		return &gateway.AdminClient{URL: address, Token: x.AdminToken}, nil
	}
	client, err := gateway.OpenAdmin(x.Admin)
	if err != nil {
		hint := "start one with failwell serve; name its address with --admin, a token for one elsewhere in FAILWELL_ADMIN_TOKEN, or the store with --store when none runs"
		if strings.Contains(x.Admin, "@") || !strings.Contains(x.Admin, ":") {
			hint = "write --admin http://127.0.0.1:8081"
		}
		return nil, hinted(err, hint)
	}
	return client, nil
}

// inClear reports whether what is sent to a URL leaves this machine unencrypted.
func inClear(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.Unmap().IsLoopback()
}

// unanswered words why an admin listener cannot be spoken to; nil when err is
// about something else.
func unanswered(err error) error {
	if authority, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return hinted(authority, "name the authority of its certificate with --admin-ca, and the gateway by a name that the certificate has")
	}
	e, _ := errors.AsType[*failwell.Error](err)
	switch {
	case e != nil && e.Status == http.StatusBadRequest && strings.HasSuffix(e.Message, "HTTP request to an HTTPS server."): // net/http has no other word
		return hinted(errors.New("the admin listener speaks TLS"), "write --admin https://…")
	case e != nil && e.Status == http.StatusUnauthorized:
		return hinted(errors.New("the gateway does not know the token"), "it may have ended; failwell tokens create NAME makes one, on the gateway's machine")
	case errors.Is(err, http.ErrSchemeMismatch):
		return hinted(errors.New("the admin listener speaks no TLS"), "write --admin http://…")
	case errors.Is(err, syscall.ECONNREFUSED):
		return hinted(errors.New("no gateway answers at the admin address"), "start one with failwell serve, or name the store with --store when none runs")
	}
	return nil
}
