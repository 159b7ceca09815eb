package failwell_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/failwell/failwell"
)

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func response(status int, contentType, body string) (*http.Response, *closing) {
	c := &closing{Reader: strings.NewReader(body)}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}, "X-Request-Id": {"req_9"}}, Body: c}, c
}

// Whatever comes, status, request id and the bounded body are there.
func TestCheckReadsAnyBody(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		status      int
		contentType string
		body        string
		is          error
	}{
		"json":           {429, "application/json", `{"error":{"code":"too_many","message":"slow"}}`, failwell.RateLimited},
		"detail":         {422, "application/json", `{"detail":[{"loc":["body","name"],"msg":"field required","type":"value_error.missing"}]}`, failwell.ValidationFailed},
		"html":           {502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>", failwell.UpstreamUnreachable},
		"plain":          {503, "text/plain", "upstream connect error", nil},
		"empty":          {500, "", "", failwell.Internal},
		"cut off":        {500, "application/json", `{"error":{"code":"inter`, failwell.Internal},
		"not utf-8":      {500, "application/json", "{\"error\":\"\xff\xfe\"}", failwell.Internal},
		"wrong type":     {401, "text/html", `{"message":"who"}`, nil},
		"large":          {500, "text/plain", strings.Repeat("garbage ", 1<<20), failwell.Internal},
		"unusual status": {418, "", "", failwell.RequestMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := response(x.status, x.contentType, x.body)
			e := wanted(t, failwell.Check(resp, nil))
			if e.Status != x.status || e.RequestID != "req_9" || e.Origin != failwell.FromServer || !body.closed || e.Stopped != "" || len(e.Attempts) != 0 {
				t.Errorf("closed %v: %+v", body.closed, e)
			}
			if x.is != nil && !errors.Is(e, x.is) {
				t.Errorf("%q is not %v", e.Condition, x.is)
			}
			if want := []byte(x.body); !bytes.Equal(e.Body, want[:min(len(want), failwell.MaxBody)]) {
				t.Errorf("%d bytes of the body are kept", len(e.Body))
			}
		})
	}
}

func TestCheckLeavesSuccessAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{101, 200, 201, 204, 206, 207, 301, 304, 399} {
		resp, body := response(status, "application/json", `{"errcode":"fine"}`)
		if err := failwell.CheckWith(parcels(), resp, nil); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if got, _ := io.ReadAll(resp.Body); body.closed || string(got) != `{"errcode":"fine"}` {
			t.Errorf("%d: the body was closed or touched: %q", status, got)
		}
	}
}

func TestCheckWith(t *testing.T) {
	t.Parallel()
	c := parcels()
	inside := func() *http.Response {
		resp, _ := response(http.StatusOK, "application/json; charset=utf-8", `{"errcode":"queue_full","errmsg":"Later."}`)
		return resp
	}
	if err := failwell.Check(inside(), nil); err != nil {
		t.Errorf("without a contract: %v", err)
	}
	e := wanted(t, failwell.CheckWith(c, inside(), nil))
	if !errors.Is(e, c.MustCode("queue_full")) || e.Status != http.StatusOK || e.Message != "Later." || e.Contract != c {
		t.Errorf("got %+v", e)
	}
	// Another contract than the transport's: the response is read again.
	base := &script{steps: []step{coded(403, "denied")}}
	resp, err := (&failwell.Transport{Base: base}).RoundTrip(get(t.Context(), t))
	if e := wanted(t, failwell.CheckWith(c, resp, err)); !errors.Is(e, c.MustCode("denied")) {
		t.Errorf("got %+v", e)
	}
	// Every fault of a part is there.
	resp, _ = response(http.StatusMultiStatus, "application/json", `{"results":[{"id":"a"},{"id":"b","error":{"error":{"code":"down","message":"m"}}}]}`)
	if e := wanted(t, failwell.CheckWith(c, resp, nil)); len(e.Items) != 1 || e.Items[0].ID != "b" || e.Items[0].Index != 1 {
		t.Errorf("got %+v", e.Items)
	}
}

func TestCheckWithBoth(t *testing.T) {
	t.Parallel()
	// http.Client returns both when CheckRedirect refuses.
	resp, body := response(http.StatusFound, "", "")
	stopped := errors.New("stopped after 10 redirects")
	if err := failwell.Check(resp, stopped); !errors.Is(err, stopped) || !body.closed {
		t.Errorf("closed %v: %v", body.closed, err)
	}
}
