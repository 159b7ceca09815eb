package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// canned answers without a network, so that what remains is a client's own work.
// It refuses the first try of each call where flaky is set.
type canned struct {
	flaky bool
	calls int
}

func (c *canned) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	c.calls++
	if c.flaky && c.calls%2 == 1 {
		return answer(req, http.StatusServiceUnavailable, nil), nil
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: req,
		Header: http.Header{"Content-Type": {"text/plain"}, "Date": {"Mon, 30 Nov 2026 10:00:00 GMT"}},
	}, nil
}

// BenchmarkAdded is what each client adds to a call, in the process alone: the
// differences to the bare one are exact where those over a network drown in it.
func BenchmarkAdded(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	run := func(c client, name string, base http.RoundTripper) {
		call := c.make(base, time.Nanosecond)
		b.Run(name+"/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if status, err := call(context.Background(), "http://canned.example/", body); err != nil || status != http.StatusOK {
					b.Fatal(status, err)
				}
			}
		})
	}
	for _, c := range httpClients() {
		run(c, "success", &canned{})
	}
	for _, c := range repeating() {
		run(c, "retry", &canned{flaky: true})
	}
}
