package failwell_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/failwelltest"
)

// A vendor's client that takes an http.Client copes with what it could not before,
// and still sees what the server said.
func TestUnderASDK(t *testing.T) {
	t.Parallel()
	const refusal = `{"error":{"message":"Rate limit reached.","type":"requests","code":"rate_limit_exceeded"}}`
	server, url := failwelltest.Start(t, nil,
		failwelltest.Reply{Break: true},
		failwelltest.Reply{Status: 503, Body: "upstream connect error", Header: map[string]string{"Content-Type": "text/plain"}},
		failwelltest.Reply{Body: `{"data":[{"id":"m1"}]}`},
		failwelltest.Reply{Status: 429, Body: refusal, Header: map[string]string{"Retry-After": "20"}},
		failwelltest.Reply{Body: `{"choices":[{"message":{"role":"assistant","content":"blue"}}]}`},
		failwelltest.Reply{Status: 401, Body: `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","code":"invalid_api_key"}}`},
		failwelltest.Reply{Body: "data: {\"choices\":[{\"delta\":{\"content\":\"green\"}}]}\n\ndata: [DONE]\n\n", Header: map[string]string{"Content-Type": "text/event-stream"}},
	)
	var clock failwelltest.Clock
	config := openai.DefaultConfig("sk-test")
	config.BaseURL = url
	config.HTTPClient = &http.Client{Transport: &failwell.Transport{Now: clock.Now, Sleep: clock.Sleep}}
	client := openai.NewClientWithConfig(config)

	models, err := client.ListModels(t.Context())
	if err != nil || len(models.Models) != 1 || len(clock.Waits()) != 2 {
		t.Errorf("%v, %v after %v", models, err, clock.Waits())
	}
	ask := openai.ChatCompletionRequest{Model: "m1", Messages: []openai.ChatCompletionMessage{{Role: "user", Content: "sky?"}}}
	ctx := failwell.WithOptions(t.Context(), failwell.CallOptions{IdempotencyKey: "once"})
	answer, err := client.CreateChatCompletion(ctx, ask)
	if err != nil || answer.Choices[0].Message.Content != "blue" || clock.Waits()[2] != 20*time.Second {
		t.Errorf("%v, %v after %v", answer, err, clock.Waits())
	}
	first, again := server.Requests()[3], server.Requests()[4]
	if first.Header.Get("Idempotency-Key") != "once" || again.Header.Get("Idempotency-Key") != "once" || first.Body != again.Body {
		t.Errorf("the repetition differs: %v and %v", first, again)
	}
	_, err = client.CreateChatCompletion(t.Context(), ask)
	if refused, ok := errors.AsType[*openai.APIError](err); !ok || refused.HTTPStatusCode != 401 || refused.Message != "Incorrect API key provided." {
		t.Errorf("got %v", err)
	}
	stream, err := client.CreateChatCompletionStream(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if part, err := stream.Recv(); err != nil || part.Choices[0].Delta.Content != "green" {
		t.Errorf("%v, %v", part, err)
	}
}
