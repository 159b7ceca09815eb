package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

const (
	// clockMax is how far two clocks may be apart: waits in headers are in whole
	// seconds.
	clockMax = time.Second
	// latencyMax is a quarter of the 20 ms that a decision may wait for its store.
	latencyMax  = 5 * time.Millisecond
	latencyAsks = 9
)

// node is what Check sees of one server.
type node struct {
	addr     string
	info     map[string]string
	settings map[string]string // nil if it does not tell them
	offset   time.Duration     // of its clock against ours
}

// Check implements store.Checker. It reads INFO, CONFIG GET and the clock of each
// node, and times a script. Without the right to CONFIG GET what it would tell is
// taken as not kept.
func (s *Store) Check(ctx context.Context) ([]store.Promise, error) {
	if err := s.begin(ctx, nil); err != nil {
		return nil, err
	}
	defer s.leave()
	clients := s.link.client.Nodes()
	var nodes []node
	var state string
	for _, addr := range slices.Sorted(maps.Keys(clients)) {
		n, err := s.look(ctx, addr, clients[addr])
		if err != nil {
			return nil, err
		}
		if n.info["role"] == "slave" && len(clients) > 1 {
			continue // a cluster's replicas say nothing that their primary does not
		}
		nodes = append(nodes, n)
		if s.link.client.Mode() == rueidis.ClientModeCluster && state == "" {
			if state, err = s.ask(ctx, clients[addr], clients[addr].B().ClusterInfo().Build()).ToString(); err != nil {
				return nil, s.link.failed(err)
			}
		}
	}
	latency, err := s.latency(ctx)
	if err != nil {
		return nil, err
	}
	promises := []store.Promise{
		promiseVersion(nodes), promiseCrash(nodes), promiseEviction(nodes), promiseDisk(nodes), promiseFailover(nodes),
		promiseClock(nodes), promiseLatency(latency),
	}
	if state != "" {
		promises = append(promises, promiseCluster(parseInfo(state)))
	}
	return promises, nil
}

func (s *Store) ask(ctx context.Context, client rueidis.Client, cmd rueidis.Completed) rueidis.RedisResult {
	return guarded(ctx, &s.link, func(ctx context.Context) (rueidis.RedisResult, error) {
		r := client.Do(ctx, cmd)
		return r, r.NonRedisError()
	}, rueidis.NewErrorResult)
}

func (s *Store) look(ctx context.Context, addr string, client rueidis.Client) (node, error) {
	n := node{addr: addr}
	info, err := s.ask(ctx, client, client.B().Info().Build()).ToString()
	if err != nil {
		return n, convertOr(ctx, addr, err)
	}
	n.info = parseInfo(info)
	before := time.Now()
	clock, err := s.ask(ctx, client, client.B().Time().Build()).AsIntSlice()
	if err != nil || len(clock) != 2 {
		return n, convertOr(ctx, addr, err)
	}
	// Half of the way there and back is the best guess at when it was read.
	n.offset = time.Unix(clock[0], clock[1]*1000).Sub(before) - time.Since(before)/2
	n.settings, err = s.ask(ctx, client, client.B().ConfigGet().Parameter("*").Build()).AsStrMap()
	if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
		return n, convertOr(ctx, addr, err)
	}
	return n, nil
}

func convertOr(ctx context.Context, addr string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("redis %s: no answer in time: %w", addr, ctx.Err())
	}
	if err == nil {
		err = errAnswer
	}
	return convert(addr, err)
}

// latency is the median time that a script takes, there and back.
func (s *Store) latency(ctx context.Context) (time.Duration, error) {
	var took [latencyAsks]time.Duration
	for i := range took {
		before := time.Now()
		if err := s.link.eval(ctx, clockScript, []string{s.layout.sequence(0)}, nil).Error(); err != nil {
			return 0, s.link.failed(err)
		}
		took[i] = time.Since(before)
	}
	slices.Sort(took[:])
	return took[latencyAsks/2], nil
}

