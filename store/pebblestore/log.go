package pebblestore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// fatalError is what the engine calls fatal: it must not go on after that. It
// is thrown as a panic. In a caller's goroutine it becomes ErrUnavailable and
// the store is done; in one of the engine's own it ends the process, after which
// the log on disk is what counts.
type fatalError struct{ text string }

func (e fatalError) Error() string { return e.text }

// engineLog passes the engine's log on.
type engineLog struct{ *slog.Logger }

func (l engineLog) Infof(text string, args ...any) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("store engine", "message", fmt.Sprintf(text, args...))
	}
}

func (l engineLog) Errorf(text string, args ...any) {
	l.Error("store engine", "message", fmt.Sprintf(text, args...))
}

func (l engineLog) Fatalf(text string, args ...any) {
	err := fatalError{fmt.Sprintf(text, args...)}
	l.Error("store engine failed", "message", err.text)
	panic(err)
}

func (l engineLog) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { l.Errorf("background work failed: %v", err) },
		// The engine would end the process here; the reader who meets the damage
		// gets an error instead.
		DataCorruption: func(info pebble.DataCorruptionInfo) { l.Errorf("damaged data: %s", info) },
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			l.Warn("store writes wait for the disk", "reason", info.Reason)
		},
	}
}
