package pebblestore

import (
	"log/slog"
	"time"
)

// Options configure a store. The zero value is right for production.
type Options struct {
	// Clock is Optional: nil means time.Now. It is called concurrently.
	Clock func() time.Time
	// Logger is Optional: nil discards. The storage engine's chatter goes to it
	// at debug level, its background failures at error level.
	Logger *slog.Logger
	// CacheBytes is Optional: how much memory holds blocks read from disk, beside
	// the 32 MiB that writes may take; 0 means 16 MiB.
	CacheBytes int64
	// ReserveBytes is Optional: below this much free disk space writes are refused
	// with store.ErrUnavailable, until there is space again; so much is needed to
	// finish what has been accepted. 0 means 64 MiB, a negative number means no
	// check.
	ReserveBytes int64
	// Existing is Optional: a directory that holds no store is refused, with
	// ErrNotStore, instead of becoming one.
	Existing bool
	// NoSync is Optional and for tests: writes do not wait for the disk, and a
	// crash loses the last of them. It breaks the durability that store.Store
	// promises.
	NoSync bool
}

const (
	defaultCacheBytes   = 16 << 20
	defaultReserveBytes = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheBytes
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = defaultReserveBytes
	}
	return o
}
