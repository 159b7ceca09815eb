package aionvision

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
)

const (
	maxField = 64 << 10
	// maxParts of a form: several times the fields that there are.
	maxParts  = 32
	maxTitle  = 255
	maxTags   = 40
	maxTag    = 50
	maxName   = 255
	formField = "file"
)

// form is an upload as it came.
type form struct {
	there                    bool
	data                     []byte
	size                     int64 // of data, or of what was too long to keep
	name, declared           string
	title                    string
	tags                     []string
	describe, skipDuplicates bool
}

// upload takes an image or a document. Nothing is kept of one that fails, so that
// it can be sent again.
func (h *api) upload(w http.ResponseWriter, r *http.Request) error {
	began := h.now()
	held := announced(r)
	if err := h.memory.enter(held); err != nil {
		return err
	}
	defer h.memory.leave(held)
	t := h.tierOf(r.Context())
	in, err := h.readForm(r, max(t.image, maxDocument))
	if err != nil {
		return err
	}
	f := file{ID: uuid.NewString(), Account: h.Account(r), State: isStored, Title: in.title, Filename: in.name, Tags: in.tags, Size: in.size, Created: h.now()}
	var mediaType string
	if f.Kind, mediaType, err = kindOf(in.data, in.name, in.declared); err != nil {
		return err
	}
	limit := t.image
	if f.Kind == isDocument {
		limit = maxDocument
	}
	if in.size > limit {
		return failwell.FromCondition(condition.BodyTooLarge, nil).With("max_bytes", limit).With("actual_bytes", in.size)
	}
	f.Format = mediaType
	sum := sha256.Sum256(in.data)
	f.SHA256 = hex.EncodeToString(sum[:])
	if f.Kind == isImage {
		p, err := h.look(r.Context(), in.data, mediaType)
		if err != nil {
			return err
		}
		f.Format, f.Width, f.Height = p.format, p.width, p.height
		if in.describe {
			f.Description = p.description
		}
	}
	id, _, err := h.known(r.Context(), f.Account, f.SHA256)
	if err != nil {
		return err
	}
	if id == "" && f.Description != "" {
		if err := h.ask(r.Context(), defaultProvider); err != nil {
			return err
		}
	}
	if id == "" {
		if id, err = h.claim(r.Context(), &f); err != nil {
			return err
		}
	}
	if id != f.ID {
		return h.duplicate(w, r, in, &f, id)
	}
	if err := h.keep(r, f.Size); err != nil {
		return err
	}
	f.Updated = h.now()
	if err := h.files().Put(r.Context(), f.key(), 0, f); err != nil {
		return errors.Join(stand.StoreError(err), h.disclaim(r.Context(), &f))
	}
	return stand.WriteJSON(w, http.StatusCreated, f.uploaded(h.now().Sub(began).Milliseconds(), ""))
}

// duplicate answers for a file that is there.
func (h *api) duplicate(w http.ResponseWriter, r *http.Request, in *form, f *file, id string) error {
	if !in.skipDuplicates {
		return exists(id)
	}
	if err := h.keep(r, 0); err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, f.uploaded(0, id))
}

// announced is what a body counts before it is read.
func announced(r *http.Request) int64 {
	if r.ContentLength >= 0 {
		return r.ContentLength
	}
	if o := failwell.OperationOf(r.Context()); o != nil && o.MaxBody > 0 {
		return o.MaxBody
	}
	return memoryLimit / 2
}

// keep counts the file against the storage, instead of the form that it came in.
func (h *api) keep(r *http.Request, n int64) error {
	if !h.keeps() {
		return nil
	}
	return failwell.KeepStorage(r.Context(), n)
}

func (f *file) uploaded(took int64, existing string) map[string]any {
	out := map[string]any{
		"image_id": f.ID, "object_key": f.Account + "/" + f.ID, "upload_method": "STREAMING", "status": "completed", "processing_time_ms": took,
		"s3_upload_completed": true, "variants_queued": false, "description_queued": false, "skipped": false, "skipped_existing_image_id": nil,
		"storage_target": "default", "media_type": f.Kind, "filename": f.Filename, "size_bytes": f.Size,
	}
	if existing != "" {
		out["image_id"], out["status"], out["skipped"], out["skipped_existing_image_id"] = existing, "skipped", true, existing
		out["object_key"], out["s3_upload_completed"] = f.Account+"/"+existing, false
	}
	return out
}

// readForm reads the fields and up to most bytes of the file; it counts the rest.
func (h *api) readForm(r *http.Request, most int64) (*form, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, invalid("body", "must be a form with a boundary")
	}
	in := &form{describe: true}
	reader := multipart.NewReader(r.Body, params["boundary"])
	for range maxParts {
		part, err := reader.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it is a form that ends before its last boundary
			return in, in.check()
		}
		if err != nil {
			return nil, torn(err)
		}
		if !stand.IsFieldName(part.FormName()) {
			return nil, invalid("body", "has a part that is not named as a field")
		}
		if part.FormName() == formField {
			err = in.take(part, most)
		} else {
			err = in.set(part)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, invalid("body", "has too many parts")
}

func (in *form) check() error {
	switch {
	case !in.there:
		return failwell.FromCondition(condition.ParameterMissing, nil).WithField(formField, "is missing", "required")
	case in.size == 0:
		return invalid(formField, "is empty")
	}
	return nil
}

// take reads the file.
func (in *form) take(part *multipart.Part, most int64) (err error) {
	if in.there {
		return invalid(formField, "is there twice: send one file at a time")
	}
	in.there, in.name, in.declared = true, part.FileName(), part.Header.Get("Content-Type")
	if !plain(in.name, maxName) {
		return invalid(formField, "must have a name of up to 255 characters that can be printed")
	}
	if in.data, err = io.ReadAll(io.LimitReader(part, most)); err != nil {
		return torn(err)
	}
	rest, err := io.Copy(io.Discard, part)
	if err != nil {
		return torn(err)
	}
	in.size = int64(len(in.data)) + rest
	return nil
}

// plain reports whether text has up to so many characters, all printable.
func plain(text string, most int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && !strings.ContainsFunc(text, unicode.IsControl)
}

// set reads a field; one that is not known means nothing.
func (in *form) set(part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil {
		return torn(err)
	}
	name, value := part.FormName(), string(text)
	if len(text) > maxField {
		return invalid("body", "has a field that is too long")
	}
	switch name {
	case "title":
		in.title = value
		if !plain(value, maxTitle) {
			return invalid(name, "must be up to 255 characters that can be printed")
		}
	case "tags":
		in.tags = split(value)
		if len(in.tags) > maxTags || slices.ContainsFunc(in.tags, func(tag string) bool { return !plain(tag, maxTag) }) {
			return invalid(name, "must be up to 40 tags of up to 50 characters each, divided by commas")
		}
	case "auto_describe":
		in.describe, err = truth(name, value)
	case "skip_duplicates":
		in.skipDuplicates, err = truth(name, value)
	case "storage_target":
		switch value {
		case "default":
		case "custom":
			return against(name, "this account has no storage of its own")
		default:
			return invalid(name, "must be default or custom")
		}
	}
	return err
}

func truth(name, value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, invalid(name, "must be true or false")
	}
	return value == "true", nil
}

// torn tells a form that is broken from a body that is too long or too late,
// which the guard has words for.
func torn(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		return failwell.FromCondition(condition.ClientTimeout, err)
	}
	return failwell.FromCondition(condition.RequestMalformed, err).WithField("body", "the form is broken or was cut off", "malformed")
}
