package hume

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the API shows MD5 sums of files
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// request is what a caller asks for. The contract's schema has looked at one
// that comes alone; one in a form is looked at here.
type request struct {
	Models        map[string]map[string]any `json:"models"`
	Transcription map[string]any            `json:"transcription"`
	URLs          []string                  `json:"urls"`
	Text          []string                  `json:"text"`
	CallbackURL   *string                   `json:"callback_url"`
	Notify        bool                      `json:"notify"`
}

// source is one thing to measure.
type source struct {
	Type        string `json:"type"`
	URL         string `json:"url,omitempty"`
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	MD5         string `json:"md5,omitempty"`
	// Text is what was found to be text, up to maxText.
	Text   string `json:"text,omitempty"`
	Binary bool   `json:"binary,omitempty"`
	// Foreign is text in an encoding that is not UTF-8; a record cannot hold it.
	Foreign bool `json:"foreign,omitempty"`
	// Fault is why it could not be measured.
	Fault string `json:"fault,omitempty"`
}

// Where a source comes from.
const (
	fromURL  = "url"
	fromFile = "file"
	fromText = "text"
)

// maxText is how much of a text is measured; it is kept with the job.
const maxText = 64 << 10

var allModels = []string{"face", "burst", "prosody", "language", "ner", "facemesh"}

func (h *api) start(w http.ResponseWriter, r *http.Request) error {
	j := job{ID: uuid.NewString(), Account: h.Account(r), Status: isQueued, Created: h.now()}
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // the guard has accepted it, or there is no body
	var err error
	if mediaType == "multipart/form-data" {
		j.Sources, err = h.readForm(multipart.NewReader(r.Body, params["boundary"]), &j.Request)
	} else {
		err = stand.ReadJSON(r, &j.Request)
	}
	if err != nil {
		return err
	}
	if err := h.fill(&j); err != nil {
		return err
	}
	if err := h.roomInQueue(r.Context()); err != nil {
		return err
	}
	if err := h.jobs().Put(r.Context(), j.key(), 0, j); err != nil {
		if errors.Is(err, store.ErrTooLarge) {
			return failwell.FromCondition(condition.BodyTooLarge, err)
		}
		return stand.StoreError(err)
	}
	if err := h.Due.At(r.Context(), time.UnixMilli(j.Created).Add(queued), "begin", j.key()); err != nil {
		return stand.StoreError(err)
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]string{"job_id": j.ID})
}

// fill checks what no schema says and lists the sources.
func (h *api) fill(j *job) error {
	q := &j.Request
	for name := range q.Models {
		if !known(name) {
			return h.invalid("models", "the model "+name+" does not exist")
		}
	}
	if len(q.Models) == 0 {
		q.Models = map[string]map[string]any{}
		for _, name := range allModels {
			q.Models[name] = map[string]any{}
		}
	}
	for _, text := range q.Text {
		j.Sources = append(j.Sources, source{Type: fromText, Text: trimRune(text[:min(len(text), maxText)])})
	}
	for _, address := range q.URLs {
		// Whether more of it can be read is seen when it is fetched.
		if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			return h.invalid("urls", "must be addresses that begin with http:// or https://")
		}
		j.Sources = append(j.Sources, source{Type: fromURL, URL: address})
	}
	switch {
	case len(j.Sources) == 0:
		return h.invalid("urls", "there is nothing to measure: give urls, text or a file")
	case max(len(q.URLs), len(q.Text)) > maxSources:
		return h.invalid("urls", fmt.Sprintf("there are more than %d sources: put them into an archive", maxSources))
	}
	return nil
}

func known(model string) bool {
	return slices.Contains(allModels, model)
}

func (h *api) invalid(field, issue string) error {
	return failwell.New(h.bad, nil).WithField(field, issue, "invalid")
}

// readForm reads files, and the request in the part named json.
func (h *api) readForm(form *multipart.Reader, into *request) (files []source, err error) {
	for {
		part, err := form.NextPart()
		switch {
		case err == io.EOF: // wrapped, it is a form that ends before its last boundary
			return files, nil
		case err != nil:
			return nil, h.torn(err)
		}
		switch part.FormName() {
		case "json":
			text, err := io.ReadAll(io.LimitReader(part, 1<<20))
			if err != nil {
				return nil, h.torn(err)
			}
			d := json.NewDecoder(bytes.NewReader(text))
			if err := d.Decode(into); err != nil {
				return nil, h.invalid("json", "the part named json holds no request")
			}
		case "file":
			if part.FileName() == "" {
				return nil, h.invalid("file", "is not a file: give it a name")
			}
			s, err := readFile(part)
			if err != nil {
				return nil, h.torn(err)
			}
			files = append(files, s)
		default:
			return nil, h.invalid("body", "a form has files, and a part named json")
		}
		if len(files) > maxSources {
			return nil, h.invalid("file", fmt.Sprintf("there are more than %d files: put them into an archive", maxSources))
		}
	}
}

// torn tells a form that is broken from a body that is too long or too late,
// which the guard has words for.
func (h *api) torn(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	var late interface{ Timeout() bool }
	if errors.As(err, &late) && late.Timeout() {
		return failwell.FromCondition(condition.ClientTimeout, err)
	}
	return failwell.New(h.bad, err).WithField("body", "the form is broken", "malformed")
}

// readFile keeps of a file what is measured: text, and the digest of anything.
func readFile(part *multipart.Part) (source, error) {
	s := source{Type: fromFile, Filename: part.FileName(), ContentType: part.Header.Get("Content-Type")}
	sum := md5.New() //nolint:gosec // as above
	head, err := io.ReadAll(io.TeeReader(io.LimitReader(part, maxText), sum))
	if err == nil {
		_, err = io.Copy(sum, part)
	}
	s.MD5 = hex.EncodeToString(sum.Sum(nil))
	s.setContent(head)
	return s, err //nolint:wrapcheck // torn reads it
}

// setContent keeps text as it is and of anything else that it is not text.
func (s *source) setContent(head []byte) {
	if strings.HasPrefix(http.DetectContentType(head), "text/") && !bytes.Contains(head, []byte{0}) {
		text := trimRune(string(head))
		if s.Foreign = !utf8.ValidString(text); !s.Foreign {
			s.Text = text
		}
		return
	}
	s.Binary = len(head) > 0
}

// roomInQueue refuses jobs when too many are unfinished.
func (h *api) roomInQueue(ctx context.Context) error {
	unfinished, err := h.Due.Pending(ctx, "begin", "finish")
	if err != nil {
		return stand.StoreError(err)
	}
	if unfinished >= queueRoom {
		return failwell.FromCondition(condition.Unavailable, nil).WithRetryAfter(queued)
	}
	return nil
}
