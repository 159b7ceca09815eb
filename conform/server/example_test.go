package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"

	"github.com/failwell/failwell/conform/server"
	"github.com/failwell/failwell/sandbox"
)

// A stand-in behind a plain server of net/http, which answers broken requests
// in words of its own.
func ExampleCheck() {
	api, err := sandbox.New(context.Background(), sandbox.Options{API: "heppu", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()
	live := httptest.NewServer(api.Handler())
	defer live.Close()

	report, err := server.Check(context.Background(), server.Config{
		Contract: api.Contract(), URL: live.URL + api.BasePath(), Keys: map[string]string{"valid": api.Keys()["valid"]}, Pause: -1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rule := range report.Broken() {
		fmt.Printf("%s: %s (%d times)\n", rule.ID, rule.Title, len(rule.Findings))
	}
	// Output:
	// wire-envelope: a request that is no HTTP gets an envelope (3 times)
}