// each joins what is found on the nodes, those that are alike once.
func each(nodes []node, found func(*node) string) string {
	var all []string
	for i := range nodes {
		if text := found(&nodes[i]); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}

func every(nodes []node, kept func(*node) bool) bool {
	return !slices.ContainsFunc(nodes, func(n node) bool { return !kept(&n) })
}

// setting is a server's setting as it tells it.
func (n *node) setting(name string) string {
	if n.settings == nil {
		return "not told"
	}
	return cmp.Or(n.settings[name], "not known")
}

func promiseVersion(nodes []node) store.Promise {
	return store.Promise{
		Name: "the server has what is needed",
		Kept: true, // Open refuses others
		Found: each(nodes, func(n *node) string {
			if v := n.info["valkey_version"]; v != "" {
				return "Valkey " + v
			}
			return "Redis " + n.info["redis_version"]
		}),
	}
}

func promiseCrash(nodes []node) store.Promise {
	p := store.Promise{
		Name: "writes survive a crash",
		Kept: every(nodes, func(n *node) bool { return n.info["aof_enabled"] == "1" && n.setting("appendfsync") == "always" }),
		Found: each(nodes, func(n *node) string {
			if n.info["aof_enabled"] != "1" {
				return "appendonly no"
			}
			return "appendonly yes, appendfsync " + n.setting("appendfsync")
		}),
	}
	if !p.Kept {
		p.Weaker = "After a crash the last writes are gone, though they were reported and read: calls with an idempotency key can be sent " +
			"again, quotas and balances forget charges, keys that were just made or revoked are as before."
		p.Remedy = "set appendonly yes and appendfsync always in redis.conf; CONFIG SET does both on a running server"
	}
	return p
}

func promiseEviction(nodes []node) store.Promise {
	p := store.Promise{
		Name: "records stay until they expire",
		Kept: every(nodes, func(n *node) bool { return n.info["maxmemory"] == "0" || n.info["maxmemory_policy"] == "noeviction" }),
		Found: each(nodes, func(n *node) string {
			return fmt.Sprintf("maxmemory %s, maxmemory-policy %s", n.info["maxmemory"], n.info["maxmemory_policy"])
		}),
	}
	if !p.Kept {
		p.Weaker = "When memory runs out Redis drops records: a call whose idempotency record is dropped can be sent again, a limit that is " +
			"dropped begins anew, and a key that is dropped is unknown; nothing is taken for something else."
		p.Remedy = "set maxmemory-policy noeviction, and maxmemory high enough: full memory then refuses writes instead"
	}
	return p
}

func promiseDisk(nodes []node) store.Promise {
	failing := func(n *node) bool {
		return n.info["aof_last_write_status"] == "err" || n.info["aof_last_bgrewrite_status"] == "err" || n.info["rdb_last_bgsave_status"] == "err"
	}
	p := store.Promise{
		Name: "the disk takes what is written",
		Kept: every(nodes, func(n *node) bool { return !failing(n) }),
		Found: each(nodes, func(n *node) string {
			if failing(n) {
				return n.addr + ": the last save failed"
			}
			return "the last saves went well"
		}),
	}
	if !p.Kept {
		p.Weaker = "Redis refuses writes, or keeps them in memory only, until its disk takes them again."
		p.Remedy = "look at the log of that server and at its disk, mostly there is no space left"
	}
	return p
}

func promiseFailover(nodes []node) store.Promise {
	replicas := func(n *node) int {
		count, _ := strconv.Atoi(n.info["connected_slaves"]) // unreadable is none
		return count
	}
	p := store.Promise{
		Name: "a failover loses nothing",
		Kept: every(nodes, func(n *node) bool { return replicas(n) == 0 && n.info["role"] == "master" }),
		Found: each(nodes, func(n *node) string {
			if n.info["role"] != "master" {
				return n.addr + " is a replica"
			}
			if replicas(n) == 0 {
				return "no replicas, so none takes over"
			}
			return fmt.Sprintf("%d replicas, min-replicas-to-write %s, min-replicas-max-lag %s", replicas(n),
				n.setting("min-replicas-to-write"), n.setting("min-replicas-max-lag"))
		}),
	}
	if !p.Kept {
		p.Weaker = "Redis answers before its replicas have a write, so that one which takes over may lack the last ones: they are as after a " +
			"crash without appendfsync always."
		p.Remedy = "set min-replicas-to-write 1 and a small min-replicas-max-lag, which bounds the loss but does not end it; where it must " +
			"not happen, use PostgreSQL with synchronous_commit on, or no replicas"
	}
	return p
}

func promiseClock(nodes []node) store.Promise {
	p := store.Promise{
		Name:  "the clocks agree",
		Kept:  every(nodes, func(n *node) bool { return n.offset.Abs() < clockMax }),
		Found: each(nodes, func(n *node) string { return fmt.Sprintf("%s is off by %v", n.addr, n.offset.Round(time.Millisecond)) }),
	}
	if !p.Kept {
		p.Weaker = "Records expire and limits are free by the server's clock; instants in headers are wrong by the difference for callers " +
			"whose clocks go with ours."
		p.Remedy = "have all machines set their clocks by NTP"
	}
	return p
}

func promiseLatency(median time.Duration) store.Promise {
	p := store.Promise{
		Name: "a decision takes milliseconds", Kept: median <= latencyMax,
		Found: fmt.Sprintf("a script takes %v there and back", median.Round(10*time.Microsecond)),
	}
	if !p.Kept {
		p.Weaker = "Every call waits for the store that long, and near 20 ms limits fall back to what they do when it is away."
		p.Remedy = "bring the server nearer, look for slow commands with SLOWLOG GET, or for a disk that syncs slowly"
	}
	return p
}

func promiseCluster(state map[string]string) store.Promise {
	p := store.Promise{
		Name:  "the cluster is whole",
		Kept:  state["cluster_state"] == "ok" && state["cluster_slots_ok"] == strconv.Itoa(slotCount),
		Found: fmt.Sprintf("cluster_state %s, %s slots of %d", state["cluster_state"], state["cluster_slots_ok"], slotCount),
	}
	if !p.Kept {
		p.Weaker = "Some keys, and with them accounts, cannot be read or written."
		p.Remedy = "start the missing nodes, or assign their slots with redis-cli --cluster fix"
	}
	return p
}
