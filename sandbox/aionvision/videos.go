package aionvision

import (
	"context"
	"math"
	"math/bits"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
)

// video is what a file has more when it came in chunks.
type video struct {
	Upload      string            `json:"upload"`
	ContentType string            `json:"content_type"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	ChunkSize   int64             `json:"chunk_size"`
	Chunks      int               `json:"chunks"`
	Retries     int               `json:"retries"`
	Expires     time.Time         `json:"expires"`
	// Done and Failed have a bit for each chunk: confirmed, and last refused.
	Done     bitmap    `json:"done,omitempty"`
	Failed   bitmap    `json:"failed,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Seconds  float64   `json:"seconds,omitempty"`
	Analysis *analysis `json:"analysis,omitempty"`
}

// bitmap of chunks, from 1.
type bitmap []byte

func newBitmap(n int) bitmap { return make(bitmap, (n+7)/8) }

func (b bitmap) has(n int) bool { return b[(n-1)/8]>>((n-1)%8)&1 == 1 }

func (b bitmap) set(n int, on bool) {
	b[(n-1)/8] &^= 1 << ((n - 1) % 8)
	if on {
		b[(n-1)/8] |= 1 << ((n - 1) % 8)
	}
}

func (b bitmap) count() (n int) {
	for _, x := range b {
		n += bits.OnesCount8(x)
	}
	return n
}

// sizeOf is how long a chunk must be.
func (f *file) sizeOf(n int) int64 {
	if n == f.Video.Chunks {
		return f.Size - int64(n-1)*f.Video.ChunkSize
	}
	return f.Video.ChunkSize
}

// arrived is how many bytes of confirmed chunks there are.
func (f *file) arrived() int64 {
	if f.State == isStored {
		return f.Size
	}
	v := f.Video
	n := int64(v.Done.count()) * v.ChunkSize
	if v.Done.has(v.Chunks) {
		n -= v.ChunkSize - f.sizeOf(v.Chunks)
	}
	return n
}

func (v *video) metadata(f *file) map[string]any {
	out := map[string]any{"file_size_bytes": f.Size, "format_name": strings.TrimPrefix(v.ContentType, "video/"), "duration_seconds": nil}
	if v.Seconds > 0 {
		out["duration_seconds"] = v.Seconds
	}
	return out
}

// whole is an integer as JSON Schema has it: 1.0 and 1e0 are ones.
type whole float64

func (n whole) int() int { return int(n) }

