package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows of a failure is what comes out.
func TestTheSampleInTheReadmeIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```console\n$ curl")
	session, _, _ := strings.Cut(rest, "```")
	command, shown, ok := strings.Cut(session, "}'\n")
	sent := command[strings.LastIndex(command, "'{")+1:] + "}"
	if !ok || !strings.Contains(sent, "temperature") {
		t.Fatalf("no sample in the README: %q", session)
	}
	s := start(t, nil, "sandbox", "heppu", "--listen", "127.0.0.1:0")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("base_url")+"/agents", strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", s.key("valid"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	timestamp := regexp.MustCompile(`"timestamp":"[^"]+"`)
	got := timestamp.ReplaceAllString(strings.TrimSpace(string(body)), "")
	want := timestamp.ReplaceAllString(strings.TrimSpace(strings.ReplaceAll(shown, "\n ", "")), "")
	if got != want {
		t.Errorf("the README shows\n%s\nbut what comes is\n%s", want, got)
	}
}
