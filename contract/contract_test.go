package contract_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/builtin"
	"github.com/failwell/failwell/contract/condition"
)

func shop(t testing.TB) *contract.Contract {
	t.Helper()
	data, err := os.ReadFile("testdata/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse("shop.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var noon = time.Date(2026, 1, 31, 9, 15, 0, 0, time.UTC)

// What each envelope makes, and that it comes back.
func TestRenderAndDecode(t *testing.T) {
	c := shop(t)
	fields := []contract.FieldError{
		{In: "body", Path: []string{"items", "0", "name"}, Message: "is \"required\"", Code: "missing"},
		{In: "query", Path: []string{"limit"}, Message: "too large", Code: "less_than_equal"},
	}
	unplaced := []contract.FieldError{{Path: []string{"items", "0", "name"}, Message: "a"}, {Path: []string{"items", "0", "name"}, Message: "b"}}
	for _, tc := range []struct {
		name    string
		failure contract.Failure
		status  int
		media   string
		body    string
	}{
		{"standard", contract.Failure{Code: c.MustCode("slow_down"), RequestID: "abc", Time: noon, RetryAfter: 1500 * time.Millisecond, HasRetryAfter: true,
			Params: []contract.Value{{Name: "limit", Data: int64(60)}, {Name: "reset", Data: noon}}},
			429, "application/json",
			`{"error":{"code":"slow_down","message":"Too many requests. Retry after 2 seconds.","type":"limit_error","status":429,"details":{"limit":60,"reset":1769850900},"retry_after":2,"timestamp":"2026-01-31T09:15:00Z","request_id":"req_abc"}}`},
		{"optional parts left out", contract.Failure{Code: c.MustCode("slow_down")}, 429, "application/json",
			`{"error":{"code":"slow_down","message":"Too many requests.","type":"limit_error","status":429}}`},
		{"parameter from a fact", contract.Failure{Code: c.MustCode("forbidden"), Params: []contract.Value{{Name: "permission", Data: "write"}, {Name: "secret", Data: "hunter2"}}}, 403, "application/json",
			`{"error":{"code":"forbidden","message":"This key lacks the permission write.","type":"auth_error","status":403,"details":{"needed":"write"}}}`},
		{"status of a condition", contract.Failure{Code: c.MustCode("bad_request"), Condition: condition.BodyTooLarge, Params: []contract.Value{{Name: "max_bytes", Data: int64(5)}}}, 413, "application/json",
			`{"error":{"code":"bad_request","message":"At most 5 bytes are accepted.","type":"request_error","status":413,"details":{"max_bytes":5}}}`},
		{"list of fields", contract.Failure{Code: c.MustCode("invalid_fields"), Fields: fields}, 422, "application/json",
			`{"detail":[{"loc":["body","items",0,"name"],"msg":"is \"required\"","type":"missing"},{"loc":["query","limit"],"msg":"too large","type":"less_than_equal"}]}`},
		{"map of fields", contract.Failure{Code: c.MustCode("bad_form"), Fields: unplaced}, 400, "application/json",
			`{"code":"bad_form","message":"The form has errors.","errors":{"items.0.name":["a","b"]}}`},
		{"tree of fields", contract.Failure{Code: c.MustCode("bad_tree"), Fields: unplaced}, 409, "application/json",
			`{"code":"bad_tree","errors":{"items":{"0":{"name":["a","b"]}}}}`},
		{"no code", contract.Failure{Code: c.MustCode("wrong_method")}, 405, "application/json",
			`{"error":{"type":"request_error","message":"Not with this method.","status_code":405}}`},
		{"not JSON", contract.Failure{Code: c.MustCode("gateway"), RequestID: "r<1>"}, 502, "application/xml",
			`<Error><Code>E502</Code><Message>Bad &amp; broken.</Message><RequestId>r&lt;1&gt;</RequestId></Error>`},
		{"a code of zero", contract.Failure{Code: c.MustCode("zero")}, 200, "application/json", `{"errcode":0,"errmsg":"Try again."}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, status, media := c.AppendError(nil, &tc.failure)
			if string(body) != tc.body || status != tc.status || media != tc.media {
				t.Fatalf("rendered %d %s\n%s\nwant %d %s\n%s", status, media, body, tc.status, tc.media, tc.body)
			}
			head := map[string][]string{"Content-Type": {media}}
			c.ErrorHeaders(&tc.failure, func(name, value string) { head[name] = []string{value} })
			got, ok := c.Decode(contract.Response{Status: status, Header: head, Body: body}, noon)
			if !ok {
				t.Fatalf("not decoded: %s", body)
			}
			if got.Code != tc.failure.Code || !got.Certain {
				t.Fatalf("decoded as %v (certain %v), want %v", got.Code, got.Certain, tc.failure.Code)
			}
			again, _, _ := c.AppendError(nil, &got)
			if string(again) != tc.body {
				t.Fatalf("decoded and rendered again:\n%s\nwant\n%s", again, tc.body)
			}
		})
	}
}

func TestRenderEscapes(t *testing.T) {
	c := shop(t)
	hostile := "a\"b\\c\x00\n\xff\u2028<é>"
	body, _, _ := c.AppendError(nil, &contract.Failure{Code: c.MustCode("broken"), Message: hostile, RequestID: hostile})
	var got struct {
		Error struct {
			Message   string `json:"message"`
			RequestID string `json:"request_id"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	want := strings.ToValidUTF8(hostile, "\ufffd")
	if got.Error.Message != want || got.Error.RequestID != "req_"+want {
		t.Fatalf("got %q", got)
	}
}

func TestDecodeForeign(t *testing.T) {
	c := shop(t)
	for _, tc := range []struct {
		name, body string
		status     int
		header     map[string][]string
		want       contract.Failure
	}{
		{"additional members are tolerated", `{"error":{"code":"not_found","message":"m","status":404,"extra":1},"more":true}`, 404, nil,
			contract.Failure{Code: c.MustCode("not_found"), WireCode: "not_found", Condition: condition.ResourceMissing, Status: 404, Message: "m", Type: "request_error", Retry: condition.Never, Envelope: "standard", Certain: true}},
		{"request id from the header", `{"error":{"code":"broken","message":"m","status":503}}`, 503, map[string][]string{"x-request-id": {"abc"}},
			contract.Failure{Code: c.MustCode("broken"), WireCode: "broken", Condition: condition.Unavailable, Status: 503, Message: "m", Type: "server_error", RequestID: "abc", Retry: condition.Backoff, Envelope: "standard", Certain: true}},
		{"hint from the header wins", `{"error":{"code":"slow_down","message":"m","status":429,"retry_after":9}}`, 429, map[string][]string{"Retry-After": {"3"}},
			contract.Failure{Code: c.MustCode("slow_down"), WireCode: "slow_down", Condition: condition.RateLimited, Status: 429, Message: "m", Type: "limit_error", Retry: condition.AfterWait, Envelope: "standard", Certain: true, RetryAfter: 3 * time.Second, HasRetryAfter: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := c.Decode(contract.Response{Status: tc.status, Header: tc.header, Body: []byte(tc.body)}, noon)
			if !ok {
				t.Fatal("not decoded")
			}
			sameCode := cmp.Comparer(func(a, b *contract.Code) bool { return a == b })
			if diff := cmp.Diff(tc.want, got, sameCode, cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// Support is asked with the id as it stands in the body.
func TestExplainQuotesTheID(t *testing.T) {
	c := shop(t)
	body := `{"error":{"code":"broken","message":"m","status":500,"request_id":"req_abc"}}`
	f, _ := c.Decode(contract.Response{Status: 500, Body: []byte(body)}, noon)
	if x := c.ExplainFailure(&f); f.RequestID != "abc" || x.RequestID != "req_abc" {
		t.Errorf("decoded %q, explained %q", f.RequestID, x.RequestID)
	}
}

func TestDecodeItems(t *testing.T) {
	c := shop(t)
	body := `{"results":[{"name":"a"},{"name":"b","failure":{"error":{"code":"not_found","message":"gone","status":404}}}]}`
	f, ok := c.Decode(contract.Response{Status: 207, Body: []byte(body)}, noon)
	if !ok || len(f.Items) != 1 || f.Items[0].ID != "b" || f.Items[0].Index != 1 || f.Items[0].Failure.Code != c.MustCode("not_found") {
		t.Fatalf("got %+v", f)
	}
}

func TestMessages(t *testing.T) {
	c := shop(t)
	f := contract.Failure{Code: c.MustCode("bad_request"), Fields: []contract.FieldError{{Path: []string{"a"}, Message: "a is short"}}}
	if got := c.FriendlyOf(&f); got != "Invalid input: a is short" {
		t.Errorf("friendly %q", got)
	}
	f.Fields = nil
	if got := c.FriendlyOf(&f); got != "Invalid input." {
		t.Errorf("friendly without a field %q", got)
	}
	if got := c.MessageOf(&f); got != "The request is malformed." {
		t.Errorf("message %q", got)
	}
}

func TestRenderDoesNotAllocate(t *testing.T) {
	c := shop(t)
	f := contract.Failure{Code: c.MustCode("slow_down"), RequestID: "550e8400-e29b-41d4-a716-446655440000", Time: noon, RetryAfter: time.Second, HasRetryAfter: true,
		Params: []contract.Value{{Name: "limit", Data: int64(60)}, {Name: "reset", Data: noon}}}
	buffer := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buffer, _, _ = c.AppendError(buffer[:0], &f) }); n != 0 {
		t.Fatalf("%v allocations, want none", n)
	}
}

func BenchmarkAppendError(b *testing.B) {
	c := shop(b)
	f := contract.Failure{Code: c.MustCode("slow_down"), RequestID: "550e8400-e29b-41d4-a716-446655440000", Time: noon, RetryAfter: time.Second, HasRetryAfter: true,
		Params: []contract.Value{{Name: "limit", Data: int64(60)}, {Name: "reset", Data: noon}}}
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buffer, _, _ = c.AppendError(buffer[:0], &f)
	}
}

func BenchmarkDecode(b *testing.B) {
	c := shop(b)
	f := contract.Failure{Code: c.MustCode("slow_down"), RequestID: "550e8400-e29b-41d4-a716-446655440000", Time: noon}
	body, status, _ := c.AppendError(nil, &f)
	b.ReportAllocs()
	for b.Loop() {
		c.Decode(contract.Response{Status: status, Body: body}, noon)
	}
}

func TestWithOperations(t *testing.T) {
	c := shop(t)
	other, err := c.WithOperations([]*contract.Operation{{ID: "ping", Method: "GET", Path: "/ping"}})
	if err != nil || len(other.Operations) != 1 || len(c.Operations) != 2 || other.MustCode("broken") != c.MustCode("broken") {
		t.Fatalf("%+v, %v", other, err)
	}
	if _, err := c.WithOperations([]*contract.Operation{{ID: "a", Method: "GET", Path: "/a", Permission: "fly"}}); err == nil {
		t.Error("an unknown permission was accepted")
	}
}

// A parameter tells an instant as the header beside it does: never too early.
func TestInstantsAreRoundedUp(t *testing.T) {
	t.Parallel()
	text, err := builtin.Source("heppu")
	if err != nil {
		t.Fatal(err)
	}
	c := contract.MustParse(text)
	f := contract.Failure{Code: c.MustCode("rate_limit_exceeded"), Params: []contract.Value{{Name: "reset", Data: time.Unix(1796031977, 1)}}}
	if body, _, _ := c.AppendError(nil, &f); !strings.Contains(string(body), `"reset":1796031978`) {
		t.Errorf("%s", body)
	}
}
