package pgstore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openPatience bounds an Open without a deadline; most of it is for another
// process that changes the schema at the same time.
const openPatience = time.Minute

// Open connects to the database that url names (postgres:// or postgresql://,
// with libpq's parameters, pgx's for pools, and schema) and makes its tables if
// they are not there. Several servers may be named, of which the one that takes
// writes is used. Errors are of type *Error, but for a URL that cannot be read,
// and say what to do; none holds the password.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	config, opts, err := configure(url, opts)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts.withDefaults(), sql: prepare(opts.Schema, opts.Clock != nil), where: where(config)}
	listen := config
	if opts.ListenURL != "" {
		if listen, _, err = configure(opts.ListenURL, opts); err != nil {
			return nil, err
		}
	}
	s.news.config, s.news.channel = listen.ConnConfig.Copy(), channel(opts.Schema)
	config.PingTimeout = config.ConnConfig.ConnectTimeout
	config.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error {
		validate(conn, func(seen session) {
			if seen.pooled {
				s.pooled.Store(true)
			}
		})
		return nil
	}
	config.ShouldPing = s.suspicious
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, errURL
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.start(ctx); err != nil {
		s.cancel()
		s.pool.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	steps, err := migrations(migrationFiles)
	if err != nil {
		return s.failed(ctx, err)
	}
	err = s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return migrate(ctx, conn.Conn(), s.opts.Schema, steps)
	})
	if err != nil {
		return s.failed(ctx, err)
	}
	if s.opts.CleanEvery > 0 {
		s.beside.Go(s.cleanUntilClosed)
	}
	return nil
}

// Close implements store.Store. Goodbyes to a server that hangs are not waited for.
func (s *Store) Close() error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.cancel()
	s.beside.Wait()
	if already {
		return nil
	}
	parted := make(chan struct{})
	go func() {
		defer close(parted)
		s.pool.Close()
	}()
	select {
	case <-parted:
	case <-time.After(goodbye):
	}
	return nil
}

const goodbye = 2 * time.Second

// direct sends a statement without preparing it by name, so that it is planned
// with its values and needs no session; pgx keeps what types it has.
const direct = pgx.QueryExecModeCacheDescribe

// validate makes the configuration of one connection look at what it reaches,
// and tell.
func validate(config *pgx.ConnConfig, tell func(session)) {
	dial, replicated := config.DialFunc, false
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		seen, err := look(ctx, conn)
		if err != nil {
			return err
		}
		// Only a primary may serve: a standby shows what is past, and takes no writes.
		if seen.readOnly {
			return errReadOnly
		}
		replicated = seen.replicated
		tell(seen)
		return nil
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		// pgx dials again to cancel a statement. While one waits for its standby,
		// that would end the wait and show what a failover can still take back.
		if replicated {
			return nil, errNoCancel
		}
		return dial(ctx, network, address)
	}
}

var (
	errReadOnly = errors.New("the server takes no writes")
	errNoCancel = errors.New("statements of a replicated server are not cancelled")
)

// session is what a new connection shows.
type session struct{ readOnly, replicated, pooled bool }

// look asks a new connection what it leads to, and has the server use indexes
// on it, in their order: a plan that was made while the table was small would be kept
// for long, and one for a range may read all of it to sort it.
// A pooler hands sessions to strangers, so there the setting is left alone. The
// statement is text without parameters, which all poolers pass.
func look(ctx context.Context, conn *pgconn.PgConn) (session, error) {
	results, err := conn.Exec(ctx, sqlLook).ReadAll()
	if err != nil {
		return session{}, err
	}
	row := results[0].Rows[0]
	seen := session{readOnly: string(row[0]) == "on", replicated: string(row[1]) != ""}
	seen.pooled = string(row[2]) != strconv.FormatUint(uint64(conn.PID()), 10)
	if !seen.pooled {
		_, err = conn.Exec(ctx, "SET enable_seqscan = off; SET enable_bitmapscan = off").ReadAll()
	}
	return seen, err
}

const sqlLook = `SELECT current_setting('transaction_read_only'), current_setting('synchronous_standby_names'), pg_backend_pid()`

// suspicious has a connection proved before use when it was idle for long, or
// is from before the last loss of a connection: a server that restarted has cut
// them all, and each would fail one call.
func (s *Store) suspicious(_ context.Context, p pgxpool.ShouldPingParams) bool {
	if p.IdleDuration > time.Second {
		return true
	}
	lost := s.broken.Load()
	return lost != 0 && time.Now().Add(-p.IdleDuration).UnixNano() <= lost
}

// attempts of a statement: one that only reads is asked again when the
// connection is lost.
type attempts bool

const (
	once  attempts = false
	again attempts = true
)

// contended bounds how often a statement that the server rolled back in favour
// of others is sent again. At the isolation that the statements are made for it
// does not happen; a database may be set up for another.
const contended = 20

// ask runs a statement that returns one row at most.
func (s *Store) ask(ctx context.Context, a attempts, sql string, args []any, into ...any) error {
	if s.pooled.Load() {
		args = append([]any{direct}, args...)
	}
	for n := 1; ; n++ {
		err := s.pool.QueryRow(ctx, sql, args...).Scan(into...)
		switch {
		case err == nil, errors.Is(err, pgx.ErrNoRows), ctx.Err() != nil:
			return err
		case rolledBack(err) && n < contended:
			continue
		case !lost(err):
			return err
		}
		s.broken.Store(time.Now().UnixNano())
		if n > 1 || (a == once && !pgconn.SafeToRetry(err)) {
			return err
		}
	}
}
