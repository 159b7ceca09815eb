package failwell

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Hooks are told what becomes of calls: for metrics, traces and progress. Each
// may be nil. They are called on the caller's goroutine, by several at once, and
// must neither block nor change the request, whose context is the caller's.
type Hooks struct {
	// OnAttempt is called after each attempt, also a successful one, before any wait.
	OnAttempt func(*http.Request, Attempt)
	// OnWait is called before each wait, for a repetition or for room in a limit.
	OnWait func(*http.Request, Wait)
	// OnGiveUp is called once for each call that fails, with what its caller gets
	// from [Check].
	OnGiveUp func(*http.Request, *Error)
}

// Wait is a pause of a call.
type Wait struct {
	For time.Duration
	// Attempts that were made before.
	Attempts int
	// Paced says that the wait is for room in a limit, and not for a repetition.
	Paced bool
}

func (t *Transport) attempted(req *http.Request, a Attempt) {
	for i := range t.Hooks {
		if hook := t.Hooks[i].OnAttempt; hook != nil {
			hook(req, a)
		}
	}
}

func (t *Transport) waiting(req *http.Request, w Wait) {
	for i := range t.Hooks {
		if hook := t.Hooks[i].OnWait; hook != nil {
			hook(req, w)
		}
	}
	if w.Paced && t.Logger != nil && t.Logger.Enabled(req.Context(), slog.LevelDebug) {
		t.logWait(req.Context(), req, w)
	}
}

func (t *Transport) logWait(ctx context.Context, req *http.Request, w Wait) {
	t.Logger.LogAttrs(ctx, slog.LevelDebug, "waiting for room in the limit",
		slog.String("method", methodOf(req)), slog.String("endpoint", t.secretsOf(req).address(req.URL)), slog.Duration("wait", w.For))
}

// gaveUp is the call's final error.
func (c *call) gaveUp() *Error {
	e := c.failed()
	for i := range c.transport.Hooks {
		if hook := c.transport.Hooks[i].OnGiveUp; hook != nil {
			hook(c.req, e)
		}
	}
	return e
}
