package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ReloadFaults is why the last reload was refused.
type ReloadFaults struct {
	At     time.Time `json:"at"`
	Faults []string  `json:"faults"`
}

// Reload replaces contract, upstreams and the other settings at once; requests
// under way end as they began. When anything is wrong everything stays as it
// is, the faults are logged and shown by the admin API, and returned. What needs
// a new port or store cannot change.
func (g *Gateway) Reload(s Settings) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	old := g.live.Load()
	next, err := g.build(s, old)
	if err == nil {
		err = old.settings.fixed(next.settings)
	}
	if err != nil {
		g.RefuseReload(err)
		return err
	}
	g.live.Store(next)
	g.faults.Store(nil)
	old.closeIdle() // of upstreams that are gone; the others dial again
	g.log.Info("reloaded", "contract", next.contract.API, "upstreams", len(next.pool.members))
	return nil
}

// RefuseReload records why a reload did not come to pass, for whoever could not
// even read the settings: it is logged and shown as Reload's own refusals are.
func (g *Gateway) RefuseReload(err error) {
	f := &ReloadFaults{At: g.config.now().UTC(), Faults: strings.Split(err.Error(), "\n")}
	g.faults.Store(f)
	for _, fault := range f.Faults {
		g.log.Error("reload refused, the old settings stay", "fault", fault)
	}
}

// fixed names the settings that differ and cannot change while running.
func (s Settings) fixed(next Settings) error {
	var faults []error
	for _, x := range []struct {
		name string
		same bool
	}{
		{"listen", s.Listen == next.Listen},
		{"admin", s.Admin == next.Admin},
		{"store", s.Store == next.Store},
		{"limits", s.Limits == next.Limits},
		{"store_timeout", s.StoreTimeout == next.StoreTimeout},
		{"stale_keys", s.StaleKeys == next.StaleKeys},
		{"max_in_flight", s.MaxInFlight == next.MaxInFlight},
		{"adaptive_limit", s.AdaptiveLimit == next.AdaptiveLimit},
		{"idle_timeout", s.IdleTimeout == next.IdleTimeout},
		{"header_timeout", s.HeaderTimeout == next.HeaderTimeout},
		{"max_connections", s.MaxConnections == next.MaxConnections},
		{"max_header", s.MaxHeader == next.MaxHeader},
		{"records", s.Records == next.Records},
		{"records_keep", s.RecordsKeep == next.RecordsKeep},
		{"otlp_endpoint", s.OTLPEndpoint == next.OTLPEndpoint},
		{"otlp_headers", slices.Equal(s.OTLPHeaders, next.OTLPHeaders)},
		{"records_max", s.RecordsMax == next.RecordsMax},
		{"tls_cert and tls_key as a whole", (s.TLSCert == "") == (next.TLSCert == "")},
		{"admin_tls_cert and admin_tls_key as a whole", (s.AdminTLSCert == "") == (next.AdminTLSCert == "")},
	} {
		if !x.same {
			faults = append(faults, fmt.Errorf("%s cannot change while the gateway runs, restart it", x.name))
		}
	}
	return errors.Join(faults...)
}
