package vectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
)

// Client is what is put to the test.
type Client interface {
	// Begin makes the client of one case, without calling anything.
	Begin(ctx context.Context, job Job) (Caller, error)
}

// Caller makes the calls of one case with one client.
type Caller interface {
	// Clock sets what the client's clock shows. It is called before a call begins,
	// goes on or is answered, not at the same time.
	Clock(now time.Time) error
	// Call makes one of the case's calls, counted from 0. Calls may overlap.
	Call(ctx context.Context, n int) (Outcome, error)
	// End frees what the case took.
	End() error
}

// Job is a case to be played against a server.
type Job struct {
	Case *Case
	// URL of the server, without a path.
	URL string
	// Wait is to be called instead of sleeping, with the number of the call. It
	// returns when the time has come.
	Wait func(n int, d time.Duration) error
}

// Play plays one case and returns all that is wrong with what the client did.
func Play(ctx context.Context, client Client, c *Case) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &course{c: c, now: c.Start, moves: make(chan move), outcomes: make([]Outcome, len(c.Calls))}
	var err error
	if p.stage, err = newStage(c.Script, p.hold(ctx)); err != nil {
		return err
	}
	defer p.stage.close()
	p.caller, err = client.Begin(ctx, Job{Case: c, URL: "http://" + p.stage.address, Wait: p.wait(ctx)})
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	err = p.run(ctx)
	cancel()
	if err := errors.Join(err, p.caller.End()); err != nil {
		return fmt.Errorf("calling: %w", err)
	}
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	return errors.Join(errors.Join(p.stage.faults...), c.judge(p.stage.seen, p.waits, &p.outcomes[len(c.Calls)-1]))
}

// judge compares what happened with what must follow.
func (c *Case) judge(seen []seenRequest, waits Waits, got *Outcome) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	x := &c.Expect
	if len(seen) != x.Requests.Count {
		fault("the server saw %d requests, want %d", len(seen), x.Requests.Count)
	}
	for i, r := range seen {
		if i < len(x.Requests.Lines) && r.line != x.Requests.Lines[i] {
			fault("request %d is %s, want %s", i+1, r.line, x.Requests.Lines[i])
		}
		if at := Millis(r.at.Sub(c.Start).Round(time.Millisecond)); i < len(x.Sent) && at != x.Sent[i] {
			fault("request %d was sent after %v, want %v", i+1, at, x.Sent[i])
		}
		if key := r.headers.Get("Idempotency-Key"); x.Key == "none" && key != "" || x.Key != "" && x.Key != "none" && key != x.Key {
			fault("request %d carries the key %q, want %s", i+1, key, x.Key)
		} else if i < len(x.Keys) && key != x.Keys[i] {
			fault("request %d carries the key %q, want %s", i+1, key, x.Keys[i])
		}
		if i < len(x.Counts) && r.headers.Get(c.Client.CountHeader) != x.Counts[i] {
			fault("request %d counts %q, want %q", i+1, r.headers.Get(c.Client.CountHeader), x.Counts[i])
		}
	}
	if !slices.Equal(waits, x.Waits) {
		fault("it waited %v, want %v", waits, x.Waits)
	}
	faults = append(faults, x.judgeEnd(got)...)
	for _, text := range got.Texts {
		for _, secret := range x.Hidden {
			if strings.Contains(text, secret) {
				fault("%q is told: %s", secret, text)
			}
		}
	}
	return errors.Join(faults...)
}

func (e *Expected) judgeEnd(got *Outcome) []error {
	var faults []error
	if !slices.Equal(got.Events, e.Events) {
		faults = append(faults, fmt.Errorf("the events are %+v, want %+v", got.Events, e.Events))
	}
	if want, have := written(e.Lines), written(got.Lines); want != have {
		faults = append(faults, fmt.Errorf("the lines are %s, want %s", have, want))
	}
	return append(faults, e.judgeResult(got)...)
}

// written is a list as JSON, which has one kind of numbers.
func written(list []any) string {
	if len(list) == 0 {
		return "none"
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (e *Expected) judgeResult(got *Outcome) []error {
	switch {
	case e.Error == nil && got.Error != nil:
		return []error{fmt.Errorf("it failed with %+v, want a success", *got.Error)}
	case e.Error != nil && got.Error == nil:
		return []error{fmt.Errorf("it succeeded with %d, want an error", got.Status)}
	case e.Error != nil:
		return e.Error.differences(got.Error)
	}
	var faults []error
	if got.Status != e.OK {
		faults = append(faults, fmt.Errorf("it succeeded with %d, want %d", got.Status, e.OK))
	}
	if got.Broken != e.Broken {
		faults = append(faults, fmt.Errorf("reading the body failed: %v, want %v", got.Broken, e.Broken))
	}
	if e.Body != nil && got.Body != *e.Body {
		faults = append(faults, fmt.Errorf("the body is %q, want %q", got.Body, *e.Body))
	}
	return faults
}

// differences compares the members that are named.
func (e *ExpectedError) differences(got *Failure) []error {
	want, have, err := members(e, got)
	if err != nil {
		return []error{err}
	}
	var faults []error
	for name, value := range want {
		if name == "params" {
			faults = append(faults, differentParams(value, have[name])...)
			continue
		}
		if !reflect.DeepEqual(value, have[name]) {
			faults = append(faults, fmt.Errorf("%s is %v, want %v", name, have[name], value))
		}
	}
	sort.Slice(faults, func(i, j int) bool { return faults[i].Error() < faults[j].Error() })
	return faults
}

func differentParams(want, have any) []error {
	var faults []error
	all, _ := have.(map[string]any)
	named, _ := want.(map[string]any)
	for name, value := range named {
		if !reflect.DeepEqual(value, all[name]) {
			faults = append(faults, fmt.Errorf("parameter %s is %v, want %v", name, all[name], value))
		}
	}
	return faults
}

func members(want, have any) (left, right map[string]any, err error) {
	for value, into := range map[any]*map[string]any{want: &left, have: &right} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, nil, fmt.Errorf("comparing: %w", err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return nil, nil, fmt.Errorf("comparing: %w", err)
		}
	}
	return left, right, nil
}
