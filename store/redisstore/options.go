package redisstore

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Options configure a store. The zero value is right for production.
type Options struct {
	// TLS is Optional: nil means the system's certificate authorities and the
	// host's name. It is used for rediss: only.
	TLS *tls.Config
	// Timeout is Optional: how long Open may take, and a call whose context has no
	// deadline while the server does not answer; 0 means 5 s.
	Timeout time.Duration
	// Logger is Optional: nil discards. It hears what concerns no single call.
	Logger *slog.Logger
	// Clock is Optional and for tests: nil means the server's clock, which all who
	// share the server go by. With a clock, Redis does not reclaim what has expired;
	// only the calls of this process do.
	Clock func() time.Time
}

const defaultTimeout = 5 * time.Second

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
