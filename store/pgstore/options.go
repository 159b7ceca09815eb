package pgstore

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options configure a store. The zero value is right for production.
type Options struct {
	// Clock is Optional and for tests: nil means the server's clock, which is the
	// only one that all processes share.
	Clock func() time.Time
	// Logger is Optional: nil discards. It hears of failing clean-up and of lost
	// connections for news.
	Logger *slog.Logger
	// Schema is Optional: where in the database the tables are; "" means the URL's
	// parameter schema, else "failwell". Stores in two schemas share nothing.
	Schema string
	// MaxConns is Optional: how many connections a process holds at most, beside
	// one for news; 0 means the URL's parameter pool_max_conns, else 16.
	MaxConns int
	// ListenURL is Optional: where to listen for news; "" means the store's URL. It
	// is needed where that URL leads to a pooler that shares connections, which
	// news do not pass.
	ListenURL string
	// CleanEvery is Optional: how often expired records are looked for; 0 means
	// 2 s, a negative number never. They are absent either way.
	CleanEvery time.Duration
}

const (
	defaultSchema   = "failwell"
	defaultMaxConns = 16
	// connectTimeout bounds the attempt at one server, where the URL does not: a
	// second server is tried after it.
	connectTimeout    = 3 * time.Second
	defaultCleanEvery = 2 * time.Second
	maxIdentifier     = 63 // NAMEDATALEN - 1; the server would cut off the rest
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CleanEvery == 0 {
		o.CleanEvery = defaultCleanEvery
	}
	return o
}

// errURL holds no word of the URL: what cannot be taken apart may have the
// password anywhere.
var errURL = errors.New("pgstore: the URL cannot be read; it has the form postgres://user:password@host:5432/database, " +
	"with the password's special characters as %XX, and its parameters are those of libpq, schema, and pgx's pool_max_conns and others")

// configure makes a pool's configuration of a URL and takes from it what is ours.
func configure(raw string, opts Options) (*pgxpool.Config, Options, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	if (scheme != "postgres" && scheme != "postgresql") || rest == "" {
		return nil, opts, errURL
	}
	base, rawQuery, _ := strings.Cut(raw, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, opts, errURL
	}
	if opts.Schema == "" {
		opts.Schema = query.Get("schema")
	}
	if opts.Schema == "" {
		opts.Schema = defaultSchema
	}
	if len(opts.Schema) > maxIdentifier || strings.ContainsRune(opts.Schema, 0) {
		return nil, opts, fmt.Errorf("pgstore: the schema's name has %d bytes, PostgreSQL allows %d and no NUL; choose another", len(opts.Schema), maxIdentifier)
	}
	query.Del("schema")
	sized := query.Has("pool_max_conns")
	config, err := pgxpool.ParseConfig(base + "?" + query.Encode())
	if err != nil {
		return nil, opts, errURL
	}
	switch {
	case opts.MaxConns > 0:
		config.MaxConns = int32(opts.MaxConns)
	case !sized:
		config.MaxConns = defaultMaxConns
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if _, named := config.ConnConfig.RuntimeParams["application_name"]; !named {
		config.ConnConfig.RuntimeParams["application_name"] = "failwell"
	}
	return config, opts, nil
}

// where names the servers and the database, and nothing else of the URL.
func where(config *pgxpool.Config) string {
	conn := config.ConnConfig
	hosts := []string{address(conn.Host, conn.Port)}
	for _, other := range conn.Fallbacks {
		if host := address(other.Host, other.Port); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + conn.Database
}

func address(host string, port uint16) string {
	if strings.HasPrefix(host, "/") {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
