package aionvision

import (
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // storage services tag parts with it
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// chunk is what is known of a part of a video.
type chunk struct {
	// Attempt counts the addresses that were asked for again; only the latest works.
	Attempt int    `json:"attempt,omitempty"`
	There   bool   `json:"there,omitempty"`
	Size    int64  `json:"size,omitempty"`
	ETag    string `json:"etag,omitempty"`
	// Confirmed: from here on the chunk does not change.
	Confirmed bool `json:"confirmed,omitempty"`
}

// chunkLife outlasts every session; the records end by themselves.
const chunkLife = sessionLife + time.Hour

func (h *api) chunks(media string) stand.Collection[chunk] {
	return stand.Collection[chunk]{Store: h.Store, Prefix: h.Prefix() + "chunks/" + media + "/"}
}

func chunkID(n int) string { return fmt.Sprintf("%05d", n) }

var (
	errUnconfirmed = errors.New("the chunk is not confirmed")
	errRange       = errors.New("the video has no such chunk")
	errAbsent      = errors.New("nothing was put at the chunk's address")
	errLength      = errors.New("the chunk has another length")
	errETag        = errors.New("the ETag is not that of what was put there")
	errRetries     = errors.New("no more addresses are given for the chunk")
)

// rejected says which chunk is at fault. What exactly is wrong goes to the log:
// the contract has no word for it.
func rejected(n int, expected, actual int64, cause error) error {
	e := failwell.FromCondition(condition.ChunkRejected, cause).With("chunk_number", n)
	if expected > 0 {
		e = e.With("expected_bytes", expected).With("actual_bytes", actual)
	}
	return e
}

// joined keeps the error that the caller is told.
func joined(told, other error) error {
	if other == nil {
		return told
	}
	return errors.Join(told, other)
}

// address is that of a chunk: who has it may put the chunk there, once more and
// once less, until it ends.
type address struct {
	account, media string
	chunk, attempt int
	until          time.Time
}

func (a *address) path() string {
	return stand.OutsidePath + "videos/" + a.media + "/" + strconv.Itoa(a.chunk)
}

func (a *address) query() string {
	return "account=" + url.QueryEscape(a.account) + "&attempt=" + strconv.Itoa(a.attempt) + "&expires=" + strconv.FormatInt(a.until.Unix(), 10)
}

func (a *address) signature(secret string) string {
	code := hmac.New(sha256.New, []byte(secret))
	code.Write([]byte(a.path() + "?" + a.query()))
	return hex.EncodeToString(code.Sum(nil))
}

func (h *api) link(secret string, f *file, n, attempt int) (string, time.Time) {
	until := h.now().Add(linkLife)
	if until.After(f.Video.Expires) {
		until = f.Video.Expires
	}
	a := address{f.Account, f.ID, n, attempt, until}
	return h.URL() + a.path() + "?" + a.query() + "&signature=" + a.signature(secret), until
}

func (h *api) secret(ctx context.Context) (string, error) {
	secret, _, err := h.secrets().Get(ctx, "addresses")
	return secret, stand.StoreError(err)
}

// part is a chunk as it is announced.
type part struct {
	Number  int       `json:"chunk_number"`
	Size    int64     `json:"size_bytes"`
	URL     string    `json:"upload_url"`
	Method  string    `json:"upload_method"`
	Expires time.Time `json:"expires_at"`
}

// parts are all chunks, with their first addresses.
func (h *api) parts(ctx context.Context, f *file) ([]part, error) {
	secret, err := h.secret(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]part, f.Video.Chunks)
	for i := range out {
		link, until := h.link(secret, f, i+1, 0)
		out[i] = part{i + 1, f.sizeOf(i + 1), link, http.MethodPut, until}
	}
	return out, nil
}

// named is what calls about a chunk have in common.
type named struct {
	Media  string `json:"media_id"`
	Upload string `json:"upload_id"`
	Chunk  whole  `json:"chunk_number"`
}

