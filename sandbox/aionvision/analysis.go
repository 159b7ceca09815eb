package aionvision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// analysis is what the provider makes of a video.
type analysis struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Provider string     `json:"provider"`
	Type     string     `json:"type"`
	Started  *time.Time `json:"started,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Code     string     `json:"code,omitempty"`
	Message  string     `json:"message,omitempty"`
	Retries  int        `json:"retries,omitempty"`
	// Next is when it goes on: work that is done once more too early changes nothing.
	Next time.Time `json:"next"`
}

// States of analyses.
const (
	isPending    = "pending"
	isSending    = "uploading_to_vlm"
	isProcessing = "processing"
	isCompleted  = "completed"
	isFailed     = "failed"
)

const (
	// step is how long each state takes.
	step = time.Second
	// maxRetries of an analysis, as in the repository's examples.
	maxRetries = 3
	// jobPrefix before the id of a video makes that of its analysis.
	jobPrefix = "job_"
)

func newAnalysis(f *file, provider, kind string, now time.Time) *analysis {
	if provider == "" {
		provider = defaultProvider
	}
	if kind == "" {
		kind = "full_vlm"
	}
	return &analysis{ID: jobPrefix + f.ID, Status: isPending, Provider: provider, Type: kind, Next: now.Add(step)}
}

// processing is the state of a video that has arrived.
func (v *video) processing() string {
	if a := v.Analysis; a != nil && a.Status != isCompleted && a.Status != isFailed {
		return isProcessing
	}
	return isCompleted
}

func (a *analysis) show(f *file) map[string]any {
	out := map[string]any{
		"analysis_job_id": a.ID, "media_id": f.ID, "status": a.Status,
		"progress_percent": map[string]int{isSending: 33, isProcessing: 66, isCompleted: 100}[a.Status],
		"current_step":     nil, "started_at": a.Started, "completed_at": a.Ended, "error_message": nil, "error_code": nil, "retry_count": a.Retries,
		"max_retries": maxRetries, "estimated_completion_time": nil,
	}
	if a.Code != "" {
		out["error_code"], out["error_message"] = a.Code, a.Message
	}
	return out
}

// job finds an analysis of the caller's by its id.
func (h *api) job(r *http.Request) (file, error) {
	id := r.PathValue("id")
	media, ok := strings.CutPrefix(id, jobPrefix)
	if !ok {
		return file{}, missing("analysis", id)
	}
	f, err := h.find(r, media, isStored)
	if errors.Is(err, failwell.ResourceMissing) || err == nil && (f.Kind != isVideo || f.Video.Analysis == nil) {
		return f, missing("analysis", id)
	}
	return f, err
}

func (h *api) getAnalysis(w http.ResponseWriter, r *http.Request) error {
	f, err := h.job(r)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, f.Video.Analysis.show(&f))
}

// retryAnalysis begins a failed analysis anew.
func (h *api) retryAnalysis(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Media string `json:"media_id"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.job(r)
	if err != nil {
		return err
	}
	if in.Media != f.ID {
		return missing("file", in.Media)
	}
	next := h.now().Add(step)
	if err := h.Due.At(r.Context(), next, "analyse", f.key()); err != nil {
		return stand.StoreError(err)
	}
	f, err = h.edit(r.Context(), f.key(), func(f *file) error {
		a := f.Video.Analysis
		switch {
		case f.State != isStored:
			return missing("file", f.ID)
		case a.Status != isFailed:
			return against("id", "the analysis is "+a.Status+", and only a failed one can be repeated")
		case a.Retries >= maxRetries:
			return against("id", fmt.Sprintf("the analysis was repeated %d times, as often as it can be", maxRetries))
		}
		*a = analysis{ID: a.ID, Status: isPending, Provider: a.Provider, Type: a.Type, Retries: a.Retries + 1, Next: next}
		return nil
	})
	if err != nil {
		return err
	}
	a := f.Video.Analysis
	return stand.WriteJSON(w, http.StatusAccepted, map[string]any{
		"analysis_job_id": a.ID, "media_id": f.ID, "status": a.Status, "retry_count": a.Retries, "max_retries": maxRetries,
		"message": fmt.Sprintf("The analysis is repeated, for the %d. time of %d.", a.Retries, maxRetries),
	})
}

// analyse takes an analysis one state further; in the last one the provider is asked.
func (h *api) analyse(ctx context.Context, key string) error {
	f, _, err := h.files().Get(ctx, key)
	if errors.Is(err, store.ErrAbsent) || err == nil && !f.analysing(h.now()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("file %s: %w", key, err)
	}
	var failure error
	if f.Video.Analysis.Status == isProcessing {
		failure = h.ask(ctx, f.Video.Analysis.Provider)
		if ctx.Err() != nil {
			return context.Cause(ctx) // it is the stand-in that ends, and goes on later
		}
	}
	was := f.Video.Analysis.Status
	f, err = h.files().Change(ctx, key, func(f *file) error {
		if f.analysing(h.now()) && f.Video.Analysis.Status == was {
			f.Video.Analysis.advance(h.now(), failure)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrAbsent) {
		return fmt.Errorf("file %s: %w", key, err)
	}
	if a := f.Video.Analysis; a != nil && a.Ended == nil {
		return h.Due.At(ctx, a.Next, "analyse", key)
	}
	return nil
}

// analysing reports whether there is something to do.
func (f *file) analysing(now time.Time) bool {
	return f.State == isStored && f.Video != nil && f.Video.Analysis != nil && f.Video.Analysis.Ended == nil && !now.Before(f.Video.Analysis.Next)
}

func (a *analysis) advance(now time.Time, failure error) {
	a.Next = now.Add(step)
	switch a.Status {
	case isPending:
		a.Status, a.Started = isSending, &now
	case isSending:
		a.Status = isProcessing
	default:
		a.Status, a.Ended = isCompleted, &now
		switch {
		case failure == nil:
		case errors.Is(failure, failwell.UpstreamTimeout):
			a.Status, a.Code, a.Message = isFailed, "TIMEOUT", "The provider did not answer in time."
		default:
			a.Status, a.Code, a.Message = isFailed, "VLM_PROVIDER_ERROR", "The provider failed."
		}
	}
}
