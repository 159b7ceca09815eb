package failwell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/failwelltest"
)

// A complete client: errors by what they mean, waits as the API asks, backoff with
// jitter, a limit on time, a log with endpoint, method and request id, and a
// sentence for the person in front of the screen.
func Example_completeClient() {
	heppu, err := builtin.Get("heppu")
	if err != nil {
		panic(err)
	}
	var clock failwelltest.Clock
	api := &failwelltest.Server{Contract: heppu, Replies: []failwelltest.Reply{
		{Code: "rate_limit_exceeded", RetryAfter: 3 * time.Second}, {Body: `{"name": "Reception"}`}, {Code: "resource_not_found"},
	}}
	transport := &failwell.Transport{Contract: heppu, Base: api, Sleep: clock.Sleep, Logger: slog.New(slog.DiscardHandler)}

	client := &http.Client{Transport: transport}
	name := func(agent string) (string, error) {
		resp, err := client.Get("https://v2.heppu.ai/api/v1/agents/" + agent)
		if err := failwell.Check(resp, err); err != nil {
			return "", err // an *Error: code, condition, fields, request id, every attempt
		}
		defer func() { _ = resp.Body.Close() }()
		var found struct {
			Name string `json:"name"`
		}
		return found.Name, json.NewDecoder(resp.Body).Decode(&found)
	}

	fmt.Println(name("agent_1"))
	fmt.Println(clock.Waits())
	_, err = name("agent_2")
	fmt.Println(errors.Is(err, failwell.ResourceMissing), errors.Is(err, heppu.MustCode("resource_not_found")))
	// Output:
	// Reception <nil>
	// [3s]
	// true true
}
