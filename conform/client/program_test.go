package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// program is a client of swift.yaml that does all right but for one flaw.
type program struct {
	flaw, method, key string
	client            http.Client
}

type answer struct {
	status int
	header http.Header
	// code and id are those of the contract; json is false for any other body.
	code, id string
	retryIn  time.Duration
	json     bool
	err      error
}

func (p *program) run() int {
	if p.flaw == "follows with the key" {
		p.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			req.Header.Set("X-Api-Key", os.Getenv("FAILWELL_KEY"))
			return nil
		}
	} else {
		p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	attempts := 3
	if p.flaw == "tries without end" {
		attempts = 4
	}
	for n := 0; ; n++ {
		a := p.send(n)
		if a.err == nil && a.status >= 200 && a.status < 300 && (p.flaw != "wants 200" || a.status == 200) {
			fmt.Fprintln(os.Stdout, "done")
			return 0
		}
		if p.flaw == "reads only JSON" && a.err == nil && !a.json {
			return 1
		}
		wait, again := p.decide(&a, n)
		if n+1 >= attempts || !again {
			if again && p.flaw == "waits after the last try" {
				time.Sleep(3 * time.Second)
			}
			return p.give(&a)
		}
		time.Sleep(wait)
	}
}

func (p *program) send(n int) answer {
	body := `{"text":"hello"}`
	if n > 0 && p.flaw == "loses the body" {
		body = ""
	}
	req, err := http.NewRequest(p.method, os.Getenv("FAILWELL_URL")+"/notes", strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("X-Api-Key", os.Getenv("FAILWELL_KEY"))
	req.Header.Set("Content-Type", "application/json")
	if p.method == "POST" && !strings.HasPrefix(p.flaw, "no key") {
		key := p.key
		if p.flaw == "a key for each try" {
			key += strconv.Itoa(n)
		}
		req.Header.Set("Idempotency-Key", key)
	}
	if p.flaw != "follows with the key" {
		req.GetBody = nil // net/http is not to send it again by itself
	}
	if p.flaw == "a connection for each try" {
		req.Close = true
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		a.err = err
		return a
	}
	var envelope struct {
		Error struct {
			Code    string `json:"code"`
			ID      string `json:"request_id"`
			RetryIn int64  `json:"retry_in"`
		} `json:"error"`
	}
	a.json = json.NewDecoder(bytes.NewReader(data)).Decode(&envelope) == nil
	a.code, a.id, a.retryIn = envelope.Error.Code, envelope.Error.ID, time.Duration(envelope.Error.RetryIn)*time.Millisecond
	return a
}

// decide says whether to try again, and after how long.
func (p *program) decide(a *answer, n int) (time.Duration, bool) {
	wait := 200 * time.Millisecond << n
	switch {
	case p.flaw == "no jitter":
		wait += 50 * time.Millisecond
	case p.flaw == "hardly waits the second time" && n > 0:
		wait = 10 * time.Millisecond
	default:
		wait += time.Duration(rand.Int64N(int64(400 * time.Millisecond)))
	}
	safe := p.method != "POST" || !strings.HasPrefix(p.flaw, "no key") || p.flaw == "no key, and repeats"
	switch {
	case p.flaw == "never tries again":
		return 0, false
	case a.err != nil:
		if p.flaw == "storms a dead server" {
			wait = 10 * time.Millisecond
		}
		return wait, safe
	case p.flaw == "tries everything again", p.flaw == "wants 200" && a.status == 201:
		return wait, true
	case slices.Contains([]string{"unauthorized", "bad", "spent", "broken"}, a.code), a.status < 429, a.status > 429 && a.status < 500:
		return 0, false
	}
	if hint, ok := p.hint(a); ok {
		if hint > 10*time.Second && p.flaw != "sleeps for a day" {
			return 0, false
		}
		return hint, safe || a.status == 429 && p.flaw != "no key, and gives up at refusals"
	}
	return wait, safe
}

// hint is the wait that an answer names.
func (p *program) hint(a *answer) (time.Duration, bool) {
	if p.flaw == "does not look at hints" {
		return 0, false
	}
	if s := a.header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil {
			return time.Duration(n) * time.Second, true
		}
		if p.flaw == "reads no dates" {
			panic(errors.New("Retry-After is no number"))
		}
		if at, err := http.ParseTime(s); err == nil {
			return time.Until(at), true
		}
	}
	if s := a.header.Get("X-Reset"); s != "" && p.flaw != "does not look at X-Reset" {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Until(time.Unix(n, 0)), true
		}
	}
	if p.flaw == "takes milliseconds for seconds" {
		return a.retryIn * 1000, a.retryIn > 0
	}
	return a.retryIn, a.retryIn > 0
}

// give tells of a failure.
func (p *program) give(a *answer) int {
	switch p.flaw {
	case "says nothing":
		fmt.Fprintln(os.Stdout, "done")
		return 0
	case "hides the id":
		fmt.Fprintln(os.Stderr, "failed:", a.code)
		return 1
	case "hangs":
		time.Sleep(time.Hour)
	}
	fmt.Fprintln(os.Stderr, "failed:", a.status, a.code, a.id, a.err)
	return 1
}
