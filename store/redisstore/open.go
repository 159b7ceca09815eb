package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// oldest is the first version of Redis with all that the scripts use: SET with
// PXAT, and ZRANGE with BYLEX.
const (
	oldestMajor = 6
	oldestMinor = 2
)

// bufferBytes of each connection, in each direction: a hundred small calls.
const bufferBytes = 64 << 10

// Open connects to the server or the cluster that a URL names:
//
//	redis://USER:PASSWORD@HOST:PORT/DB?prefix=NAME
//	rediss://HOST                                   with TLS
//	redis+unix:///PATH/OF/SOCKET?db=1
//	redis://HOST:PORT,HOST:PORT                     a cluster
//	redis://HOST:PORT?cluster=true                  a cluster, known by one node
//
// The words valkey and valkeys work as well. prefix stands in front of every
// key and is "failwell:" if the URL has none. The error is of type *Error, or the
// context's.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	return open(ctx, url, opts, queueScale)
}

func open(ctx context.Context, url string, opts Options, scale int) (*Store, error) {
	opts = opts.withDefaults()
	a, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	client, err := connect(ctx, &a, opts, scale)
	if err != nil {
		if ctx.Err() != nil {
			return nil, &Error{
				Host: a.where(), What: "it does not answer", Hint: "look at its load and its log, and at the network between",
				Err: ctx.Err(),
			}
		}
		if errors.Is(err, context.DeadlineExceeded) && a.tls {
			err = errNoTLS
		}
		return nil, convert(a.where(), err)
	}
	s := &Store{layout: newLayout(a.prefix), opts: opts, take: takeScript, settle: settleScript}
	s.link.client, s.link.hosts, s.link.timeout, s.link.start = client, a.where(), opts.Timeout, time.Now()
	s.link.crowd = 1 << (scale - 1)
	s.ended = make(chan struct{})
	s.sweeps.bucket = rand.IntN(bucketCount) //nolint:gosec // so that gateways do not sweep in step
	if err := s.greet(ctx, a.cluster); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// connect makes the client. Making it looks at no context, so it is left behind
// when ours is over.
func connect(ctx context.Context, a *address, opts Options, scale int) (rueidis.Client, error) { //nolint:ireturn // the client has no other type
	option := rueidis.ClientOption{
		InitAddress: a.hosts, Username: a.username, Password: a.password, SelectDB: a.db, ClientName: "failwell",
		ForceSingleClient: !a.cluster,
		// The client's own repetitions would outlive the caller's patience, and
		// there is nothing to cache.
		DisableCache: true, DisableRetry: true,
		AlwaysPipelining: true, RingScaleEachConn: scale, ReadBufferEachConn: bufferBytes, WriteBufferEachConn: bufferBytes,
		Dialer: net.Dialer{Timeout: dialMax, KeepAlive: probeEvery}, ConnWriteTimeout: silenceMax,
		ClusterOption: rueidis.ClusterOption{ShardsRefreshInterval: 10 * time.Second, MaxMovedRedirections: 8},
	}
	if a.tls {
		option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if opts.TLS != nil {
			option.TLSConfig = opts.TLS.Clone()
		}
	}
	if a.socket {
		option.DialCtxFn = func(ctx context.Context, path string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
	}
	type made struct {
		client rueidis.Client
		err    error
	}
	done, left := make(chan made), make(chan struct{})
	go func() {
		client, err := rueidis.NewClient(option)
		select {
		case done <- made{client, err}:
		case <-left:
			if client != nil {
				client.Close()
			}
		}
	}()
	select {
	case m := <-done:
		if m.err != nil && m.client != nil {
			m.client.Close()
		}
		return m.client, m.err
	case <-ctx.Done():
		close(left)
		return nil, ctx.Err()
	}
}

// greet makes sure that it is a server that can keep a store.
func (s *Store) greet(ctx context.Context, cluster bool) error {
	info, err := s.link.read(ctx, func(b rueidis.Builder) rueidis.Completed {
		return b.Info().Build()
	}).ToString()
	if err != nil {
		return s.link.failed(err)
	}
	found := parseInfo(info)
	version := found["redis_version"]
	if major, minor := versionOf(version); major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return &Error{
			Host: s.link.hosts, What: "it is Redis " + version, Hint: "use Redis 6.2 or later, or any Valkey",
		}
	}
	clustered := s.link.client.Mode() == rueidis.ClientModeCluster
	switch {
	case cluster && found["cluster_enabled"] != "1":
		what, hint := refusal("This instance")
		return &Error{Host: s.link.hosts, What: what, Hint: hint}
	case !clustered && found["cluster_enabled"] == "1":
		what, hint := refusal("MOVED")
		return &Error{Host: s.link.hosts, What: what, Hint: hint}
	}
	if err := s.link.eval(ctx, clockScript, []string{s.layout.sequence(0)}, nil).Error(); err != nil {
		return s.link.failed(err)
	}
	return nil
}

func versionOf(text string) (major, minor int) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return 0, 0
	}
	major, _ = strconv.Atoi(parts[0]) // 0 is too old, which is what an unreadable one is taken for
	minor, _ = strconv.Atoi(parts[1])
	return major, minor
}

// parseInfo reads the lines of INFO.
func parseInfo(text string) map[string]string {
	found := make(map[string]string)
	for line := range strings.Lines(text) {
		// Some answers say that they are text.
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "txt:"), ":"); ok {
			found[name] = value
		}
	}
	return found
}
