package pgstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/failwell/failwell/store"
)

const (
	// A look-up that takes longer than slowRead, or a commit than slowCommit, eats
	// most of the 20 ms that a decision may take.
	slowRead   = 5 * time.Millisecond
	slowCommit = 15 * time.Millisecond
	// maxOffset between the clocks: headers carry whole seconds.
	maxOffset = time.Second
	// probes are how many answers the clock and the latencies are taken from.
	probes = 7
)

// Check implements store.Checker. It commits a few empty entries to the server's
// log, which nobody reads.
func (s *Store) Check(ctx context.Context) ([]store.Promise, error) {
	if err := s.begin(ctx, nil); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	var promises []store.Promise
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		seen, err := readServer(ctx, conn.Conn())
		if err != nil {
			return err
		}
		times, err := probe(ctx, conn.Conn())
		if err != nil {
			return err
		}
		pooled := s.pooled.Load()
		promises = append(seen.durability(), seen.replication(), seen.headroom(int(s.pool.Config().MaxConns)), seen.vacuum())
		promises = append(promises, times.promises()...)
		promises = append(promises, newsPromise(pooled && s.opts.ListenURL == ""))
		return nil
	})
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return promises, nil
}

// server is what the server says of itself.
type server struct {
	fsync, synchronous, fullPages, autovacuum, counts, standbyNames string

	standby  bool
	standbys int // that stream now
	inUse    int
	slots    int // connections for users like ours
}

const sqlServer = `SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
	current_setting('autovacuum'), current_setting('track_counts'), current_setting('synchronous_standby_names'), pg_is_in_recovery(),
	(SELECT count(*) FROM pg_stat_replication),
	(SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database),
	current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`

func readServer(ctx context.Context, conn *pgx.Conn) (server, error) {
	var v server
	err := conn.QueryRow(ctx, sqlServer, direct).Scan(&v.fsync, &v.synchronous, &v.fullPages,
		&v.autovacuum, &v.counts, &v.standbyNames, &v.standby, &v.standbys, &v.inUse, &v.slots)
	return v, err
}

func (v server) durability() []store.Promise {
	return []store.Promise{
		{
			Name: "what is written is on disk", Kept: v.fsync == "on", Found: "fsync " + v.fsync,
			Weaker: "A power cut can lose records or damage the whole database.", Remedy: "set fsync = on",
		},
		{
			Name: "writes survive a crash of the server", Kept: v.synchronous != "off", Found: "synchronous_commit " + v.synchronous,
			Weaker: "A crash takes back the last second of writes, which others may have seen: a key could be executed twice, a charge be lost.",
			Remedy: "set synchronous_commit = on for this user",
		},
		{
			Name: "a crash in the middle of a page damages nothing", Kept: v.fullPages == "on", Found: "full_page_writes " + v.fullPages,
			Weaker: "A power cut can damage records, unless the file system writes whole pages by itself.", Remedy: "set full_page_writes = on",
		},
	}
}

// replication is about what a failover keeps. A server without standbys has none.
func (v server) replication() store.Promise {
	waits := v.standbyNames != "" && slices.Contains([]string{"on", "remote_apply", "remote_write"}, v.synchronous)
	found := "no standby"
	if v.standbys > 0 || v.standbyNames != "" {
		found = fmt.Sprintf("%s, synchronous_standby_names %q, synchronous_commit %s", count(v.standbys, "standby", "standbys"), v.standbyNames, v.synchronous)
	}
	return store.Promise{
		Name: "writes survive a failover", Kept: !v.standby && (waits || (v.standbys == 0 && v.standbyNames == "")), Found: found,
		Weaker: "When a standby takes over, writes that it had not received are gone, though they were confirmed.",
		Remedy: "name the standbys in synchronous_standby_names, and leave synchronous_commit on",
	}
}

func (v server) headroom(ours int) store.Promise {
	return store.Promise{
		Name: "there are connections for every process", Kept: v.slots-v.inUse >= ours,
		Found:  fmt.Sprintf("%d of %d in use, this process takes up to %d and one for news", v.inUse, v.slots, ours),
		Weaker: "Further processes, or this one under load, are refused connections and cannot decide.",
		Remedy: "raise max_connections, lower pool_max_conns in the URL, or put a pooler in between",
	}
}

func (v server) vacuum() store.Promise {
	return store.Promise{
		Name: "space of old versions is used again", Kept: v.autovacuum == "on" && v.counts == "on",
		Found:  "autovacuum " + v.autovacuum + ", track_counts " + v.counts,
		Weaker: "The tables grow with every write, and decisions become slower.", Remedy: "set autovacuum = on and track_counts = on",
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// timing is what was measured from here.
type timing struct{ read, commit, offset time.Duration }

// probe measures. The answer that came soonest says most of the clock; medians
// say what to expect.
func probe(ctx context.Context, conn *pgx.Conn) (timing, error) {
	reads, commits := make([]time.Duration, probes), make([]time.Duration, probes)
	best, offset := time.Duration(1<<62), time.Duration(0)
	for i := range probes {
		var now time.Time
		began := time.Now()
		if err := conn.QueryRow(ctx, sqlClock, direct).Scan(&now); err != nil {
			return timing{}, err
		}
		took := time.Since(began)
		reads[i] = took
		if took < best {
			best, offset = took, now.Sub(began.Add(took/2))
		}
		began = time.Now()
		// An entry of the log with nobody to read it: a commit that changes nothing.
		if _, err := conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'failwell', '')", direct); err != nil {
			return timing{}, err
		}
		commits[i] = time.Since(began)
	}
	slices.Sort(reads)
	slices.Sort(commits)
	return timing{read: reads[probes/2], commit: commits[probes/2], offset: offset}, nil
}

func (v timing) promises() []store.Promise {
	const round = 10 * time.Microsecond
	return []store.Promise{
		{
			Name: "clocks agree", Kept: v.offset.Abs() <= maxOffset,
			Found:  "the server is " + v.offset.Abs().Round(time.Millisecond).String() + aheadOrBehind(v.offset) + " of this process",
			Weaker: "Instants in headers and records are off by as much; decisions are not, they follow the server's clock.",
			Remedy: "run NTP on both machines",
		},
		{
			Name: "a decision fits in 20 ms", Kept: v.read <= slowRead && v.commit <= slowCommit,
			Found:  fmt.Sprintf("median of %d: read %v, commit %v", probes, v.read.Round(round), v.commit.Round(round)),
			Weaker: "Decisions miss their time, and limits fall back to what their contract says for a store that is away.",
			Remedy: "run failwell near the server, and its write-ahead log on a disk with fast syncs",
		},
	}
}

func aheadOrBehind(offset time.Duration) string {
	if offset < 0 {
		return " behind"
	}
	return " ahead"
}

func newsPromise(pooled bool) store.Promise {
	found := "a connection to the server itself"
	if pooled {
		found = "a pooler is between"
	}
	return store.Promise{
		Name: "news reach other processes at once", Kept: !pooled, Found: found,
		Weaker: "If the pooler shares connections between clients, a revocation waits for the next poll.", Remedy: listenHint,
	}
}
