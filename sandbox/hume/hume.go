// Package hume stands in for Hume Expression Measurement: batch jobs that
// measure expression in text and media. Jobs run and end by the clock, and are
// gone after their life. What a lexicon can find in text is found; everything
// else is synthetic, chosen by the content's digest, and says so in the header
// X-Sandbox-Synthetic.
package hume

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// How long things take here; the document gives no numbers.
const (
	queued    = time.Second
	perSource = 500 * time.Millisecond
	// retention is the life of a job that has ended.
	retention = 24 * time.Hour
	// queueRoom is how many jobs may be unfinished at once.
	queueRoom = 200
	// maxSources is from how many on the document asks for an archive.
	maxSources = 100
)

// New makes the stand-in of Hume Expression Measurement.
func New(w *stand.World) (stand.API, error) {
	return &api{World: w, conflict: w.Contract.MustCode("conflict"), bad: w.Contract.MustCode("bad_request")}, nil
}

type api struct {
	*stand.World

	conflict, bad *contract.Code
}

func (h *api) Handlers() map[string]stand.Handler {
	return map[string]stand.Handler{
		"jobs.start":       h.start,
		"jobs.list":        h.list,
		"jobs.get":         h.get,
		"jobs.predictions": h.predictions,
		"jobs.artifacts":   h.artifacts,
	}
}

// Describe says of what the form with files is made.
func (*api) Describe() map[string]stand.Description {
	files := map[string]any{"type": "array", "minItems": 1, "maxItems": maxSources, "items": map[string]any{"type": "string", "format": "binary"}}
	form := map[string]any{"type": "object", "required": []string{"file"}, "additionalProperties": false, "properties": map[string]any{"file": files}}
	return map[string]stand.Description{"jobs.start": {
		Bodies: map[string]any{"multipart/form-data": form},
		Links:  stand.To("/job_id", "id", "jobs.get", "jobs.predictions", "jobs.artifacts"),
	}}
}

func (*api) Seed(context.Context) error { return nil }

// Tasks of a job: its id is "account/id".
func (h *api) Tasks() map[string]func(context.Context, string) error {
	return map[string]func(context.Context, string) error{
		"begin":  h.begin,
		"finish": h.finish,
		"expire": h.expire,
	}
}

func (h *api) jobs() stand.Collection[job] {
	return stand.Collection[job]{Store: h.Store, Prefix: h.Prefix() + "jobs/"}
}

// job is what is kept; show makes of it what the API shows.
type job struct {
	ID      string   `json:"id"`
	Account string   `json:"account"`
	Request request  `json:"request"`
	Sources []source `json:"sources"`
	Status  string   `json:"status"`
	Message string   `json:"message,omitempty"`
	Created int64    `json:"created"`
	Started int64    `json:"started,omitempty"`
	Ended   int64    `json:"ended,omitempty"`
	Errors  int      `json:"errors"`
}

// The states of a job.
const (
	isQueued    = "QUEUED"
	isRunning   = "IN_PROGRESS"
	isCompleted = "COMPLETED"
	isFailed    = "FAILED"
)

func (j *job) key() string { return j.Account + "/" + j.ID }

func (j *job) show() map[string]any {
	state := map[string]any{"status": j.Status, "created_timestamp_ms": j.Created}
	if j.Started != 0 {
		state["started_timestamp_ms"] = j.Started
	}
	if j.Ended != 0 {
		state["ended_timestamp_ms"] = j.Ended
	}
	switch j.Status {
	case isCompleted:
		state["num_predictions"], state["num_errors"] = len(j.Sources)-j.Errors, j.Errors
	case isFailed:
		state["message"] = j.Message
	}
	files := []map[string]any{}
	for i := range j.Sources {
		if s := &j.Sources[i]; s.Type == fromFile {
			files = append(files, map[string]any{"filename": s.Filename, "content_type": s.ContentType, "md5sum": s.MD5})
		}
	}
	return map[string]any{
		"type": "INFERENCE", "job_id": j.ID, "state": state,
		"request": map[string]any{
			"models": j.Request.Models, "transcription": j.Request.Transcription, "urls": orEmpty(j.Request.URLs), "text": orEmpty(j.Request.Text),
			"callback_url": j.Request.CallbackURL, "notify": j.Request.Notify, "files": files,
		},
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (h *api) now() int64 { return h.Clock.Now().UnixMilli() }

// find reads a job of the caller's.
func (h *api) find(r *http.Request) (job, error) {
	id := r.PathValue("id")
	if len(id) > stand.MaxID {
		return job{}, stand.Missing("job", id[:stand.MaxID])
	}
	j, _, err := h.jobs().Get(r.Context(), h.Account(r)+"/"+id)
	if errors.Is(err, store.ErrAbsent) {
		return j, stand.Missing("job", id)
	}
	return j, stand.StoreError(err)
}

// begin is when a job leaves the queue.
func (h *api) begin(ctx context.Context, key string) error {
	j, err := h.jobs().Change(ctx, key, func(j *job) error {
		if j.Status == isQueued {
			j.Status, j.Started = isRunning, h.now()
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("job %s: %w", key, err)
	}
	took := time.Duration(len(j.Sources)) * perSource
	return h.Due.At(ctx, time.UnixMilli(j.Started).Add(took), "finish", key)
}

// finish measures every source. A job fails when all of them do.
func (h *api) finish(ctx context.Context, key string) error {
	j, _, err := h.jobs().Get(ctx, key)
	if errors.Is(err, store.ErrAbsent) || err == nil && j.Ended != 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("job %s: %w", key, err)
	}
	failed := 0
	for i := range j.Sources {
		j.Sources[i].Fault = h.measure(ctx, &j.Sources[i])
		if j.Sources[i].Fault != "" {
			failed++
		}
	}
	j, err = h.jobs().Change(ctx, key, func(k *job) error {
		k.Sources, k.Errors, k.Ended, k.Status = j.Sources, failed, h.now(), isCompleted
		if failed == len(j.Sources) {
			k.Status, k.Message = isFailed, j.Sources[0].Fault
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("job %s: %w", key, err)
	}
	return h.Due.At(ctx, time.UnixMilli(j.Ended).Add(retention), "expire", key)
}

// expire ends the life of a job.
func (h *api) expire(ctx context.Context, key string) error {
	_, version, err := h.jobs().Get(ctx, key)
	if err == nil {
		err = h.jobs().Delete(ctx, key, version)
	}
	if errors.Is(err, store.ErrAbsent) {
		return nil
	}
	return err
}

// ended says of a job whose findings are asked for whether there are any.
func (h *api) ended(j *job) error {
	if j.Status == isCompleted {
		return nil
	}
	return failwell.New(h.conflict, nil).With("state", j.Status)
}
