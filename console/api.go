package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// apiError is a problem that the admin API has told.
type apiError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`

	body []byte
}

func (e *apiError) Error() string {
	if e.Detail != "" {
		return e.Detail
	}
	return e.Title
}

// notThere reports whether what was asked for does not exist.
func notThere(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.Status == http.StatusNotFound
}

// ask makes a call of the admin API on behalf of a browser's request.
func (c *Console) ask(r *http.Request, token, method, path string, body, into any) error {
	return c.askWith(r, token, method, path, nil, body, into)
}

func (c *Console) askWith(r *http.Request, token, method, path string, header map[string]string, body, into any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return fmt.Errorf("console: %w", err)
		}
	}
	in, err := http.NewRequestWithContext(r.Context(), method, path, &content)
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	// Both sides of the call are one request for whoever reads the audit log.
	in.Header["X-Request-Id"] = r.Header["X-Request-Id"]
	in.Header.Set("Authorization", "Bearer "+token)
	in.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		in.Header.Set(name, value)
	}
	in.Host, in.RemoteAddr = r.Host, r.RemoteAddr
	out := &answer{header: http.Header{}}
	c.API.ServeHTTP(out, in)
	if out.status >= 400 {
		e := &apiError{}
		if err := json.Unmarshal(out.body.Bytes(), e); err != nil || e.Title == "" {
			e.Title = http.StatusText(out.status)
		}
		e.Status, e.body = out.status, out.body.Bytes()
		return e
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(out.body.Bytes(), into); err != nil {
		return fmt.Errorf("console: %s %s: %w", method, path, err)
	}
	return nil
}

// answer takes a response within the process.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p) //nolint:wrapcheck // a buffer does not fail
}

// fail answers a script, in the words of the admin API's contract.
func (c *Console) fail(w http.ResponseWriter, status int, of condition.Condition, wait time.Duration) {
	code, _ := c.problem.For(of)
	f := contract.Failure{Code: code, Condition: of, Status: status, RequestID: w.Header().Get("X-Request-Id"), Time: c.now()}
	if wait > 0 {
		f.RetryAfter, f.HasRetryAfter = wait, true
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	}
	body, status, mediaType := c.problem.AppendError(nil, &f)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the reader is gone when this fails
}
