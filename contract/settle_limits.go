package contract

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Defaults of the promise about repeated writes.
const (
	defaultKeep  = 24 * time.Hour
	defaultWait  = 10 * time.Second
	defaultLease = 30 * time.Second
	// A lease is renewed a few times in its life; below this, a pause of the
	// garbage collector or a slow store would end it.
	leastLease = 100 * time.Millisecond
	// MaxResponse is what an idempotency record may hold beside its head: the
	// stores take values of up to a few megabytes.
	defaultMaxResponse = 1 << 20
)

const reconcile = "reconcile"

// settleLimits decides what happens to each limit when its state is out of reach.
func settleLimits(l *LimitRules) {
	l.Algorithm = cmp.Or(l.Algorithm, GCRA)
	l.Scope = cmp.Or(l.Scope, "key")
	l.Away = cmp.Or(l.Away, AwayLocal)
	l.CountersAway = cmp.Or(l.CountersAway, AwayClosed)
}

func settleQuotas(c *Contract, quotas []Quota) {
	for i := range quotas {
		quotas[i].Away = cmp.Or(quotas[i].Away, c.Limits.CountersAway)
	}
}

// settleBalances refuses balances that a charge could not tell from a quota.
func (p *parser) settleBalances(c *Contract) {
	quotas := c.quotaNames()
	for _, b := range c.Balances {
		b.Title = cmp.Or(b.Title, strings.ReplaceAll(b.Name, "_", " "))
		if slices.Contains(quotas, b.Name) {
			p.fault(b.Pos, "give one of them another name", "the balance %q has the name of a quota, so that a charge could mean either", b.Name)
		}
	}
}

// quotaNames are the names of all plans' quotas, each once.
func (c *Contract) quotaNames() (list []string) {
	for _, x := range c.Plans {
		for _, q := range x.Quotas {
			if !slices.Contains(list, q.Name) {
				list = append(list, q.Name)
			}
		}
	}
	return list
}

func (p *parser) settleIdempotency(i *Idempotency) {
	if i.Header == "" {
		return
	}
	if len(i.Methods) == 0 {
		i.Methods = []string{"POST", "PUT", "PATCH"}
	}
	i.InFlight = cmp.Or(i.InFlight, "reject")
	i.Keep = cmp.Or(i.Keep, defaultKeep)
	i.Wait = cmp.Or(i.Wait, defaultWait)
	i.Lease = cmp.Or(i.Lease, min(defaultLease, i.Keep))
	i.Unknown = cmp.Or(i.Unknown, "reject")
	i.MaxResponse = cmp.Or(i.MaxResponse, defaultMaxResponse)
	i.Away = cmp.Or(i.Away, AwayClosed)
	if i.Lease > i.Keep {
		p.fault(i.Pos, "a record has to outlive the call that it is for; shorten lease or lengthen keep",
			"idempotency.lease %v is longer than idempotency.keep %v", i.Lease, i.Keep)
	}
	if i.Lease < leastLease {
		p.fault(i.Pos, "write 100ms or more: a short pause of the process must not end it", "idempotency.lease %v is too short", i.Lease)
	}
	if i.MaxResponse > defaultMaxResponse {
		p.fault(i.Pos, "write 1MiB or less; longer answers are not replayed", "idempotency.max_response %d is too large to be kept", i.MaxResponse)
	}
}

// settleUse holds an operation to what the plans, the balances and the
// idempotency of its contract can give.
func (p *parser) settleUse(c *Contract, o *Operation) {
	p.settleCharges(c, o)
	if o.Slot && !slices.ContainsFunc(c.Plans, func(x *Plan) bool { return x.Concurrency > 0 }) {
		p.fault(o.Pos, "give a plan \"concurrency: …\", or leave slot out", "operation %s %s takes a slot, but no plan has a concurrency", o.Method, o.Path)
	}
	if o.Stores && !slices.ContainsFunc(c.Plans, func(x *Plan) bool { return x.Storage > 0 }) {
		p.fault(o.Pos, "give a plan \"storage: …\", or leave stores out", "operation %s %s stores its body, but no plan has a storage", o.Method, o.Path)
	}
	p.settleRepetition(c, o)
}

func (p *parser) settleCharges(c *Contract, o *Operation) {
	quotas := c.quotaNames()
	balances := names(c.Balances, func(b *Balance) string { return b.Name })
	for _, charge := range o.Charges {
		if slices.Contains(quotas, charge.Name) || slices.Contains(balances, charge.Name) {
			continue
		}
		known := append(slices.Clone(quotas), balances...)
		hint := "declare it under balances, or as a quota of a plan"
		if len(known) > 0 {
			hint = didYouMean(charge.Name, known)
		}
		p.fault(o.Pos, hint, "operation %s %s charges %q, which is neither a quota of a plan nor a balance", o.Method, o.Path, charge.Name)
	}
	takes := len(o.Charges) > 0 || o.Slot || o.Stores
	if public := o.Public || len(c.Auth.Schemes) == 0; takes && public {
		p.fault(o.Pos, "leave charge, slot and stores out, or ask for a key", "operation %s %s is public, so there is no account that it could take from", o.Method, o.Path)
	}
}

// settleRepetition checks what the operation says about its idempotency key.
func (p *parser) settleRepetition(c *Contract, o *Operation) {
	i := &c.Idempotency
	honoured := i.Header != "" && slices.Contains(i.Methods, o.Method)
	fault := func(hint, format string, args ...any) {
		p.fault(o.Pos, hint, "operation "+o.Method+" "+o.Path+" "+format, args...)
	}
	said := o.Idempotency == "required" || o.Unknown != "" || o.Reconcile != ""
	switch {
	case said && i.Header == "":
		fault("add \"idempotency: {header: Idempotency-Key}\"", "speaks of idempotency keys, but the contract has none")
		return
	case said && !honoured:
		fault("add "+o.Method+" to idempotency.methods", "speaks of idempotency keys, which are honoured on %s only", strings.Join(i.Methods, ", "))
		return
	case o.Idempotency == "off" && (o.Unknown != "" || o.Reconcile != ""):
		fault("leave unknown and reconcile out", "does not honour idempotency keys, so no outcome can be unknown")
		return
	}
	asks := honoured && o.Idempotency != "off" && cmp.Or(o.Unknown, i.Unknown) == reconcile
	switch path := o.Reconcile; {
	case asks && path == "":
		fault("add \"reconcile: /…/$key\", the path at the upstream that tells what became of a call", "has unknown: reconcile without saying where to ask")
	case path == "":
	case !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//"):
		fault("begin it with one slash; it is a path at the upstream", "has the reconcile path %q", path)
	case !strings.Contains(path, "$key"):
		fault("put $key where the idempotency key belongs", "has the reconcile path %q, which asks about no call in particular", path)
	case !asks:
		fault("add \"unknown: reconcile\"", "has a reconcile path that is never asked")
	}
}
