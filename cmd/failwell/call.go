package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
)

type callCmd struct {
	Method string `arg:"" help:"GET, POST, …"`
	URL    string `arg:"" help:"Where to. With a contract, a path will do: it goes below the API's base URL."`

	Contract string        `help:"Contract to go by: a built-in name or a file. Absent: conventions."                                                                              placeholder:"NAME|FILE"    short:"c"`
	Header   []string      `help:"A header; may be given more than once."                                                                                                          placeholder:"NAME: VALUE"  sep:"none"             short:"H"`
	Data     string        `help:"The body; @FILE reads it from there, @- from stdin."                                                                                             placeholder:"TEXT|@FILE"   short:"d"`
	Key      string        `help:"The API key, put where the contract has it; env:NAME keeps it off the command line."                                                             placeholder:"KEY|env:NAME"`
	Once     string        `help:"Key under which every attempt is sent, and which makes repeating safe where the API honours it; auto makes one. Absent: as the contract has it." name:"idempotency-key"     placeholder:"auto|KEY"`
	Attempts int           `help:"All tries, the first included. 0: the contract's number, or 3."                                                                                  placeholder:"N"`
	Timeout  time.Duration `help:"For everything but reading the answer of a success; 0: none."                                                                                    placeholder:"DURATION"`
	MaxWait  time.Duration `help:"Longest single wait. 0: the contract's, or 5m."                                                                                                  placeholder:"DURATION"`
	Include  bool          `help:"Print status and headers before the body."                                                                                                       short:"i"`
	JSON     bool          `help:"Print one line of JSON: status, body, error, attempts."`
}

// Help is shown below the flags.
func (*callCmd) Help() string {
	return `Sends a request, and again where the contract says that it helps and where that is safe, after the waits that the API asks for.
The body of a success goes to stdout, everything else to stderr. Redirects are not followed.

The exit status tells what to do about a failure:
  0  the call succeeded
  1  it failed in a way that tells nothing, or was interrupted
  2  the command line cannot be understood
  3  key, permission or plan: somebody has to give access
  4  the request itself: it has to change
  5  a limit, a quota, a balance: later, or after paying
  6  the API failed: later
  7  no answer came, and nothing was done or the call may be repeated
  8  nobody knows whether the work was done`
}

// Run makes the call.
func (x *callCmd) Run(ctx context.Context, c *console) error {
	var spec *contract.Contract
	if x.Contract != "" {
		var err error
		if spec, err = loadContract(x.Contract); err != nil {
			return err
		}
	}
	req, err := x.request(ctx, c, spec)
	if err != nil {
		return err
	}
	show := &callProgress{console: c, paint: c.painterFor(c.stderr)}
	transport := &failwell.Transport{
		Contract: spec, MaxAttempts: x.Attempts, MaxWait: x.MaxWait, Sleep: show.sleep, Hooks: []failwell.Hooks{{OnAttempt: show.attempt, OnWait: show.wait}},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	err = failwell.Check(resp, err)
	if err == nil {
		defer resp.Body.Close()
		if err = x.succeed(c, spec, resp, show.made); err == nil {
			return nil
		}
	}
	e, ok := errors.AsType[*failwell.Error](err)
	if !ok {
		return err
	}
	return x.failed(c, e)
}

// request puts together what is sent.
func (x *callCmd) request(ctx context.Context, c *console, spec *contract.Contract) (*http.Request, error) {
	address, err := x.address(spec)
	if err != nil {
		return nil, err
	}
	options := failwell.CallOptions{Timeout: x.Timeout, IdempotencyKey: x.Once}
	if x.Once == "auto" {
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, fmt.Errorf("making an idempotency key: %w", err)
		}
		options.IdempotencyKey = id.String()
	}
	if x.Once != "" && spec != nil && spec.Idempotency.Header == "" {
		return nil, usage("leave --idempotency-key out", "%s honours no idempotency key", spec.API)
	}
	req, err := http.NewRequestWithContext(failwell.WithOptions(ctx, options), strings.ToUpper(x.Method), address, http.NoBody)
	if err != nil {
		return nil, usage("as in: failwell call GET https://api.example/things", "%v", err)
	}
	if err := x.body(c, req); err != nil {
		return nil, err
	}
	if err := x.credential(c, spec, req); err != nil {
		return nil, err
	}
	for _, h := range x.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, usage("as in: -H 'Accept: application/json'", "%q is not a header", h)
		}
		if name = strings.TrimSpace(name); strings.EqualFold(name, "Host") {
			req.Host = strings.TrimSpace(value)
			continue
		}
		req.Header.Set(name, strings.TrimSpace(value))
	}
	return req, nil
}

