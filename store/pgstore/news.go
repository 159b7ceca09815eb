package pgstore

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/failwell/failwell/store"
)

const (
	maxNews = 1 << 10 // store.Notifier's bound for topic and message, in bytes
	// newsQueue is how many messages wait for a slow listener; then it is told that
	// it lost some.
	newsQueue = 1024
	// A silent connection is asked whether it lives after newsIdle, for newsPing.
	newsIdle = 10 * time.Second
	newsPing = 3 * time.Second
	// Waits between attempts to connect double from the first to the last.
	newsFirstWait = 100 * time.Millisecond
	newsLastWait  = 5 * time.Second
)

// news is one connection that listens for all subscriptions of a store.
type news struct {
	config  *pgx.ConnConfig
	channel string

	mu        sync.Mutex
	started   bool
	connected bool
	listeners map[*listener]struct{}
}

// listener is one subscription. Its messages wait in it, so that a slow one
// holds up nobody.
type listener struct {
	topic string
	wake  chan struct{} // has room for one

	mu      sync.Mutex
	lost    bool
	pending []string
}

// channel is the name under which a schema's stores tell each other.
func channel(schema string) string {
	sum := fnv.New128a()
	_, _ = sum.Write([]byte(schema)) // it never fails
	return "failwell_" + hex.EncodeToString(sum.Sum(nil))
}

// Notify implements store.Notifier.
func (s *Store) Notify(ctx context.Context, topic, message string) error {
	var invalid error
	if size := len(topic) + len(message); size > maxNews {
		invalid = &store.SizeError{What: "topic and message", Size: size, Max: maxNews}
	}
	if err := s.begin(ctx, invalid); err != nil {
		return err
	}
	defer s.calls.Done()
	var one int
	// Twice is as good as once, so it may be said again.
	err := s.ask(ctx, again, `SELECT 1 FROM pg_notify($1, $2)`, []any{s.news.channel, encodeNews(topic, message)}, &one)
	if err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// encodeNews makes text of bytes: the server takes only what its encoding has.
func encodeNews(topic, message string) string {
	return base64.RawStdEncoding.EncodeToString([]byte(topic)) + ":" + base64.RawStdEncoding.EncodeToString([]byte(message))
}

func decodeNews(payload string) (topic, message string, ok bool) {
	first, second, ok := strings.Cut(payload, ":")
	t, topicErr := base64.RawStdEncoding.DecodeString(first)
	m, messageErr := base64.RawStdEncoding.DecodeString(second)
	return string(t), string(m), ok && topicErr == nil && messageErr == nil
}

// Subscribe implements store.Notifier. All subscriptions of a store share one
// connection.
func (s *Store) Subscribe(ctx context.Context, topic string, heard func(message string), lost func()) error {
	if err := s.begin(ctx, nil); err != nil {
		return err
	}
	defer s.calls.Done()
	l := &listener{topic: topic, wake: make(chan struct{}, 1)}
	n := &s.news
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = make(map[*listener]struct{})
	}
	n.listeners[l] = struct{}{}
	if n.connected {
		l.tell("", true)
	}
	if !n.started {
		n.started = true
		s.beside.Go(s.listenUntilClosed)
	}
	s.beside.Go(func() {
		l.run(ctx, s.ctx, heard, lost)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, l)
	})
	return nil
}

// tell gives a listener a message, or tells it that it lost some.
func (l *listener) tell(message string, lost bool) {
	l.mu.Lock()
	if lost || len(l.pending) == newsQueue {
		l.lost, l.pending = true, nil
	}
	if !lost {
		l.pending = append(l.pending, message)
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *listener) run(ctx, closed context.Context, heard func(string), missed func()) {
	over := func() bool { return ctx.Err() != nil || closed.Err() != nil }
	for {
		select {
		case <-ctx.Done():
			return
		case <-closed.Done():
			return
		case <-l.wake:
		}
		l.mu.Lock()
		lost, pending := l.lost, l.pending
		l.lost, l.pending = false, nil
		l.mu.Unlock()
		if lost && !over() {
			missed()
		}
		for _, message := range pending {
			if over() {
				return
			}
			heard(message)
		}
	}
}

func (s *Store) listenUntilClosed() {
	wait := newsFirstWait
	for s.ctx.Err() == nil {
		began := time.Now()
		err := s.listen(s.ctx)
		if s.ctx.Err() != nil {
			return
		}
		if time.Since(began) > newsIdle {
			wait = newsFirstWait // it was well for a while
		}
		if wait == newsFirstWait {
			s.opts.Logger.Warn("news from other processes do not arrive; connecting again", "error", s.failed(s.ctx, err))
		}
		pause := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // no secret
		select {
		case <-s.ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
		wait = min(2*wait, newsLastWait)
	}
}

// listen serves the subscriptions until the connection fails.
func (s *Store) listen(ctx context.Context) error {
	n := &s.news
	config := n.config.Copy()
	var seen session
	validate(config, func(at session) { seen = at })
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		_ = conn.Close(goodbye) // it is of no use any more
	}()
	starting, cancel := context.WithTimeout(ctx, newsPing)
	_, err = conn.Exec(starting, "LISTEN "+quote(n.channel), pgx.QueryExecModeSimpleProtocol)
	cancel()
	if err != nil {
		return err
	}
	if seen.pooled {
		s.opts.Logger.Warn("news come through a pooler; if it shares connections between clients, they do not arrive", "hint", listenHint)
	}
	n.all(true, func(l *listener) { l.tell("", true) })
	defer n.all(false, func(*listener) {})
	for {
		payload, err := next(ctx, conn)
		if err != nil {
			return err
		}
		if topic, message, ok := decodeNews(payload); ok {
			n.all(true, func(l *listener) {
				if l.topic == topic {
					l.tell(message, false)
				}
			})
		}
	}
}

const listenHint = "set the store's ListenURL to the server itself"

// all calls f for each listener, and notes whether there is a connection.
func (n *news) all(connected bool, f func(*listener)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.connected = connected
	for l := range n.listeners {
		f(l)
	}
}

// next waits for a message. A connection may die without a word, so a silent one
// is asked.
func next(ctx context.Context, conn *pgx.Conn) (string, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, newsIdle)
		got, err := conn.WaitForNotification(waiting)
		cancel()
		if err == nil {
			return got.Payload, nil
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return "", err
		}
		asking, cancel := context.WithTimeout(ctx, newsPing)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return "", err
		}
	}
}
