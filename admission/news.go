package admission

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/failwell/failwell/store"
)

// News of changed keys and accounts goes to all processes on one store, where
// the store is a store.Notifier. A message names what to read again, nothing
// about it: whoever forges one causes a read.
const (
	newsTopic      = "failwell.keyring"
	newsOfKey      = "key "     // and the hash it stands under
	newsOfAccount  = "account " // and its id
	newsOfImports  = "imports"
	newsPatience   = time.Second // for who tells; the change itself is made by then
	warnNewsMissed = "a change could not be pushed to other gateways, they will notice it by themselves"
)

// Watch hears of changes to keys and accounts that other processes make, until
// ctx ends, and so makes them count here within milliseconds. Without it, or
// where the store brings no news, they count within MaxStale all the same. It
// returns at once; the error says why there will be no news.
func (c *Controller) Watch(ctx context.Context) error {
	c.once.Do(c.prepare)
	notifier, ok := c.Store.(store.Notifier)
	if !ok {
		return nil
	}
	if err := notifier.Subscribe(ctx, newsTopic, c.state.heard, c.state.missed); err != nil {
		return fmt.Errorf("admission: news of keys: %w", err)
	}
	return nil
}

// heard drops what the message names. Anybody who can write to the store can
// send one, so what makes no sense is passed over.
func (s *state) heard(message string) {
	if hash, ok := strings.CutPrefix(message, newsOfKey); ok {
		if raw, err := hex.DecodeString(hash); err == nil && len(raw) == len(digest{}) {
			s.keys.changed(digest(raw), nil)
		}
		return
	}
	if id, ok := strings.CutPrefix(message, newsOfAccount); ok {
		s.accounts.changed(id, nil)
		return
	}
	if message == newsOfImports {
		s.imports.changed(struct{}{}, nil)
	}
}

// missed is called whenever messages may have been lost. To drop everything
// would have all busy keys read at once, with their callers waiting. Instead
// each is read again in the background the next time that it is used.
func (s *state) missed() {
	s.keys.doubt()
	s.accounts.doubt()
	s.imports.doubt()
}

// tell pushes news of a change that was made here. That it is not lost nobody
// can promise; who does not hear it reads the record again within MaxStale.
func (k *Keyring) tell(ctx context.Context, message string) {
	notifier, ok := k.c.Store.(store.Notifier)
	if !ok {
		return
	}
	// A caller who has left must not keep a revocation from being told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), newsPatience)
	defer cancel()
	if err := notifier.Notify(ctx, newsTopic, message); err != nil {
		k.c.warn(ctx, k.c.state.time.at(k.c.now()), warnNewsMissed, "err", err)
	}
}

func (k *Keyring) keyChanged(ctx context.Context, d digest) {
	k.c.state.keys.changed(d, nil)
	k.tell(ctx, newsOfKey+d.String())
}

func (k *Keyring) accountChanged(ctx context.Context, id string) {
	k.c.state.accounts.changed(id, nil)
	k.tell(ctx, newsOfAccount+id)
}
