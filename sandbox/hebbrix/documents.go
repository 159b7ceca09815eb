package hebbrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// How documents are treated here; the API's own document gives no numbers.
const (
	// maxFile is the longest file.
	maxFile = 256 << 10
	// maxPart is the longest field beside it.
	maxPart = 4 << 10
	// queued is when a document's turn comes, perByte how long its text takes.
	queued  = 500 * time.Millisecond
	perByte = 4 * time.Microsecond
)

// The states of documents and memories.
const (
	isPending    = "pending"
	isProcessing = "processing"
	isCompleted  = "completed"
	isFailed     = "failed"
)

// document is a file; its text becomes memories, and Data is given up then.
type document struct {
	ID               string    `json:"id"`
	CollectionID     string    `json:"collection_id"`
	Filename         string    `json:"filename"`
	Format           string    `json:"format"`
	Size             int       `json:"size_bytes"`
	Category         string    `json:"category"`
	Tags             []string  `json:"tags"`
	ProcessingStatus string    `json:"processing_status"`
	Error            string    `json:"error_message,omitempty"`
	ChunkCount       int       `json:"chunk_count"`
	CreatedAt        time.Time `json:"created_at"`
	UpdatedAt        time.Time `json:"updated_at"`

	Data []byte `json:"data,omitempty"`
}

// shownDocument leaves out what was uploaded and says its state twice.
type shownDocument struct {
	document

	Data   *struct{} `json:"data,omitempty"` // hides the kept one
	Status string    `json:"status"`
}

func (d *document) show() shownDocument {
	return shownDocument{document: *d, Status: d.ProcessingStatus}
}

func (h *api) upload(w http.ResponseWriter, r *http.Request) error {
	d := document{ID: stand.NewID("doc_"), ProcessingStatus: isPending, Tags: []string{}, CreatedAt: h.now(), UpdatedAt: h.now()}
	body := &watched{Reader: r.Body}
	err := h.readForm(r.Header.Get("Content-Type"), body, &d)
	if body.broken {
		failwell.NotDone(r.Context()) // it is free, and may be sent again under its key
	}
	if err != nil {
		return err
	}
	if err := h.mustName(r, d.CollectionID); err != nil {
		return err
	}
	account, assigned := h.Account(r), d.CollectionID == ""
	if d.CollectionID, err = h.resolve(r.Context(), account, d.CollectionID); err != nil {
		return err
	}
	if err := h.documents(account).Put(r.Context(), d.ID, 0, d); err != nil {
		return told("document", d.ID, err)
	}
	err = h.held(r.Context(), account, d.CollectionID)
	if err == nil {
		err = stand.StoreError(h.Due.At(r.Context(), d.CreatedAt.Add(queued), "begin", account+"/"+d.ID))
	}
	if err != nil {
		_, failed := remove(r.Context(), h.documents(account), d.ID)
		return errors.Join(err, failed)
	}
	w.Header().Set("Location", "/v1/documents/"+d.ID)
	return stand.WriteJSON(w, http.StatusCreated, map[string]any{"document": d.show(), "collection_auto_assigned": assigned})
}

// readForm reads the whole form, so that who sends too much still hears why.
func (h *api) readForm(contentType string, body io.Reader, d *document) error {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return failwell.FromCondition(condition.RequestMalformed, err).WithField("body", "the form has no boundary", "value_error")
	}
	form := multipart.NewReader(body, params["boundary"])
	var refused error
	for {
		part, err := form.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it is a form that ends before its last boundary
			break
		}
		if err != nil {
			return torn(err)
		}
		name := part.FormName()
		text, err := readPart(part, map[bool]int64{true: maxFile, false: maxPart}[name == "file"])
		if err != nil {
			return torn(err)
		}
		if err := h.take(d, part, name, text); refused == nil {
			refused = err
		}
	}
	if refused == nil && d.Filename == "" {
		return h.required("file")
	}
	return refused
}

// watched notes whether a body broke off, which looks like its end to a form.
type watched struct {
	io.Reader

	broken bool
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	w.broken = w.broken || err != nil && !errors.Is(err, io.EOF) && !tooLarge
	return n, err //nolint:wrapcheck // torn reads it
}

// readPart reads a part to its end and keeps one byte more than the limit of it.
func readPart(part io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err == nil {
		_, err = io.Copy(io.Discard, part)
	}
	return text, err //nolint:wrapcheck // torn reads it
}

// take puts a part of the form into the document.
func (h *api) take(d *document, part *multipart.Part, name string, text []byte) error {
	if name == "file" {
		return h.takeFile(d, part, text)
	}
	if !stand.IsFieldName(name) {
		return refuse("body", "has a part that is not named as a field")
	}
	if len(text) > maxPart || !utf8.Valid(text) {
		return refuse(name, fmt.Sprintf("must be text of at most %d bytes", maxPart))
	}
	switch name {
	case "collection_id":
		d.CollectionID = string(text)
	case "category":
		d.Category = string(text)
	case "tags":
		for tag := range strings.SplitSeq(string(text), ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				d.Tags = append(d.Tags, tag)
			}
		}
	}
	return nil
}

func (h *api) takeFile(d *document, part *multipart.Part, text []byte) error {
	format, ok := formatOf(part.FileName(), part.Header.Get("Content-Type"))
	switch {
	case part.FileName() == "":
		return failwell.New(h.detail, nil).WithField("file", "expected a file with a name", "value_error")
	case d.Filename != "":
		return refuse("file", "may be sent once only")
	case len(text) > maxFile:
		return badFile(h.tooLarge, "is too large").With("max_bytes", maxFile)
	case !ok:
		return badFile(h.unsupported, "is of no supported format").With("supported", supported)
	case len(text) == 0:
		return refuse("file", "is empty")
	}
	d.Filename, d.Format, d.Size, d.Data = part.FileName(), format, len(text), text
	return nil
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
	return failwell.FromCondition(condition.RequestMalformed, err).WithField("body", "the form is broken", "value_error")
}

