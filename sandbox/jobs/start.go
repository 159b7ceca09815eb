package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
)

// job is a piece of work.
type job struct {
	ID      string     `json:"id"`
	Client  string     `json:"client"`
	Product string     `json:"product"`
	Status  string     `json:"status"`
	Created time.Time  `json:"created"`
	Updated time.Time  `json:"updated"`
	Input   input      `json:"input"`
	Words   int        `json:"words,omitempty"`
	Length  float64    `json:"length_seconds,omitempty"`
	Cents   int64      `json:"cents"`
	Output  []byte     `json:"output,omitempty"`
	Failure string     `json:"failure,omitempty"`
	Done    *time.Time `json:"done,omitempty"`
}

// key keeps the jobs of a client together.
func (j *job) key() string { return j.Client + "/" + j.ID }

// input is what a caller asks for; the contract's schemas say which parts a
// product needs.
type input struct {
	SRTContent     string `json:"srtContent,omitempty"`
	SRTURL         string `json:"srtUrl,omitempty"`
	MediaURL       string `json:"mediaUrl,omitempty"`
	SourceLanguage string `json:"sourceLanguage,omitempty"`
	TargetLanguage string `json:"targetLanguage,omitempty"`
	OutputFormat   string `json:"outputFormat,omitempty"`
}

// The states of jobs that end badly.
const (
	isFailed  = "failed"
	isCreated = "created"
)

// chain is what a job goes through after created.
func (j *job) chain() []string {
	switch {
	case j.Product == "transcribe":
		return []string{"transcribing", "transcribed"}
	case j.Product == "translate" && j.Input.MediaURL == "":
		return []string{"translating", "translated"}
	case j.Product == "translate":
		return []string{"transcribing", "transcribed", "translating", "translated"}
	case j.Product == "voiceover":
		return []string{"dubbing", "dubbed", "merging", "merged"}
	}
	return []string{"transcribing", "transcribed", "translating", "translated", "dubbing", "dubbed", "merging", "merged"}
}

func (j *job) show() map[string]any {
	out := map[string]any{
		"jobId": j.ID, "apiProduct": j.Product, "status": j.Status, "createdAt": j.Created, "updatedAt": j.Updated, "cost": float64(j.Cents) / 100,
	}
	if j.Length > 0 {
		out["duration"] = j.Length
	}
	if j.Words > 0 {
		out["wordCount"] = j.Words
	}
	if j.Failure != "" {
		out["error"] = map[string]string{"code": "PROCESSING_FAILED", "message": j.Failure}
	}
	return out
}

// begin starts a job of a product.
func (h *api) begin(product string) stand.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		j := job{ID: stand.NewID("job_"), Client: h.Account(r), Product: product, Status: isCreated, Created: h.now(), Updated: h.now(), Cents: minimum}
		if err := readInput(r, product, &j.Input); err != nil {
			return err
		}
		if err := h.checkInput(r, &j.Input); err != nil {
			return err
		}
		if err := h.roomInQueue(r.Context()); err != nil {
			return err
		}
		for _, address := range []string{j.Input.SRTURL, j.Input.MediaURL} {
			if err := h.reachSource(r.Context(), address); err != nil {
				return err
			}
		}
		// What is given as text can be counted now; the rest is in the minimum.
		more := estimate(j.Input.SRTContent)
		if err := h.Charge(r.Context(), funds, more); err != nil {
			return err
		}
		j.Cents += more
		// Whose it is comes first: an entry without a job is no job.
		if err := h.owners().Put(r.Context(), j.ID, 0, j.Client); err != nil {
			return h.stored(err)
		}
		if err := h.jobs().Put(r.Context(), j.key(), 0, j); err != nil {
			return h.stored(err)
		}
		if err := h.Due.At(r.Context(), j.Created.Add(step), "step", j.key()); err != nil {
			return h.stored(err)
		}
		return stand.WriteJSON(w, http.StatusAccepted, map[string]string{
			"jobId": j.ID, "status": "pending", "message": "The job has been taken on.",
		})
	}
}

// estimate is what subtitles cost on top of the minimum, in cents. A broken file
// is taken for one that is all words.
func estimate(text string) int64 {
	n := len(strings.Fields(text))
	if cues, err := parseSRT(text); err == nil {
		n = words(cues)
	}
	return int64(n / centsPerWords)
}

// readInput reads what the contract's schema has looked at, and passes over the rest.
func readInput(r *http.Request, product string, into *input) error {
	var all map[string]json.RawMessage
	if err := stand.ReadJSON(r, &all); err != nil {
		return err
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(inputs[product], name) })
	text, err := json.Marshal(all)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return failwell.FromCondition(condition.FormatInvalid, err)
	}
	return nil
}

func (h *api) checkInput(r *http.Request, in *input) error {
	for _, err := range []error{
		h.checkLanguage("sourceLanguage", in.SourceLanguage), h.checkLanguage("targetLanguage", in.TargetLanguage),
		h.checkURL(r, "mediaUrl", in.MediaURL, mediaFiles), h.checkURL(r, "srtUrl", in.SRTURL, subtitleFiles),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// inside reports whether a host is of this machine or a private network.
func inside(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.IsMulticast()
}

func (h *api) roomInQueue(ctx context.Context) error {
	unfinished, err := h.Due.Pending(ctx, "step")
	if err != nil {
		return h.stored(err)
	}
	if unfinished >= queueRoom {
		return failwell.FromCondition(condition.Unavailable, nil).WithRetryAfter(step)
	}
	return nil
}

// step takes a job one state further, and does the work of the state it leaves.
func (h *api) step(ctx context.Context, key string) error {
	j, err := h.jobs().Change(ctx, key, func(j *job) error {
		if j.Done != nil {
			return nil
		}
		chain := j.chain()
		at := 0
		for i, state := range chain {
			if state == j.Status {
				at = i + 1
			}
		}
		j.Status, j.Updated = chain[at], h.now()
		if err := j.work(); err != nil {
			j.Status, j.Failure = isFailed, err.Error()
		}
		if at == len(chain)-1 || j.Status == isFailed {
			now := h.now()
			j.Done = &now
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("job %s: %w", key, err)
	}
	if j.Done != nil {
		return nil
	}
	return h.Due.At(ctx, j.Updated.Add(step), "step", key)
}
