package aionvision

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// file is an upload. A video is one from its beginning, so that one write turns
// its session into a file.
type file struct {
	ID          string    `json:"id"`
	Account     string    `json:"account"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Title       string    `json:"title"`
	Filename    string    `json:"filename"`
	Tags        []string  `json:"tags"`
	Size        int64     `json:"size"`
	SHA256      string    `json:"sha256,omitempty"`
	Format      string    `json:"format,omitempty"`
	Width       int       `json:"width,omitempty"`
	Height      int       `json:"height,omitempty"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	Video       *video    `json:"video,omitempty"`
}

// Kinds of files.
const (
	isImage    = "image"
	isDocument = "document"
	isVideo    = "video"
)

// States of files.
const (
	isOpening   = "opening"   // its storage may not be counted yet
	isUploading = "uploading" // chunks arrive
	isStored    = "stored"
	isAborted   = "aborted" // its storage is to be given back, as for deleted
	isDeleted   = "deleted"
)

func (f *file) key() string { return realm(f.Account) + "/" + f.ID }

func (h *api) files() stand.Collection[file] {
	return stand.Collection[file]{Store: h.Store, Prefix: h.Prefix() + "files/"}
}

// find reads a file of the caller's that is in one of the states.
func (h *api) find(r *http.Request, id string, states ...string) (file, error) {
	if len(id) > stand.MaxID {
		return file{}, missing("file", id)
	}
	f, _, err := h.files().Get(r.Context(), realm(h.Account(r))+"/"+id)
	if errors.Is(err, store.ErrAbsent) || err == nil && !slices.Contains(states, f.State) {
		return f, missing("file", id)
	}
	return f, stand.StoreError(err)
}

// edit changes a file that is there.
func (h *api) edit(ctx context.Context, key string, edit func(*file) error) (file, error) {
	f, err := h.files().Change(ctx, key, edit)
	if errors.Is(err, store.ErrAbsent) {
		_, id, _ := strings.Cut(key, "/")
		return f, missing("file", id)
	}
	return f, stand.StoreError(err)
}

func (f *file) show() map[string]any {
	out := map[string]any{
		"id": f.ID, "title": f.Title, "filename": f.Filename, "tags": orEmpty(f.Tags), "size_bytes": f.Size, "media_type": f.Kind, "format": f.Format,
		"has_full_description": f.Description != "", "description_status": "none", "upload_description": nil,
		"created_at": f.Created, "updated_at": f.Updated, "content_created_at": f.Created,
	}
	if f.Description != "" {
		out["upload_description"], out["description_status"] = f.Description, "completed"
	}
	switch f.Kind {
	case isImage:
		out["dimensions"] = map[string]int{"width": f.Width, "height": f.Height}
		out["variant_status"] = "completed"
	case isVideo:
		out["video_metadata"] = f.Video.metadata(f)
		out["video_analysis_status"] = nil
		if f.Video.Analysis != nil {
			out["video_analysis_status"] = f.Video.Analysis.Status
		}
	}
	return out
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// stored are the account's files, newest first.
func (h *api) stored(ctx context.Context, account string) ([]file, error) {
	mine := stand.Collection[file]{Store: h.Store, Prefix: h.files().Prefix + realm(account) + "/"}
	all, err := mine.All(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(f file) bool { return f.State != isStored })
	slices.SortFunc(all, func(a, b file) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// listFiles shows files that have one of the tags and are of one of the kinds.
func (h *api) listFiles(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	kinds, tags := split(query.Get("media_types")), split(query.Get("tags"))
	for _, kind := range kinds {
		if !slices.Contains([]string{isImage, isDocument, isVideo, "link"}, kind) {
			return invalid("media_types", "must be image, document, video or link, divided by commas")
		}
	}
	all, err := h.stored(r.Context(), h.Account(r))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(f file) bool {
		tagged := slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(f.Tags, tag) })
		return len(kinds) > 0 && !slices.Contains(kinds, f.Kind) || len(tags) > 0 && !tagged
	})
	from := min(stand.Number(query, "offset", 0), len(all))
	to := min(from+stand.Number(query, "limit", 20), len(all))
	shown := []map[string]any{}
	for i := range all[from:to] {
		shown = append(shown, all[from+i].show())
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"files": shown, "total_count": len(all), "has_more": to < len(all)})
}