// badFile is told under 400: the statuses that HTTP has for it are for whoever
// stands in front.
func badFile(code *contract.Code, message string) *failwell.Error {
	e := failwell.New(code, nil).WithField("file", message, "value_error")
	e.Status = http.StatusBadRequest
	return e
}

func (h *api) getDocument(w http.ResponseWriter, r *http.Request) error {
	d, err := find(r.Context(), h.documents(h.Account(r)), "document", r.PathValue("id"))
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, d.show())
}

// deleteDocument deletes its memories as well.
func (h *api) deleteDocument(w http.ResponseWriter, r *http.Request) error {
	account := h.Account(r)
	d, err := find(r.Context(), h.documents(account), "document", r.PathValue("id"))
	if err != nil {
		return err
	}
	there, err := remove(r.Context(), h.documents(account), d.ID)
	switch {
	case err != nil:
		return err
	case !there:
		return stand.Missing("document", d.ID)
	}
	if err := h.removeChunks(r.Context(), account, &d); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// chunkID is the same however often a document is worked on.
func (d *document) chunkID(i int) string {
	return fmt.Sprintf("mem_%s_%04d", strings.TrimPrefix(d.ID, "doc_"), i)
}

func (h *api) removeChunks(ctx context.Context, account string, d *document) error {
	for i := range d.ChunkCount {
		if _, err := remove(ctx, h.memories(account), d.chunkID(i)); err != nil {
			return err
		}
	}
	return nil
}

// chunk is a piece of a document; its id is that of the memory it is kept as.
type chunk struct {
	ID         string    `json:"id"`
	DocumentID string    `json:"document_id"`
	Index      int       `json:"chunk_index"`
	Content    string    `json:"content"`
	CreatedAt  time.Time `json:"created_at"`
}

func (h *api) listChunks(w http.ResponseWriter, r *http.Request) error {
	account := h.Account(r)
	d, err := find(r.Context(), h.documents(account), "document", r.PathValue("id"))
	if err != nil {
		return err
	}
	chunks := []chunk{}
	for i := range d.ChunkCount {
		m, _, err := h.memories(account).Get(r.Context(), d.chunkID(i))
		switch {
		case errors.Is(err, store.ErrAbsent): // forgotten by itself
		case err != nil:
			return stand.StoreError(err)
		default:
			chunks = append(chunks, chunk{m.ID, d.ID, i, m.Content, m.CreatedAt})
		}
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"document_id": d.ID, "processing_status": d.ProcessingStatus, "chunks": chunks, "total_count": len(chunks),
	})
}

// beginDocument is when a document's turn comes.
func (h *api) beginDocument(ctx context.Context, key string) error {
	account, id := splitTask(key)
	d, err := h.documents(account).Change(ctx, id, func(d *document) error {
		if d.ProcessingStatus == isPending {
			d.ProcessingStatus, d.UpdatedAt = isProcessing, h.now()
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("document %s: %w", key, err)
	}
	return h.Due.At(ctx, d.UpdatedAt.Add(time.Duration(d.Size)*perByte), "finish", key)
}

// finishDocument makes memories of a document's text. A crash may have come
// after some of them were made: they have the same ids then.
func (h *api) finishDocument(ctx context.Context, key string) error {
	account, id := splitTask(key)
	d, _, err := h.documents(account).Get(ctx, id)
	if errors.Is(err, store.ErrAbsent) || err == nil && d.ProcessingStatus != isProcessing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("document %s: %w", key, err)
	}
	pieces, fault := d.pieces()
	d.ChunkCount = len(pieces)
	for i, text := range pieces {
		if err := h.memories(account).Put(ctx, d.chunkID(i), 0, d.memory(i, text, h.now())); err != nil && !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("document %s: chunk %d: %w", key, i, err)
		}
	}
	_, err = h.documents(account).Change(ctx, id, func(now *document) error {
		now.ProcessingStatus, now.ChunkCount, now.UpdatedAt, now.Data = isCompleted, len(pieces), h.now(), nil
		if fault != nil {
			now.ProcessingStatus, now.Error = isFailed, fault.Error()
		}
		return nil
	})
	if errors.Is(err, store.ErrAbsent) { // deleted meanwhile
		return h.removeChunks(ctx, account, &d)
	}
	if err != nil {
		return fmt.Errorf("document %s: %w", key, err)
	}
	return nil
}

// pieces are what the text of the document is cut into.
func (d *document) pieces() ([]string, error) {
	text, err := extract(d.Format, d.Data)
	if err != nil {
		return nil, err
	}
	pieces := chunks(text)
	if len(pieces) == 0 {
		return nil, errNoText
	}
	return pieces, nil
}

// memory is the i-th piece as it is kept.
func (d *document) memory(i int, text string, now time.Time) memory {
	return memory{
		ID: d.chunkID(i), CollectionID: d.CollectionID, Content: text, Importance: ordinary, SourceType: "document", SourceReference: &d.ID,
		Metadata: json.RawMessage(fmt.Sprintf(`{"document_id":%q,"chunk_index":%d}`, d.ID, i)), Tags: d.Tags,
		CreatedAt: now, UpdatedAt: now, Ready: now,
	}
}
