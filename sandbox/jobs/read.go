package jobs

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// find reads a job. One of another client is told as that.
func (h *api) find(r *http.Request) (job, error) {
	id := r.PathValue("jobId")
	if len(id) > stand.MaxID {
		return job{}, failwell.New(h.noJob, nil)
	}
	j, err := h.read(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrAbsent):
		return j, failwell.New(h.noJob, nil)
	case err != nil:
		return j, h.stored(err)
	case j.Client != h.Account(r):
		return j, failwell.New(h.foreign, nil)
	}
	return j, nil
}

func (h *api) read(ctx context.Context, id string) (job, error) {
	client, _, err := h.owners().Get(ctx, id)
	if err != nil {
		return job{}, err
	}
	j, _, err := h.jobs().Get(ctx, client+"/"+id)
	return j, err
}

func (h *api) get(w http.ResponseWriter, r *http.Request) error {
	j, err := h.find(r)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, j.show())
}

// list shows the caller's jobs, newest first.
func (h *api) list(w http.ResponseWriter, r *http.Request) error {
	mine := stand.Collection[job]{Store: h.Store, Prefix: h.jobs().Prefix + h.Account(r) + "/"}
	all, err := mine.All(r.Context())
	if err != nil {
		return h.stored(err)
	}
	query := r.URL.Query()
	all = slices.DeleteFunc(all, func(j job) bool { return query.Get("status") != "" && query.Get("status") != j.Status })
	slices.SortFunc(all, func(a, b job) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	from := min(stand.Number(query, "offset", 0), len(all))
	shown := []map[string]any{}
	for i := range all[from:min(from+stand.Number(query, "limit", 20), len(all))] {
		shown = append(shown, all[from+i].show())
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"jobs": shown, "total": len(all)})
}

// result hands out addresses, or says why there are none.
func (h *api) result(w http.ResponseWriter, r *http.Request) error {
	j, err := h.find(r)
	switch {
	case err != nil:
		return err
	case j.Status == isFailed:
		return failwell.New(h.broken, errors.New(j.Failure)) //nolint:err113 // why the job failed, for the log
	case j.Done == nil:
		return failwell.New(h.unfit, nil).WithField("jobId", "the job has not ended, it is "+j.Status, "state")
	}
	until := h.now().Add(linkLife)
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"jobId": j.ID,
		"outputs": []map[string]any{{
			"url": h.URL() + stand.OutsidePath + "results/" + j.ID + ".srt?" + h.sign(j.ID, until), "expiresAt": until, "sizeBytes": len(j.Output),
		}},
	})
}

// sign makes what an address needs to be good for a while: when it ends, and a
// code that only this stand-in can make.
func (h *api) sign(name string, until time.Time) string {
	end := strconv.FormatInt(until.Unix(), 10)
	return "expires=" + end + "&signature=" + h.signature(name, end)
}

func (h *api) signature(name, end string) string {
	code := hmac.New(sha256.New, []byte("sandbox "+h.Contract.API)) // these addresses guard nothing
	code.Write([]byte(name + "\n" + end))
	return hex.EncodeToString(code.Sum(nil))
}

func (h *api) signed(r *http.Request, name string) bool {
	query := r.URL.Query()
	end, err := strconv.ParseInt(query.Get("expires"), 10, 64)
	return err == nil && h.now().Unix() < end && hmac.Equal([]byte(query.Get("signature")), []byte(h.signature(name, query.Get("expires"))))
}

// Outside serves results and takes uploads.
func (h *api) Outside() http.Handler { return h }

// ServeHTTP speaks as a storage service does, which is none of the API's.
func (h *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, stand.OutsidePath)
	id, isResult := strings.CutPrefix(strings.TrimSuffix(name, ".srt"), "results/")
	upload, isUpload := strings.CutPrefix(name, "uploads/")
	switch {
	case isResult && h.signed(r, id):
		j, err := h.read(r.Context(), id)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-subrip")
		_, _ = w.Write(j.Output) // the reader is gone when this fails
	case isUpload && r.Method == http.MethodPut && h.signed(r, upload):
		h.takeUpload(w, r, upload)
	default:
		http.Error(w, "AccessDenied", http.StatusForbidden)
	}
}