func (h *api) confirm(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		named

		ETag string `json:"etag"`
		Size whole  `json:"size_bytes"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.session(r, in.Media, in.Upload)
	if err != nil {
		return err
	}
	n := in.Chunk.int()
	if n > f.Video.Chunks {
		return rejected(n, 0, 0, errRange)
	}
	expected := f.sizeOf(n)
	_, fault := change(r.Context(), h.chunks(f.ID), chunkID(n), chunkLife, func(c *chunk) error {
		switch {
		case !c.There:
			return rejected(n, expected, 0, errAbsent)
		case c.Size != expected:
			return rejected(n, expected, c.Size, errLength)
		case int64(in.Size) != expected:
			return rejected(n, expected, int64(in.Size), errLength)
		case tag(in.ETag) != c.ETag:
			return rejected(n, 0, 0, errETag)
		}
		c.Confirmed = true
		return nil
	})
	if fault != nil && !errors.Is(fault, condition.ChunkRejected) {
		return fault
	}
	f, err = h.onSession(r.Context(), f.key(), func(f *file) error {
		f.Video.Failed.set(n, fault != nil && !f.Video.Done.has(n))
		if fault == nil {
			f.Video.Done.set(n, true)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if fault != nil {
		return fault
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"chunk_number": n, "status": "completed", "chunks_completed": f.Video.Done.count(), "total_chunks": f.Video.Chunks,
		"progress_percent": f.Video.percent(), "estimated_time_remaining": h.remaining(&f),
	})
}

// tag reads an ETag as clients write it, with its quotes or without.
func tag(etag string) string { return strings.ToLower(strings.Trim(strings.TrimSpace(etag), `"`)) }

// retryChunk gives a new address to a chunk that did not get through, and lets go
// of what was put at the last one.
func (h *api) retryChunk(w http.ResponseWriter, r *http.Request) error {
	var in named
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	f, err := h.session(r, in.Media, in.Upload)
	if err != nil {
		return err
	}
	n := in.Chunk.int()
	if n > f.Video.Chunks {
		return rejected(n, 0, 0, errRange)
	}
	secret, err := h.secret(r.Context())
	if err != nil {
		return err
	}
	c, err := change(r.Context(), h.chunks(f.ID), chunkID(n), chunkLife, func(c *chunk) error {
		switch {
		case c.Confirmed:
			return exists(strconv.Itoa(n))
		case c.Attempt >= f.Video.Retries:
			return rejected(n, 0, 0, errRetries)
		}
		*c = chunk{Attempt: c.Attempt + 1}
		return nil
	})
	if err != nil {
		return err
	}
	link, until := h.link(secret, &f, n, c.Attempt)
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"chunk_number": n, "upload_url": link, "expires_at": until, "retry_attempt": c.Attempt, "max_retries": f.Video.Retries,
	})
}

// Outside takes chunks.
func (h *api) Outside() http.Handler { return http.HandlerFunc(h.takeChunk) }

// fault is how storage services say what went wrong.
type fault struct {
	code, message string
	status        int
}

func (f *fault) Error() string { return f.code }

var (
	faultAccess  = fault{"AccessDenied", "The address is not valid, or has ended.", http.StatusForbidden}
	faultMethod  = fault{"MethodNotAllowed", "Chunks are put here; nothing can be fetched.", http.StatusMethodNotAllowed}
	faultUpload  = fault{"NoSuchUpload", "The upload has ended.", http.StatusNotFound}
	faultLarge   = fault{"EntityTooLarge", "The chunk is longer than any of this upload.", http.StatusBadRequest}
	faultCut     = fault{"IncompleteBody", "The chunk ended before its announced length.", http.StatusBadRequest}
	faultDigest  = fault{"BadDigest", "The chunk does not have the digest that came with it.", http.StatusBadRequest}
	faultSettled = fault{"PreconditionFailed", "The chunk is confirmed and has other content.", http.StatusPreconditionFailed}
	faultOurs    = fault{"InternalError", "The chunk could not be kept. Put it there again.", http.StatusInternalServerError}
)

