package admission

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// ErrOtherMove says that an id has stood for another amount than it is given with
// now: nothing was moved this time.
var ErrOtherMove = errors.New("the key was used with another amount, a new payment needs a new key")

const (
	movePrefix = "move/"
	moveCharge = "charge"
	moveCredit = "credit"
)

// noted is that what an id stands for was written down.
type noted struct {
	key     string
	version store.Version // 0: somebody else wrote it, or nobody
}

// note makes sure that an id stands for one thing. It comes before anything is
// moved: after a crash between the two, the same again is still done.
func (d *deciding) note(ctx context.Context, what string, l *limit, amount int64, id string) (noted, error) {
	if id == "" || d.Store == nil {
		return noted{}, nil
	}
	name := sha256.Sum256(appendParts(nil, what, l.name, id))
	n := noted{key: movePrefix + accountSlot(d.v.Account.ID) + "/" + base64.RawURLEncoding.EncodeToString(name[:])}
	value := strconv.FormatInt(amount, 10)
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	for range maxAnew {
		version, err := d.Store.Swap(ctx, n.key, 0, []byte(value), d.keep())
		switch {
		case err == nil:
			n.version = version
			return n, nil
		case !errors.Is(err, store.ErrConflict):
			return n, &Refusal{Condition: condition.Unavailable, Cause: err}
		}
		r, err := d.Store.Get(ctx, n.key)
		switch {
		case errors.Is(err, store.ErrAbsent): // it has just expired
			continue
		case err != nil:
			return n, &Refusal{Condition: condition.Unavailable, Cause: err}
		case string(r.Value) != value:
			return n, ErrOtherMove
		}
		return n, nil
	}
	return n, &Refusal{Condition: condition.Unavailable, Cause: store.ErrConflict}
}

// forget lets an id stand for something else again, after a charge that no limit
// had room for: it is this call's only where this call wrote it down.
func (d *deciding) forget(ctx context.Context, n noted, err error) {
	r, refused := errors.AsType[*Refusal](err)
	if n.version == 0 || !refused || r.Cause != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = d.Store.Delete(ctx, n.key, n.version) // what stays expires
}