func (h *api) initiate(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Filename    string            `json:"filename"`
		ContentType string            `json:"content_type"`
		Size        whole             `json:"size_bytes"`
		Title       string            `json:"title"`
		Tags        []string          `json:"tags"`
		Metadata    map[string]string `json:"metadata"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	if !plain(in.Filename, maxName) || strings.ContainsAny(in.Filename, `/\`) || strings.Trim(in.Filename, ". ") == "" {
		return invalid("filename", "must be a name without a path")
	}
	t, size := h.tierOf(r.Context()), int64(in.Size)
	if size > t.video {
		return failwell.FromCondition(condition.BodyTooLarge, nil).With("max_bytes", t.video).With("actual_bytes", size)
	}
	now := h.now()
	f := file{
		ID: uuid.NewString(), Account: h.Account(r), Kind: isVideo, State: isOpening, Title: in.Title, Filename: in.Filename, Tags: in.Tags, Size: size,
		Format: in.ContentType, Created: now, Updated: now,
	}
	chunk := max(t.chunk, (size+maxChunks-1)/maxChunks)
	chunks := int((size + chunk - 1) / chunk)
	f.Video = &video{
		Upload: stand.NewID("upload_"), ContentType: in.ContentType, Metadata: in.Metadata, ChunkSize: chunk, Chunks: chunks, Retries: t.retries,
		Expires: now.Add(sessionLife), Done: newBitmap(chunks), Failed: newBitmap(chunks),
	}
	f, err := h.begin(r.Context(), &f, t.open)
	if err != nil {
		return err
	}
	parts, err := h.parts(r.Context(), &f)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusCreated, map[string]any{
		"media_id": f.ID, "upload_id": f.Video.Upload, "total_chunks": chunks, "chunk_size_bytes": chunk, "storage_path": "videos/" + f.ID,
		"chunks": parts, "expires_at": f.Video.Expires, "concurrent_upload_limit": t.parallel, "retry_attempts": t.retries,
	})
}

// begin opens a session. Its end is set first and its storage counted last, so
// that a crash at any point leaves something that expire understands.
func (h *api) begin(ctx context.Context, f *file, open int) (file, error) {
	if err := h.Due.At(ctx, f.Video.Expires, "expire", f.key()); err != nil {
		return *f, stand.StoreError(err)
	}
	if err := h.enter(ctx, f, open); err != nil {
		return *f, err
	}
	if err := h.files().Put(ctx, f.key(), 0, *f); err != nil {
		return *f, stand.StoreError(err)
	}
	if err := h.reserve(ctx, f); err != nil {
		_, version, found := h.files().Get(ctx, f.key())
		if found == nil {
			found = h.unopen(ctx, f, version)
		}
		return *f, joined(err, found)
	}
	return h.edit(ctx, f.key(), func(f *file) error {
		f.State = isUploading
		return nil
	})
}

// session finds an upload of the caller's that is still under way.
func (h *api) session(r *http.Request, media, upload string) (file, error) {
	f, err := h.find(r, media, isUploading, isStored, isAborted)
	if err != nil {
		return f, err
	}
	switch {
	case f.Kind != isVideo:
		return f, missing("file", media)
	case f.Video.Upload != upload:
		return f, missing("upload", upload)
	case f.State != isUploading:
		return f, exists(f.ID)
	case !f.Video.Expires.After(h.now()):
		return f, missing("upload", upload)
	}
	return f, nil
}

// onSession edits an upload that is still under way.
func (h *api) onSession(ctx context.Context, key string, edit func(*file) error) (file, error) {
	return h.edit(ctx, key, func(f *file) error {
		if f.State != isUploading {
			return exists(f.ID)
		}
		f.Updated = h.now()
		return edit(f)
	})
}

func (h *api) progress(w http.ResponseWriter, r *http.Request) error {
	f, err := h.find(r, r.PathValue("media_id"), isUploading, isStored, isAborted)
	if err != nil {
		return err
	}
	if f.Kind != isVideo || f.State == isUploading && !f.Video.Expires.After(h.now()) {
		return missing("file", f.ID)
	}
	v := f.Video
	out := map[string]any{
		"media_id": f.ID, "upload_id": v.Upload, "status": f.State, "chunks_completed": v.Chunks, "total_chunks": v.Chunks, "bytes_uploaded": f.arrived(),
		"total_bytes": f.Size, "progress_percent": 100.0, "estimated_time_remaining": nil, "current_chunk": nil, "failed_chunks": []int{}, "last_updated": f.Updated,
	}
	if f.State == isStored {
		out["status"] = v.processing()
		return stand.WriteJSON(w, http.StatusOK, out)
	}
	out["chunks_completed"], out["progress_percent"] = v.Done.count(), v.percent()
	failed := []int{}
	for n := 1; n <= v.Chunks; n++ {
		if v.Failed.has(n) {
			failed = append(failed, n)
		}
		if !v.Done.has(n) && out["current_chunk"] == nil {
			out["current_chunk"] = n
		}
	}
	out["failed_chunks"], out["estimated_time_remaining"] = failed, h.remaining(&f)
	return stand.WriteJSON(w, http.StatusOK, out)
}

func (v *video) percent() float64 {
	return math.Round(1000*float64(v.Done.count())/float64(v.Chunks)) / 10
}

// remaining is how many seconds the rest takes at the present pace; nil when
// there is none.
func (h *api) remaining(f *file) any {
	took, done := h.now().Sub(f.Created).Seconds(), f.Video.Done.count()
	if took <= 0 || done == 0 {
		return nil
	}
	return int(math.Ceil(took / float64(done) * float64(f.Video.Chunks-done)))
}

func (h *api) complete(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Media    string  `json:"media_id"`
		Upload   string  `json:"upload_id"`
		Seconds  float64 `json:"duration_seconds"`
		Analyze  *bool   `json:"auto_analyze"`
		Provider string  `json:"analysis_provider"`
		Type     string  `json:"analysis_type"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.session(r, in.Media, in.Upload)
	if err == nil {
		err = f.whole()
	}
	if err != nil {
		return err
	}
	// A credit for each minute that has begun; the contract has taken the first.
	// Whoever is refused below gets all of them back.
	if err := h.Charge(r.Context(), credits, int64(math.Ceil(in.Seconds/60))-1); err != nil {
		return err
	}
	var a *analysis
	if in.Analyze == nil || *in.Analyze {
		a = newAnalysis(&f, in.Provider, in.Type, h.now())
		if err := h.Due.At(r.Context(), a.Next, "analyse", f.key()); err != nil {
			return stand.StoreError(err)
		}
	}
	f, err = h.onSession(r.Context(), f.key(), func(f *file) error {
		if err := f.whole(); err != nil {
			return err
		}
		f.State, f.Video.Seconds, f.Video.Analysis, f.Video.Done, f.Video.Failed = isStored, in.Seconds, a, nil, nil
		return nil
	})
	if err == nil {
		err = h.leave(r.Context(), &f)
	}
	if err != nil {
		return err
	}
	out := map[string]any{
		"media_id": f.ID, "status": "completed", "processing_status": "completed", "metadata": f.Video.metadata(&f), "thumbnail_url": nil,
		"video_url": h.URL() + stand.OutsidePath + "videos/" + f.ID, "analysis_job_id": nil, "created_at": f.Created,
	}
	if a != nil {
		out["processing_status"], out["analysis_job_id"] = "queued", a.ID
	}
	return stand.WriteJSON(w, http.StatusOK, out)
}

// whole says which chunk is missing.
func (f *file) whole() error {
	for n := 1; n <= f.Video.Chunks; n++ {
		if !f.Video.Done.has(n) {
			return rejected(n, f.sizeOf(n), 0, errUnconfirmed)
		}
	}
	return nil
}

func (h *api) abort(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Media  string `json:"media_id"`
		Upload string `json:"upload_id"`
		Reason string `json:"reason"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.session(r, in.Media, in.Upload)
	if err != nil {
		return err
	}
	if err := h.Due.At(r.Context(), h.now().Add(traceLife), "purge", f.key()); err != nil {
		return stand.StoreError(err)
	}
	if f, err = h.onSession(r.Context(), f.key(), func(f *file) error {
		f.State, f.Video.Reason = isAborted, in.Reason
		return nil
	}); err != nil {
		return err
	}
	if err := h.vacate(r.Context(), &f); err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"media_id": f.ID, "status": isAborted, "cleaned_up": true, "chunks_removed": f.Video.Done.count(), "s3_cleanup": true,
	})
}