// takeChunk speaks as a storage service does, which is none of the API's.
func (h *api) takeChunk(w http.ResponseWriter, r *http.Request) {
	etag, err := h.putChunk(w, r)
	if err == nil {
		w.Header().Set("ETag", `"`+etag+`"`)
		w.WriteHeader(http.StatusOK)
		return
	}
	f, ok := errors.AsType[*fault](err)
	if !ok {
		h.Logger.ErrorContext(r.Context(), "a chunk could not be kept", "err", err)
		f = &faultOurs
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	_, _ = fmt.Fprintf(w, "%s<Error><Code>%s</Code><Message>%s</Message></Error>\n", xml.Header, f.code, f.message) // the caller is gone when this fails
}

func (h *api) putChunk(w http.ResponseWriter, r *http.Request) (etag string, err error) {
	if r.Method != http.MethodPut {
		return "", &faultMethod
	}
	a, err := h.addressOf(r)
	if err != nil {
		return "", err
	}
	f, _, err := h.files().Get(r.Context(), realm(a.account)+"/"+a.media)
	if errors.Is(err, store.ErrAbsent) || err == nil && (f.State != isUploading || !f.Video.Expires.After(h.now())) {
		return "", &faultUpload
	}
	if err != nil {
		return "", err
	}
	// Two chunks' length: what is a little too long is told when it is confirmed.
	limit := 2 * f.Video.ChunkSize
	if r.ContentLength > limit {
		return "", &faultLarge
	}
	sums := [2][]byte{}
	n, err := digest(http.MaxBytesReader(w, r.Body, limit), &sums)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", &faultLarge
	}
	if err != nil {
		return "", &faultCut
	}
	for i, header := range []string{"Content-MD5", "X-Amz-Checksum-Sha256"} {
		if told := r.Header.Get(header); told != "" && told != base64.StdEncoding.EncodeToString(sums[i]) {
			return "", &faultDigest
		}
	}
	etag = hex.EncodeToString(sums[0])
	_, err = change(r.Context(), h.chunks(f.ID), chunkID(a.chunk), chunkLife, func(c *chunk) error {
		switch {
		case c.Attempt != a.attempt:
			return &faultAccess
		case c.Confirmed && (c.ETag != etag || c.Size != n):
			return &faultSettled
		}
		c.There, c.Size, c.ETag = true, n, etag
		return nil
	})
	return etag, err
}

// digest reads all there is and returns its length, MD5 and SHA-256.
func digest(from io.Reader, sums *[2][]byte) (int64, error) {
	short, long := md5.New(), sha256.New() //nolint:gosec // as above
	n, err := io.Copy(io.MultiWriter(short, long), from)
	sums[0], sums[1] = short.Sum(nil), long.Sum(nil)
	if err != nil {
		return 0, fmt.Errorf("chunk: %w", err)
	}
	return n, nil
}

// addressOf reads an address that was given out here and has not ended.
func (h *api) addressOf(r *http.Request) (*address, error) {
	secret, err := h.secret(r.Context())
	if err != nil {
		return nil, err
	}
	media, number, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, stand.OutsidePath+"videos/"), "/")
	query := r.URL.Query()
	n, err1 := strconv.Atoi(number)
	attempt, err2 := strconv.Atoi(query.Get("attempt"))
	until, err3 := strconv.ParseInt(query.Get("expires"), 10, 64)
	a := &address{query.Get("account"), media, n, attempt, time.Unix(until, 0)}
	right := hmac.Equal([]byte(query.Get("signature")), []byte(a.signature(secret)))
	if errors.Join(err1, err2, err3) != nil || !right || !h.now().Before(a.until) {
		return nil, &faultAccess
	}
	return a, nil
}
