package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/failwell/failwell/store"
)

// ErrNewerSchema says that a newer failwell has been at the database.
var ErrNewerSchema = errors.New("pgstore: the schema is newer than this failwell")

// Error says why the database did not serve, and what to do about it. It
// satisfies errors.Is with store.ErrUnavailable.
type Error struct {
	Where string // servers and database; never a user or a password
	What  string // what is the matter
	Hint  string // what to do
	Err   error  // the cause underneath
}

func (e *Error) Error() string { return fmt.Sprintf("store %s: %s; %s", e.Where, e.What, e.Hint) }

// Unwrap gives store.ErrUnavailable and the cause.
func (e *Error) Unwrap() []error { return []error{store.ErrUnavailable, e.Err} }

// SQLSTATE codes, PostgreSQL's manual, appendix A.
const (
	undefinedTable      = "42P01"
	undefinedSchema     = "3F000"
	serializationFailed = "40001"
	deadlock            = "40P01"
)

// advice is what is said about a code; %s is the server's message.
type advice struct{ what, hint string }

const (
	waitHint = "nothing to do if it comes back; failwell connects again by itself"
	roleHint = "correct user or password in the URL, or the server's pg_hba.conf"
)

var advices = map[string]advice{
	"28P01": {"the server refuses user or password", roleHint},
	"28000": {"the server refuses the user: %s", roleHint},
	"3D000": {"the database does not exist", "create it with createdb, or correct its name in the URL"},
	"42501": {"the user lacks a right: %s", "grant it; failwell needs CREATE on the database once, then its own schema only"},
	"53100": {"the server's disk is full", "free space there; writes work again at once, and nothing was lost"},
	"53200": {"the server is out of memory: %s", "give it more, or lower its shared_buffers or max_connections"},
	"53300": {"the server has no connection left", "raise its max_connections, or lower pool_max_conns in the URL"},
	"53400": {"a limit of the server's configuration is reached: %s", "raise it"},
	"57P01": {"the server was told to end the connection", waitHint},
	"57P02": {"the server has crashed and is recovering", waitHint},
	"57P03": {"the server is starting up, or shutting down", waitHint},
	"57P05": {"the server has ended an idle connection", "set its idle_session_timeout to 0 for this user"},
	"57014": {"the server has cancelled the statement: %s", "raise statement_timeout for this user, if it was that"},
	"55P03": {"the server gave up waiting for a lock", "raise lock_timeout for this user"},
	"25006": {
		"the server takes no writes",
		"name all servers in the URL, host1:5432,host2:5432, so that failwell finds the primary; or end default_transaction_read_only",
	},
	"26000": {poolerSays, poolerHint},
	"42P05": {poolerSays, poolerHint},
	"08P01": {"a pooler or the server refuses the connection's parameters: %s", "have the pooler ignore them (ignore_startup_parameters), or connect to the server"},
	"XX001": {"the server has found damaged data: %s", "restore it from a backup or a standby before anything else"},
	"XX002": {"the server has found a damaged index: %s", "rebuild it with REINDEX"},
	"58030": {"the server cannot read or write its files: %s", "look at its log and its disk"},

	undefinedTable:  {"a table of the store is gone: %s", "restore it from a backup; where nothing of it is needed, a restart makes it anew"},
	undefinedSchema: {"the store's schema is gone", "restore it from a backup; where nothing of it is needed, a restart makes it anew"},

	serializationFailed: {"the server rolls back every attempt in favour of others", "set default_transaction_isolation to read committed for this user"},
	deadlock:            {"the server rolls back every attempt because of deadlocks", "look for others that write to the store's tables"},
}

const (
	poolerSays = "a pooler mixes sessions, so prepared statements get lost"
	poolerHint = "add default_query_exec_mode=cache_describe to the URL, or let the pooler keep them (PgBouncer: max_prepared_statements=100)"
)

// failed turns an error of pgx into what callers are told.
func (s *Store) failed(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("store %s: no answer in time: %w", s.where, cause)
	}
	what, hint := explain(err)
	if newer, ok := errors.AsType[*newerError](err); ok {
		err = fmt.Errorf("%w: %w", ErrNewerSchema, newer)
	}
	return &Error{Where: s.where, What: what, Hint: hint, Err: err}
}

// explain says what is the matter and what to do.
func explain(err error) (what, hint string) {
	if newer, ok := errors.AsType[*newerError](err); ok {
		return newer.Error(), "run the newer failwell, or name another schema in the URL"
	}
	if errors.Is(err, errReadOnly) {
		known := advices["25006"]
		return known.what, known.hint
	}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		known, ok := advices[server.Code]
		if !ok {
			return fmt.Sprintf("the server says %q (SQLSTATE %s)", server.Message, server.Code), "look at the server's log"
		}
		if strings.Contains(known.what, "%s") {
			return fmt.Sprintf(known.what, server.Message), known.hint
		}
		return known.what, known.hint
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isDNS:
		return fmt.Sprintf("the name %q cannot be resolved", dns.Name), "correct the host in the URL, or the name service"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		return "nobody listens there", "start the server, or correct host and port in the URL"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "the server does not answer in time", "look whether it hangs, or a firewall is between"
	case connecting && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)):
		return "the connection was closed before a word was said", "if it stays so, what listens there is no PostgreSQL; correct host and port in the URL"
	case lost(err):
		return "the connection was lost", waitHint
	case connecting:
		return "what listens there does not speak PostgreSQL's protocol, or not its encryption", "correct host, port and sslmode in the URL"
	}
	return err.Error(), "look at the server's log"
}

// rolledBack reports that the server has undone the statement in favour of others.
func rolledBack(err error) bool {
	server, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (server.Code == serializationFailed || server.Code == deadlock)
}

// lost reports that the connection ended under the statement. Nobody knows then
// whether it was carried out.
func lost(err error) bool {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return server.Code == "57P01" || server.Code == "57P02" || server.Code == "57P03" || server.Code == "25006"
	}
	_, isNet := errors.AsType[*net.OpError](err)
	return isNet || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}
