//go:build linux

package main

// mutation breaks the product in one place.
type mutation struct {
	// what it does, as docs/reliability.md lists it.
	what string
	// file, below the module, in which old stands once and becomes broken.
	file, old, broken string
	// stores are those on which it can be seen.
	stores []string
}

var (
	everywhere = []string{"pebble", "redis", "postgres"}
	// shared are stores that more than one gateway uses.
	shared = []string{"redis", "postgres"}
)

// mutations are the mistakes that the campaign must notice.
var mutations = []mutation{
	{
		what: "a call is sent before its key is durable", stores: everywhere,
		file: "admission/idempotency_reserve.go",
		old:  "\terr := r.write(ctx, x.reserveTimeout())\n", broken: "\terr := error(nil)\n",
	},
	{
		what: "an answer goes out before it is durable", stores: everywhere,
		file: "admission/idempotency_reservation.go",
		old:  "\terr := r.write(ctx, r.kept.lease/3)\n",
		broken: "\tif before == failpoint.Completing {\n\t\ttime.AfterFunc(20*time.Millisecond, func() { _ = r.write(ctx, r.kept.lease/3) })\n\t\treturn nil\n\t}\n" +
			"\terr := r.write(ctx, r.kept.lease/3)\n",
	},
	{
		what: "whoever has lost the lease completes all the same", stores: shared,
		file: "admission/idempotency_reservation.go",
		old:  "case there.owner != r.kept.owner || there.turn != r.kept.turn || record.Version == r.version:", broken: "case record.Version == r.version:",
	},
	{
		what: "a call whose lease has lapsed is forgotten", stores: everywhere,
		file: "admission/idempotency.go",
		old:  "\tcase f.dead:\n\t\treturn stateUnknown\n", broken: "\tcase f.dead:\n\t\treturn stateReleased\n",
	},
	{
		what: "a call is believed in for ever", stores: shared,
		file: "admission/idempotency_store.go",
		old:  "\tf.dead = f.remaining < 0\n", broken: "\tf.dead = false\n",
	},
	{
		what: "leases are not renewed", stores: shared,
		file: "admission/idempotency_reservation.go",
		old:  "case !r.ended && !r.lost && since >= r.kept.lease/3:", broken: "case !r.ended && !r.lost && since >= 9*r.kept.lease:",
	},
	{
		what: "a broken connection to the upstream frees the key", stores: everywhere,
		file: "guard_ending.go",
		old:  "x.failed == condition.UpstreamUnreachable:\n\t\treturn doubted\n", broken: "x.failed == condition.UpstreamUnreachable:\n\t\treturn released\n",
	},
	{
		what: "a refusal that can be repeated is kept", stores: everywhere,
		file: "guard_ending.go",
		old:  "x.header(x.guard.state.retryAfterKey)) > 0 {\n\t\t\treturn released\n", broken: "x.header(x.guard.state.retryAfterKey)) > 0 {\n\t\t\treturn finished\n",
	},
	{
		what: "payloads are not compared", stores: everywhere,
		file: "admission/idempotency_reserve.go",
		old:  "\t\tif !same {\n", broken: "\t\tif !same && x == nil {\n",
	},
	{
		what: "an unknown outcome is done again without asking", stores: everywhere,
		file: "guard_keyed.go",
		old:  "; ask && !g.reconcile(x, r, first) {", broken: "; ask && first == x.id && !g.reconcile(x, r, first) {",
	},
	{
		what: "headers that the contract names are not kept", stores: everywhere,
		file: "guard_capture.go",
		old:  "if !keptHeaders[name] && !s.keptKeys[name] &&", broken: "if !keptHeaders[name] &&",
	},
	{
		what: "a hold is not found again, each try is charged", stores: everywhere,
		file: "admission/idempotency.go",
		old:  "return \"key/\" + s.hash }", broken: "return \"key/\" + s.hash + time.Now().String() }",
	},
	{
		what: "who leaves a hold frees it for all", stores: []string{"pebble", "postgres"},
		file: "store/meter/counter.go",
		old:  "case s.Left && len(h.claims) > 1:", broken: "case s.Left && len(h.claims) > MaxClaims:",
	},
	{
		what: "who leaves a hold frees it for all, in Lua", stores: []string{"redis"},
		file: "store/redisstore/lua/settle_end.lua",
		old:  "if form == 1 and mine and h.claims > 1 then", broken: "if form == 3 then",
	},
	{
		what: "writes of the embedded store are not synced", stores: []string{"pebble"},
		file: "store/pebblestore/open.go",
		old:  "\t\twrite:   pebble.Sync,\n", broken: "\t\twrite:   pebble.NoSync,\n",
	},
}
