package stand

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// ReadJSON reads a body that the contract's schema has accepted.
func ReadJSON(r *http.Request, into any) error {
	err := json.NewDecoder(r.Body).Decode(into)
	switch {
	case err == nil, errors.Is(err, io.EOF): // an empty body that the contract lets pass
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failwell.FromCondition(condition.FormatInvalid, err)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err //nolint:wrapcheck // the guard says what it means
	}
	return failwell.FromCondition(condition.FormatInvalid, err)
}

// WriteJSON answers with a value.
func WriteJSON(w http.ResponseWriter, status int, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err //nolint:wrapcheck // a value of ours that cannot be written is a bug; the type says which
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the caller is gone when this fails
	return nil
}

// NewID makes an id of 12 characters behind a prefix: 60 random bits.
func NewID(prefix string) string {
	return prefix + strings.ToLower(rand.Text()[:12])
}

// Number reads a query parameter that the contract's schema has checked.
func Number(query url.Values, name string, otherwise int) int {
	n, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return otherwise
	}
	return n
}

// Missing says that a resource is not there, or not the caller's.
func Missing(kind, id string) error {
	return failwell.FromCondition(condition.ResourceMissing, nil).With("resource_type", kind).With("resource_id", id)
}

// MaxID is the longest id that is looked up.
const MaxID = 128
