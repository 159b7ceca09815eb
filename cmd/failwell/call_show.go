package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Exit statuses of call; its help says what they mean.
const (
	exitAccess = 3 + iota
	exitRequest
	exitLimit
	exitServer
	exitNoAnswer
	exitUnknownOutcome
)

// exitOf is the class of a failed call.
func exitOf(e *failwell.Error) int {
	silent := e.Origin == failwell.FromClient && e.Status == 0
	switch {
	case e.Stopped == failwell.StopCancelled:
		return exitFailed
	case e.Condition == failwell.IdempotencyOutcomeUnknown, silent && e.Stopped == failwell.StopUnsafe:
		return exitUnknownOutcome
	}
	switch e.Condition {
	case failwell.KeyMissing, failwell.KeyMalformed, failwell.KeyUnknown, failwell.KeyExpired, failwell.KeyRevoked, failwell.KeyDeactivated,
		failwell.AccountSuspended, failwell.PermissionDenied, failwell.FeatureUnavailable:
		return exitAccess
	case failwell.RateLimited, failwell.QuotaExhausted, failwell.ConcurrencyExceeded, failwell.StorageExhausted,
		failwell.PaymentRequired, failwell.BalanceInsufficient:
		return exitLimit
	}
	if silent {
		return exitNoAnswer
	}
	known, ok := condition.Lookup(e.Condition)
	switch {
	case ok && known.Fault == condition.FaultCaller:
		return exitRequest
	case ok, e.Status >= 500:
		return exitServer
	case e.Status >= 400:
		return exitRequest
	}
	return exitFailed
}

// callProgress tells a person what happens while it does. It is used by one
// goroutine.
type callProgress struct {
	console *console
	paint   painter
	made    []failwell.Attempt
}

func (p *callProgress) attempt(_ *http.Request, a failwell.Attempt) {
	p.made = append(p.made, a)
	if a.Code == "" || a.Wait == 0 {
		return // the last one is told of in full
	}
	said := p.paint.status(a.Status) + " " + a.Code
	if a.Status == 0 {
		said = a.Reason
	}
	if a.RequestID != "" {
		said += p.paint.faint(" (request id " + a.RequestID + ")")
	}
	p.console.notef("attempt %d: %s; again in %v", len(p.made), said, a.Wait.Round(time.Millisecond))
}

func (p *callProgress) wait(_ *http.Request, w failwell.Wait) {
	if w.Paced {
		p.console.notef("the limit has no room; waiting %v", w.For.Round(time.Millisecond))
	}
}

// sleep waits, on a terminal with a countdown.
func (p *callProgress) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var tick <-chan time.Time
	if p.paint.on && d >= time.Second {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		defer fmt.Fprint(p.console.stderr, "\r\x1b[K")
		tick = ticker.C
	}
	for until := time.Now().Add(d); ; {
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the transport words it
		case now := <-tick:
			fmt.Fprintf(p.console.stderr, "\r\x1b[K%s", p.paint.faint(fmt.Sprintf("waiting %.1fs, Ctrl-C stops", until.Sub(now).Seconds())))
		}
	}
}

// callJSON is what --json prints. Absent is null.
type callJSON struct {
	OK        bool           `json:"ok"`
	Status    *int           `json:"status"`
	RequestID *string        `json:"request_id"`
	Body      any            `json:"body"`
	Error     *callErrorJSON `json:"error"`
	Attempts  []attemptJSON  `json:"attempts"`
}

type callErrorJSON struct {
	responseJSON

	API            *string `json:"api"`
	Meaning        *string `json:"meaning"`
	Remedy         *string `json:"remedy"`
	Friendly       string  `json:"friendly"`
	Origin         string  `json:"origin"`
	Stopped        *string `json:"stopped"`
	Cause          *string `json:"cause"`
	IdempotencyKey *string `json:"idempotency_key"`
}

type attemptJSON struct {
	At        time.Time `json:"at"`
	Seconds   float64   `json:"seconds"`
	Status    *int      `json:"status"`
	Code      *string   `json:"code"`
	RequestID *string   `json:"request_id"`
	Reason    *string   `json:"reason"`
	WaitS     float64   `json:"wait_s"`
}

func attemptsJSON(list []failwell.Attempt) []attemptJSON {
	out := make([]attemptJSON, len(list))
	for i := range list {
		a := &list[i]
		out[i] = attemptJSON{
			At: a.At.UTC(), Seconds: a.Duration.Seconds(), Code: orNull(a.Code), RequestID: orNull(a.RequestID), Reason: orNull(a.Reason), WaitS: a.Wait.Seconds(),
		}
		if a.Status != 0 {
			out[i].Status = &a.Status
		}
	}
	return out
}

