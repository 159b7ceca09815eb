package failwelltest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/failwelltest"
)

// A test of code that must cope: the API refuses, breaks off, and then answers.
func Example() {
	heppu, err := builtin.Get("heppu")
	if err != nil {
		panic(err)
	}
	var clock failwelltest.Clock
	server := &failwelltest.Server{Contract: heppu, Replies: []failwelltest.Reply{
		{Code: "rate_limit_exceeded", RetryAfter: 90 * time.Second},
		{Break: true},
		{Body: `{"id": "agent_1"}`},
	}}
	client := &http.Client{Transport: &failwell.Transport{Contract: heppu, Base: server, Now: clock.Now, Sleep: clock.Sleep, Random: func() float64 { return 0 }}}

	resp, err := client.Get("https://v2.heppu.ai/api/v1/agents/agent_1")
	if err := failwell.Check(resp, err); err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	fmt.Printf("%s after %d requests and waits of %v\n", body, len(server.Requests()), clock.Waits())
	// Output:
	// {"id": "agent_1"} after 3 requests and waits of [1m30s 2s]
}

func ExampleServer_Requests() {
	server := &failwelltest.Server{}
	client := &http.Client{Transport: server}
	resp, err := client.Post("https://v2.heppu.ai/api/v1/agents", "application/json", strings.NewReader(`{"name": "Ada"}`))
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	for _, r := range server.Requests() {
		fmt.Println(r.Method, r.Path, r.Body)
	}
	// Output:
	// POST /api/v1/agents {"name": "Ada"}
}
