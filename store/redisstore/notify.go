package redisstore

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

// maxNews is the bound of store.Notifier on a topic and its message.
const maxNews = 1024

// A subscription that was lost is tried again after firstPause, and then twice
// as long up to lastPause.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

func (s *Store) channel(topic string) string { return s.layout.prefix + "news:" + topic }

// Notify implements store.Notifier with PUBLISH: who is not connected at that
// moment does not hear it.
func (s *Store) Notify(ctx context.Context, topic, message string) error {
	var invalid error
	if size := len(topic) + len(message); size > maxNews {
		invalid = &store.SizeError{What: "message", Size: size, Max: maxNews}
	}
	if err := s.begin(ctx, invalid); err != nil {
		return err
	}
	defer s.leave()
	err := s.link.do(ctx, s.link.client.B().Publish().Channel(s.channel(topic)).Message(message).Build()).Error()
	if err != nil {
		return s.link.failed(err)
	}
	return nil
}

// Subscribe implements store.Notifier. The subscription ends with ctx or with
// the store.
func (s *Store) Subscribe(ctx context.Context, topic string, heard func(message string), lost func()) error {
	if err := s.begin(ctx, nil); err != nil {
		return err
	}
	defer s.leave()
	go s.listen(ctx, &audience{heard: heard, lost: lost}, s.channel(topic))
	return nil
}

// audience is who subscribed. The client calls back from goroutines of its own:
// the mutex makes it one at a time.
type audience struct {
	mu    sync.Mutex
	heard func(string)
	lost  func()
	told  bool // of the present connection
}

// connected says once per connection that there is a new one.
func (a *audience) connected() {
	if !a.told {
		a.told = true
		a.lost()
	}
}

// listen subscribes again and again.
func (s *Store) listen(ctx context.Context, a *audience, channel string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		if s.receive(ctx, a, channel) {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// receive listens on a connection of its own, since one that does not read on
// while somebody takes in the news must not hold up calls, until it breaks. It
// reports whether there was a connection.
func (s *Store) receive(ctx context.Context, a *audience, channel string) bool {
	client, release := s.link.client.Dedicate()
	defer release()
	a.told = false
	confirmed, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	ctx = rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) { once.Do(func() { close(confirmed) }) })
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-confirmed:
			a.mu.Lock()
			defer a.mu.Unlock()
			a.connected()
		case <-ended:
		}
	})
	_ = client.Receive(ctx, client.B().Subscribe().Channel(channel).Build(), func(m rueidis.PubSubMessage) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.connected()
		a.heard(m.Message)
	}) // why it ended does not matter: the next connection tells that there was a gap
	close(ended)
	wg.Wait()
	return a.told
}
