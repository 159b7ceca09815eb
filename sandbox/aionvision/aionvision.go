// Package aionvision stands in for Aionvision: upload and analysis of images,
// documents and video. Images are really decoded, and a damaged one really
// fails; what a description says of an image was measured in it. Of video the
// lengths and digests of chunks are kept, not the bytes.
//
// Sizes are scaled down where an upload would be tedious otherwise: the chunks
// of a video have 64 to 160 KiB by plan instead of 10 to 25 MB, though never more
// than 10,000 of them, and all uploads together may hold 256 MiB of memory
// instead of 2 GB. The largest files, storage and allowances are those of the plans.
package aionvision

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

const (
	// sessionLife is how long a video may take to arrive, and linkLife how long
	// the address of a chunk works.
	sessionLife = 6 * time.Hour
	linkLife    = time.Hour
	// traceLife is how long an upload that was given up can be read about.
	traceLife = time.Hour
	// credits is the balance's name in the contract, and startCredits what
	// accounts have of it at first.
	credits      = "video_credits"
	startCredits = 100
)

// New makes the stand-in of Aionvision.
func New(w *stand.World) (stand.API, error) {
	return &api{World: w, memory: budget{limit: memoryLimit}, decoding: make(chan struct{}, atOnce), timeout: w.Contract.MustCode("TIMEOUT")}, nil
}

type api struct {
	*stand.World

	memory   budget
	decoding chan struct{}
	timeout  *contract.Code
}

func (h *api) Handlers() map[string]stand.Handler {
	return map[string]stand.Handler{
		"files.upload":         h.upload,
		"files.list":           h.listFiles,
		"files.get":            h.getFile,
		"files.update":         h.updateFile,
		"files.delete":         h.deleteFile,
		"uploads.quota_check":  h.checkQuota,
		"usage.check":          h.checkUsage,
		"keys.create":          h.createKey,
		"keys.deactivate":      h.deactivateKey,
		"videos.initiate":      h.initiate,
		"videos.chunk_confirm": h.confirm,
		"videos.chunk_retry":   h.retryChunk,
		"videos.complete":      h.complete,
		"videos.progress":      h.progress,
		"videos.abort":         h.abort,
		"analyses.get":         h.getAnalysis,
		"analyses.retry":       h.retryAnalysis,
		"chat.create":          h.createChat,
		"chat.get":             h.getChat,
		"chat.send":            h.sendMessage,
	}
}

// Tasks have the key of a file as their id.
func (h *api) Tasks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		"expire":  h.expire,
		"purge":   h.purge,
		"analyse": h.analyse,
	}
}

// SeedKeys makes a key whose account has no credits.
func (h *api) SeedKeys(ctx context.Context) (map[string]string, error) {
	return h.SeedBroke(ctx, "Without credits")
}

// Seed gives credits and makes the secret that addresses are signed with.
func (h *api) Seed(ctx context.Context) error {
	accounts, err := h.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.ID == stand.BrokeAccount {
			continue
		}
		if err := h.Admission.Credit(ctx, a.ID, credits, startCredits, "at first"); err != nil {
			return fmt.Errorf("credits of %s: %w", a.ID, err)
		}
	}
	return h.secrets().Put(ctx, "addresses", 0, rand.Text())
}

func (h *api) secrets() stand.Collection[string] {
	return stand.Collection[string]{Store: h.Store, Prefix: h.Prefix() + "secrets/"}
}

func (h *api) now() time.Time { return h.Clock.Now().UTC().Truncate(time.Millisecond) }

// realm is an account as a part of keys: no account's name can reach into another's.
func realm(account string) string { return url.PathEscape(account) }

func invalid(field, issue string) error {
	return failwell.FromCondition(condition.ParameterInvalid, nil).WithField(field, issue, "invalid")
}

// against says that a request is well formed and breaks a rule.
func against(field, issue string) error {
	return failwell.FromCondition(condition.ValidationFailed, nil).WithField(field, issue, "rule")
}

// missing is stand.Missing for ids of any length.
func missing(kind, id string) error { return stand.Missing(kind, id[:min(len(id), stand.MaxID)]) }

func exists(id string) error {
	return failwell.FromCondition(condition.ResourceConflict, nil).With("existing_id", id)
}

// refused says in the vocabulary why a limit has no room.
func refused(err error) error {
	r, ok := errors.AsType[*admission.Refusal](err)
	if !ok {
		return stand.StoreError(err)
	}
	e := failwell.FromCondition(r.Condition, r.Cause)
	e.Params, e.RetryAfter, e.HasRetryAfter = r.Facts, r.RetryAfter, r.HasRetryAfter
	return e
}

// ask has the provider look at something. The service behind the stand-in plays
// the provider.
func (h *api) ask(ctx context.Context, provider string) error {
	err := h.Backend.Call(ctx)
	if errors.Is(err, failwell.UpstreamUnreachable) || errors.Is(err, failwell.DependencyFailed) {
		return failwell.FromCondition(condition.DependencyFailed, err).With("provider", provider)
	}
	if e, ok := errors.AsType[*failwell.Error](err); ok && errors.Is(err, failwell.UpstreamTimeout) {
		told := failwell.New(h.timeout, err)
		told.Params, told.Status = e.Params, h.timeout.Status // of the document's statuses, which know no gateway
		return told
	}
	return err
}

// defaultProvider is who looks where nobody is named.
const defaultProvider = "google"

// change makes or edits a record until nobody came between, and gives it a life;
// 0 is for ever.
func change[T any](ctx context.Context, c stand.Collection[T], id string, life time.Duration, edit func(*T) error) (value T, err error) {
	for range maxContention {
		var version store.Version
		if value, version, err = c.Get(ctx, id); err != nil && !errors.Is(err, store.ErrAbsent) {
			return value, stand.StoreError(err)
		}
		if err = edit(&value); err != nil {
			return value, err
		}
		data, err := json.Marshal(value)
		if err != nil {
			return value, fmt.Errorf("encode %s%s: %w", c.Prefix, id, err)
		}
		if _, err = c.Store.Swap(ctx, c.Prefix+id, version, data, life); !errors.Is(err, store.ErrConflict) {
			return value, stand.StoreError(err)
		}
	}
	return value, fmt.Errorf("%s%s is changed too often: %w", c.Prefix, id, store.ErrConflict)
}

// maxContention is how often a change is tried against others' changes.
const maxContention = 100