// longestShown is how much of a body --json prints.
const longestShown = 16 << 20

// succeed passes the answer on. A stream that fails on its way is an error.
func (x *callCmd) succeed(c *console, spec *contract.Contract, resp *http.Response, made []failwell.Attempt) error {
	if x.JSON {
		data, err := io.ReadAll(io.LimitReader(resp.Body, longestShown))
		if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		id := requestIDOf(spec, resp)
		return c.json(callJSON{OK: true, Status: &resp.StatusCode, RequestID: orNull(id), Body: shown(data), Attempts: attemptsJSON(made)})
	}
	if x.Include {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s\n", resp.Proto, resp.Status)
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			for _, value := range resp.Header[name] {
				fmt.Fprintf(&b, "%s: %s\n", name, value)
			}
		}
		if err := c.print(b.String() + "\n"); err != nil {
			return err
		}
	}
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) == "text/event-stream" {
		resp.Body = &copied{io.TeeReader(resp.Body, c.stdout), resp.Body}
		for _, err := range failwell.Events(spec, resp) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := io.Copy(c.stdout, resp.Body); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return nil
}

type copied struct {
	io.Reader
	io.Closer
}

func requestIDOf(spec *contract.Contract, resp *http.Response) string {
	if spec != nil {
		return resp.Header.Get(spec.Headers.RequestID.Name)
	}
	return resp.Header.Get("X-Request-Id")
}

// shown is a body as JSON, or as text.
func shown(data []byte) any {
	if json.Valid(data) {
		return json.RawMessage(data)
	}
	return string(data)
}

// failed tells of a failure and ends with its class.
func (x *callCmd) failed(c *console, e *failwell.Error) error {
	told := e.Contract.ExplainFailure(&e.Failure)
	if x.JSON {
		out := callErrorJSON{
			responseJSON: jsonOf(&told, &e.Failure), API: orNull(told.API), Meaning: orNull(told.Meaning), Remedy: orNull(told.Remedy), Friendly: e.Friendly(),
			Origin: e.Origin.String(), Stopped: orNull(string(e.Stopped)), IdempotencyKey: orNull(e.IdempotencyKey),
		}
		if cause := e.Unwrap(); cause != nil {
			out.Cause = orNull(cause.Error())
		}
		report := callJSON{RequestID: orNull(e.RequestID), Error: &out, Attempts: attemptsJSON(e.Attempts)}
		if e.Status != 0 {
			report.Status = &e.Status
		}
		if e.Body != nil {
			report.Body = shown(e.Body)
		}
		if err := c.json(report); err != nil {
			return err
		}
		return &statusError{exitOf(e), summary(e, &told)}
	}
	p := c.painterFor(c.stderr)
	rows := [][2]string{
		{"message", told.Message}, {"what happened", told.Meaning}, {"whose fault", whoActs(told.Fault)}, {"what to do", told.Remedy}, {"send again", advice(&told)},
		{"parameter", told.Param}, {"not repeated", stopText(e)}, {"request id", told.RequestID}, {"idempotency key", e.IdempotencyKey},
		{"attempts", attemptsText(e.Attempts)},
	}
	if err := (&console{stdout: c.stderr}).pairs(p, rows); err != nil {
		return err
	}
	return &statusError{exitOf(e), summary(e, &told)}
}

// summary is the error in a line. What is to be done about it is told above.
func summary(e *failwell.Error, told *contract.Explanation) error {
	s := e.Method + " failed: " + e.Name()
	if e.Status != 0 {
		s += " (" + strconv.Itoa(e.Status) + ")"
	}
	if cause := e.Unwrap(); cause != nil {
		s += ": " + cause.Error()
	} else if told.Message != "" {
		s += ": " + told.Message
	}
	return errors.New(strings.TrimSuffix(s, "."))
}

func stopText(e *failwell.Error) string {
	if e.Stopped == failwell.StopAdvice || e.Stopped == "" {
		return ""
	}
	return strings.TrimPrefix(e.Stopped.String(), "not repeated, ")
}

func attemptsText(list []failwell.Attempt) string {
	if len(list) < 2 {
		return ""
	}
	var b strings.Builder
	for i := range list {
		a := &list[i]
		fmt.Fprintf(&b, "%d. after %v: %s", i+1, a.At.Add(a.Duration).Sub(list[0].At).Round(time.Millisecond), a.Reason)
		if a.RequestID != "" {
			b.WriteString(", request id " + a.RequestID)
		}
		if i < len(list)-1 {
			b.WriteString("\n")
		}
	}
	return b.String()
}
