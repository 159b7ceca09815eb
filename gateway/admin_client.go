package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract/builtin"
)

// AdminClient talks to the admin listener of a running gateway. Its errors hold
// under errors.Is for those of [admission.Keyring], and for the conditions of
// failwell. The zero HTTP means a client with a timeout of a minute. Methods may
// be called concurrently.
type AdminClient struct {
	// URL is the listener's, for example http://127.0.0.1:8081. Required.
	URL string
	// Token as [ReadToken] finds it. Required but for Ready.
	Token string
	// HTTP is Optional.
	HTTP *http.Client
}

// OpenAdmin makes a client for the gateway of this user at a URL, with the token
// that the gateway left.
func OpenAdmin(address string) (*AdminClient, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no URL of an admin listener, write for example http://127.0.0.1:8081", address)
	}
	token, err := ReadToken(u.Host)
	if err != nil {
		return nil, err
	}
	return &AdminClient{URL: strings.TrimSuffix(address, "/"), Token: token}, nil
}

// CreateKey makes a key. The secret is told this once.
func (c *AdminClient) CreateKey(ctx context.Context, n admission.NewKey) (secret string, key admission.Key, err error) {
	var made createdKey
	err = c.call(ctx, http.MethodPost, "/v1/keys", requestOf(n), &made)
	return made.Secret, made.Key, err
}

// importBatch is how many keys go into one request.
const importBatch = 1000

// ImportKeys makes keys known that were issued elsewhere and goes on past those
// that are refused. Results are in the order of the list; an error ends it, with
// the results of the batches before. It can be repeated.
func (c *AdminClient) ImportKeys(ctx context.Context, list []admission.Imported) ([]admission.ImportResult, error) {
	results := make([]admission.ImportResult, 0, len(list))
	for batch := range slices.Chunk(list, importBatch) {
		request := importRequest{Keys: make([]importedKey, len(batch))}
		for i, n := range batch {
			request.Keys[i] = importedKey{requestOf(n.NewKey), n.Plain, n.SHA256, n.Start}
		}
		var done importAnswer
		if err := c.call(ctx, http.MethodPost, "/v1/keys/import", request, &done); err != nil {
			return results, err
		}
		for _, r := range done.Results {
			results = append(results, r.result())
		}
	}
	return results, nil
}

func (r *importResult) result() admission.ImportResult {
	switch {
	case r.Existing:
		return admission.ImportResult{Err: admission.ErrKeyExists}
	case r.Key == nil:
		return admission.ImportResult{Err: &toldError{text: r.Refused, is: admission.ErrInvalid}}
	}
	return admission.ImportResult{Key: *r.Key}
}

// Keys lists the keys of an account, or of all for "", as they were made.
func (c *AdminClient) Keys(ctx context.Context, account string) ([]admission.Key, error) {
	all := []admission.Key{}
	for after := ""; ; after = all[len(all)-1].ID {
		var page keyList
		q := url.Values{"account": {account}, "after": {after}, "limit": {"1000"}}
		if err := c.call(ctx, http.MethodGet, "/v1/keys?"+q.Encode(), nil, &page); err != nil || len(page.Keys) == 0 {
			return all, err
		}
		all = append(all, page.Keys...)
	}
}

// RevokeKey ends a key for ever.
func (c *AdminClient) RevokeKey(ctx context.Context, id string) (key admission.Key, err error) {
	err = c.call(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(id), nil, &key)
	return key, err
}

// Status tells how the gateway is.
func (c *AdminClient) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Ready tells whether the gateway should get requests, and why not.
func (c *AdminClient) Ready(ctx context.Context) (Readiness, error) {
	var state Readiness
	err := c.call(ctx, http.MethodGet, "/readyz", nil, &state)
	var e *failwell.Error
	if errors.As(err, &e) && e.Status == http.StatusServiceUnavailable && json.Unmarshal(e.Body, &state) == nil {
		return state, nil
	}
	return state, err
}

// longestAnswer bounds what is read of an answer.
const longestAnswer = 64 << 20

func (c *AdminClient) call(ctx context.Context, method, path string, body, into any) error {
	return c.callWith(ctx, method, path, nil, body, into)
}

func (c *AdminClient) callWith(ctx context.Context, method, path string, header http.Header, body, into any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("admin: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, content)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	maps.Copy(r.Header, header)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: time.Minute}
	}
	contract, err := builtin.Get("problem")
	if err != nil {
		return err
	}
	resp, err := client.Do(r)
	if err := failwell.CheckWith(contract, resp, err); err != nil {
		return told(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, longestAnswer)).Decode(into); err != nil {
		return fmt.Errorf("admin: the answer cannot be read: %w", err)
	}
	return nil
}

// told gives the keyring's errors back what they are.
func told(err error) error {
	var e *failwell.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, known := range keyErrors {
		if e.Condition == known.condition && strings.Contains(e.Message, known.err.Error()) {
			return &toldError{e.Message, known.err, e}
		}
	}
	return err
}

// toldError is one of the keyring's errors that has come over the wire.
type toldError struct {
	text string
	is   error
	wire *failwell.Error
}

func (e *toldError) Error() string { return e.text }

func (e *toldError) Unwrap() []error {
	if e.wire == nil { // part of an answer that is no error itself
		return []error{e.is}
	}
	return []error{e.is, e.wire}
}