// split reads a list that is divided by commas.
func split(list string) []string {
	var out []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (h *api) getFile(w http.ResponseWriter, r *http.Request) error {
	f, err := h.find(r, r.PathValue("id"), isStored)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, f.show())
}

func (h *api) updateFile(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Title *string   `json:"title"`
		Tags  *[]string `json:"tags"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.find(r, r.PathValue("id"), isStored)
	if err != nil {
		return err
	}
	f, err = h.edit(r.Context(), f.key(), func(f *file) error {
		if f.State != isStored {
			return missing("file", f.ID)
		}
		if in.Title != nil {
			f.Title = *in.Title
		}
		if in.Tags != nil {
			f.Tags = *in.Tags
		}
		f.Updated = h.now()
		return nil
	})
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"id": f.ID, "title": f.Title, "tags": orEmpty(f.Tags), "updated_at": f.Updated})
}

// deleteFile gives the storage back, of two calls at once one.
func (h *api) deleteFile(w http.ResponseWriter, r *http.Request) error {
	f, err := h.find(r, r.PathValue("id"), isStored)
	if err != nil {
		return err
	}
	// First, so that a crash leaves nothing behind.
	if err := h.Due.At(r.Context(), h.now().Add(traceLife), "purge", f.key()); err != nil {
		return stand.StoreError(err)
	}
	if f, err = h.edit(r.Context(), f.key(), func(f *file) error {
		if f.State != isStored {
			return missing("file", f.ID)
		}
		f.State, f.Updated = isDeleted, h.now()
		return nil
	}); err != nil {
		return err
	}
	if err := h.vacate(r.Context(), &f); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Duplicates.

// holder is the file that has a digest, and since when.
type holder struct {
	File  string    `json:"file"`
	Since time.Time `json:"since"`
}

// creation is how long a file may take to appear once its digest is taken.
const creation = 10 * time.Second

func (h *api) digests(account string) stand.Collection[holder] {
	return stand.Collection[holder]{Store: h.Store, Prefix: h.Prefix() + "digests/" + realm(account) + "/"}
}

// known is the file of the account that has the digest, "" when there is none.
func (h *api) known(ctx context.Context, account, digest string) (id string, version store.Version, err error) {
	held, version, err := h.digests(account).Get(ctx, digest)
	if errors.Is(err, store.ErrAbsent) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, stand.StoreError(err)
	}
	f, _, err := h.files().Get(ctx, realm(account)+"/"+held.File)
	absent := errors.Is(err, store.ErrAbsent)
	switch {
	case err != nil && !absent:
		return "", 0, stand.StoreError(err)
	case absent && h.now().Sub(held.Since) > creation, err == nil && f.State != isStored: // left over from a crash
		return "", version, nil
	}
	return held.File, version, nil
}

// claim gives a digest to a file, and of several at once to one. The file that
// has it is returned.
func (h *api) claim(ctx context.Context, f *file) (id string, err error) {
	for range maxContention {
		id, version, err := h.known(ctx, f.Account, f.SHA256)
		if err != nil || id != "" {
			return id, err
		}
		err = h.digests(f.Account).Put(ctx, f.SHA256, version, holder{f.ID, h.now()})
		if !errors.Is(err, store.ErrConflict) {
			return f.ID, stand.StoreError(err)
		}
	}
	return "", failwell.FromCondition(failwell.ResourceConflict, store.ErrConflict)
}

// disclaim frees the digest of a file that is gone.
func (h *api) disclaim(ctx context.Context, f *file) error {
	if f.SHA256 == "" {
		return nil
	}
	held, version, err := h.digests(f.Account).Get(ctx, f.SHA256)
	if err == nil && held.File == f.ID {
		err = h.digests(f.Account).Delete(ctx, f.SHA256, version)
	}
	if errors.Is(err, store.ErrAbsent) || errors.Is(err, store.ErrConflict) { // somebody else's by now
		return nil
	}
	return stand.StoreError(err)
}
