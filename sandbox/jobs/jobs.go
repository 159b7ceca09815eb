// Package jobs stands in for the Redner jobs platform: transcription,
// translation, voice-over and dubbing as jobs that a worker carries out. Subtitles
// are really read, and a broken file really fails its job; what would need ears or
// a dictionary is marked instead of made.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

const (
	// step is how long each part of a job takes.
	step = time.Second
	// linkLife is how long the address of a result works, as documented.
	linkLife = time.Hour
	// queueRoom is how many jobs may be unfinished at once.
	queueRoom = 100
	// centsPerWords: one cent for each so many words of subtitles that are given.
	centsPerWords = 10
	// funds is the balance's name in the contract, in cents.
	funds = "funds"
	// start is what accounts have at first.
	startFunds = 100_00
	// minimum is what a job takes at least, as the contract's charge has it.
	minimum = 100
)

// New makes the stand-in of the jobs platform.
func New(w *stand.World) (stand.API, error) {
	h := &api{World: w}
	for name, code := range map[string]**contract.Code{
		"JOB_NOT_FOUND": &h.noJob, "CLIENT_NOT_FOUND": &h.noClient, "API_KEY_NOT_FOUND": &h.noKey, "AUTHORIZATION_FAILED": &h.foreign,
		"INVALID_REQUEST": &h.unfit, "PROCESSING_FAILED": &h.broken, "DATABASE_ERROR": &h.database, "INVALID_PARAMETER": &h.parameter,
	} {
		*code = w.Contract.MustCode(name)
	}
	return h, nil
}

type api struct {
	*stand.World

	noJob, noClient, noKey, foreign, unfit, broken, database, parameter *contract.Code
}

func (h *api) Handlers() map[string]stand.Handler {
	return map[string]stand.Handler{
		"translate":       h.begin("translate"),
		"transcribe":      h.begin("transcribe"),
		"voiceover":       h.begin("voiceover"),
		"dub":             h.begin("dub"),
		"uploads.init":    h.initUpload,
		"uploads.confirm": h.confirmUpload,
		"jobs.list":       h.list,
		"jobs.get":        h.get,
		"jobs.result":     h.result,
		"balance.get":     h.balance,
		"balance.top_up":  h.topUp,
		"clients.list":    h.listClients,
		"clients.create":  h.createClient,
		"clients.get":     h.getClient,
		"clients.update":  h.updateClient,
		"keys.create":     h.createKey,
		"keys.revoke":     h.revokeKey,
	}
}

// SeedKeys makes a key whose account has no funds.
func (h *api) SeedKeys(ctx context.Context) (map[string]string, error) {
	return h.SeedBroke(ctx, "Without funds")
}

// Seed pays funds in and makes each account a client.
func (h *api) Seed(ctx context.Context) error {
	accounts, err := h.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if a.ID != stand.BrokeAccount {
			if err := h.Admission.Credit(ctx, a.ID, funds, startFunds, "at first"); err != nil {
				return fmt.Errorf("funds of %s: %w", a.ID, err)
			}
		}
		c := client{ID: a.ID, Name: a.ID, Status: clientActive, Owner: a.ID, Created: h.now()}
		if a.State == admission.AccountSuspended {
			c.Status = clientSuspended
		}
		if err := h.clients().Put(ctx, c.ID, 0, c); err != nil {
			return fmt.Errorf("client %s: %w", a.ID, err)
		}
	}
	return nil
}

func (h *api) Tasks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{"step": h.step}
}

func (h *api) jobs() stand.Collection[job] {
	return stand.Collection[job]{Store: h.Store, Prefix: h.Prefix() + "jobs/"}
}

// owners are the clients of jobs, by the job's id.
func (h *api) owners() stand.Collection[string] {
	return stand.Collection[string]{Store: h.Store, Prefix: h.Prefix() + "owners/"}
}

func (h *api) now() time.Time { return h.Clock.Now().UTC().Truncate(time.Millisecond) }

// stored says in the vocabulary why something could not be kept.
func (h *api) stored(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return failwell.New(h.database, err)
	}
	return stand.StoreError(err)
}

func (h *api) invalid(field, issue string) error {
	return failwell.New(h.parameter, nil).WithField(field, issue, "invalid")
}

// languages that the platform knows.
var languages = []string{
	"ar-SA", "de-DE", "en-GB", "en-US", "es-ES", "es-MX", "fr-FR", "hi-IN", "it-IT", "ja-JP", "ko-KR", "nl-NL", "pl-PL", "pt-BR",
	"pt-PT", "ru-RU", "sv-SE", "tr-TR", "uk-UA", "zh-CN",
	"ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "tr", "uk", "zh",
}

func (h *api) checkLanguage(field, value string) error {
	if value != "" && !slices.Contains(languages, value) {
		return h.invalid(field, "is no language that is known here")
	}
	return nil
}

var (
	mediaFiles    = []string{".mp4", ".webm", ".ogg", ".mp3", ".wav", ".m4a", ".flac", ".amr"}
	subtitleFiles = []string{".srt"}
)

// checkURL refuses addresses that lead inside, and files of other kinds.
func (h *api) checkURL(r *http.Request, field, address string, files []string) error {
	if address == "" {
		return nil
	}
	if name, ok := strings.CutPrefix(address, uploadScheme); ok {
		return h.checkUpload(r, field, name)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return h.invalid(field, "is no address")
	case u.Scheme != "http" && u.Scheme != "https":
		return h.invalid(field, "must begin with http:// or https://")
	case inside(u.Hostname()):
		return h.invalid(field, "leads into a private network")
	case !slices.ContainsFunc(files, func(end string) bool { return strings.HasSuffix(strings.ToLower(u.Path), end) }):
		return h.invalid(field, "must end in one of "+strings.Join(files, ", "))
	}
	return nil
}

// reachSource asks the outside for what stands at an address. The service behind
// the stand-in plays the outside: when it is down, so is every address.
func (h *api) reachSource(ctx context.Context, address string) error {
	if address == "" || strings.HasPrefix(address, uploadScheme) {
		return nil
	}
	err := h.Backend.Call(ctx)
	if errors.Is(err, failwell.UpstreamTimeout) || errors.Is(err, failwell.UpstreamUnreachable) {
		return failwell.FromCondition(condition.DependencyFailed, err)
	}
	return err
}