func (x *callCmd) address(spec *contract.Contract) (string, error) {
	u, err := url.Parse(x.URL)
	if err != nil {
		// It may hold a credential, so it is not repeated.
		return "", usage("begin with http:// or https://; with --contract, a path will do", "the URL cannot be read")
	}
	if u.Host == "" && spec != nil && spec.BaseURL != "" && strings.HasPrefix(x.URL, "/") {
		base, err := url.Parse(spec.BaseURL)
		if err != nil {
			return "", fmt.Errorf("base_url of the contract: %w", err)
		}
		if prefix := strings.TrimSuffix(base.Path, "/"); prefix != "" && strings.HasPrefix(u.Path, prefix+"/") {
			base.Path = ""
		}
		return strings.TrimSuffix(base.String(), "/") + x.URL, nil
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", usage("begin with http:// or https://; with --contract, a path will do", "%s is not a URL of HTTP", x.URL)
	}
	return x.URL, nil
}

// body sets the request's body so that it can be sent again.
func (x *callCmd) body(c *console, req *http.Request) error {
	name, file := strings.CutPrefix(x.Data, "@")
	var beginning []byte
	switch {
	case x.Data == "":
		return nil
	case file && name != "-":
		info, err := os.Stat(name)
		if err != nil {
			return hinted(fmt.Errorf("data: %w", err), "check the path and its permissions")
		}
		open := func() (io.ReadCloser, error) { return os.Open(name) }
		if req.Body, err = open(); err != nil {
			return hinted(fmt.Errorf("data: %w", err), "check the path and its permissions")
		}
		req.GetBody, req.ContentLength = open, info.Size()
		if kind := mime.TypeByExtension(name[max(strings.LastIndexByte(name, '.'), 0):]); kind != "" {
			req.Header.Set("Content-Type", kind)
			return nil
		}
	default:
		data := []byte(x.Data)
		if file {
			var err error
			if data, err = io.ReadAll(c.stdin); err != nil {
				return fmt.Errorf("reading stdin: %w", err)
			}
		}
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = open()
		req.GetBody, req.ContentLength = open, int64(len(data))
		beginning = bytes.TrimSpace(data)
	}
	kind := "application/x-www-form-urlencoded" // as curl has it
	switch {
	case len(beginning) > 0 && (beginning[0] == '{' || beginning[0] == '['):
		kind = "application/json"
	case beginning == nil:
		kind = "application/octet-stream"
	}
	req.Header.Set("Content-Type", kind)
	return nil
}

// credential puts the key where the contract has it.
func (x *callCmd) credential(c *console, spec *contract.Contract, req *http.Request) error {
	key := x.Key
	if name, ok := strings.CutPrefix(key, "env:"); ok {
		if key = c.getenv(name); key == "" {
			return usage("set it, or leave --key out", "the variable %s is empty", name)
		}
	}
	if key == "" {
		return nil
	}
	scheme := contract.Scheme{In: "header", Name: "Authorization", Prefix: "Bearer"}
	if spec != nil && len(spec.Auth.Schemes) > 0 {
		scheme = spec.Auth.Schemes[0]
	}
	if scheme.In == "query" {
		query := req.URL.Query()
		query.Set(scheme.Name, key)
		req.URL.RawQuery = query.Encode()
		return nil
	}
	req.Header.Set(scheme.Name, strings.TrimSpace(strings.TrimSpace(scheme.Prefix)+" "+key))
	return nil
}
