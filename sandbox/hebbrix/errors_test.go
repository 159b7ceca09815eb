package hebbrix_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/sandbox"
)

// Every code of the document, each by its real cause and in its own shape.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	mine := s.remember("valid", `{"content":"mine"}`)
	broken := s.remember("plan_scale", `{"content":"broken"}`)
	if r := s.call("", "PUT", "/_sandbox/corrupt/hebbrix/memories/org_scale/"+broken, ""); r.status != 204 {
		t.Fatalf("corrupt: %d %s", r.status, r.body)
	}
	const (
		standard, plain, framework, tier = `"code":"`, `"status_code":`, `{"detail":[{"loc":[`, `{"error":"feature_not_available",`
		invalid                          = "invalid_api_key"
	)
	seen := map[string]bool{}
	for _, tc := range []struct {
		name, as, method, path, body string
		headers                      []string
		status                       int
		code                         string
		condition                    condition.Condition
		shape, holds                 string
	}{
		{"no key", "", "GET", "/memories", "", nil, 401, "missing_api_key", condition.KeyMissing, standard, `"type":"auth_error"`},
		{"not a bearer", "", "GET", "/memories", "", []string{"Authorization", "Basic eDp5"}, 401, invalid, condition.KeyUnknown, standard, ""},
		{"no key of ours", "hbx_1", "GET", "/memories", "", nil, 401, invalid, condition.KeyUnknown, standard, ""},
		{"mistyped", "malformed", "GET", "/memories", "", nil, 401, invalid, condition.KeyUnknown, standard, ""},
		{"never issued", "unknown", "GET", "/memories", "", nil, 401, invalid, condition.KeyUnknown, standard, ""},
		{"expired", "expired", "GET", "/memories", "", nil, 401, invalid, condition.KeyUnknown, standard, ""},
		{"revoked", "revoked", "GET", "/memories", "", nil, 401, invalid, condition.KeyUnknown, standard, ""},
		{"permission", "read_only", "POST", "/memories", `{"content":"x"}`, nil, 403, "permission_denied", condition.PermissionDenied, standard, `"required_permission":"write"`},
		{"suspended", "suspended", "GET", "/memories", "", nil, 403, "permission_denied", condition.PermissionDenied, standard, ""},
		{"tier", "valid", "POST", "/knowledge-graph/entities", `{"name":"Ada"}`, nil, 403, "feature_not_available", condition.FeatureUnavailable, tier, `"required_tier":{"name":"pro","display_name":"Pro","price":"$99/month","credits":"200K/month"}`},
		{"tier, seen in the body", "plan_starter", "POST", "/search", `{"query":"x","search_type":"graph"}`, nil, 403, "feature_not_available", condition.FeatureUnavailable, tier, `"current_tier":{"name":"starter","display_name":"Starter"},"required_tier":{"name":"pro","display_name":"Pro","price":"$99/month","credits":"200K/month"},"upgrade_url":"https://app.hebbrix.com/dashboard/billing"`},
		{"nothing to remember", "valid", "POST", "/memories", `{}`, nil, 400, "invalid_request", condition.RequestMalformed, standard, `"param":"content","status":400,"request_id":"req_`},
		{"blank content", "valid", "POST", "/memories", `{"content":" \n","messages":[]}`, nil, 400, "invalid_request", condition.RequestMalformed, standard, `"param":"content"`},
		{"blank change", "valid", "PATCH", "/memories/" + mine, `{"content":""}`, nil, 400, "invalid_request", condition.RequestMalformed, standard, `"param":"content"`},
		{"not JSON", "valid", "POST", "/memories", `{"content":`, nil, 400, "invalid_request", condition.RequestMalformed, standard, ""},
		{"confirmation", "valid", "DELETE", "/memories/all", "", []string{"X-Hebbrix-Confirm-Destructive", "yes"}, 400, "invalid_request", condition.RequestMalformed, standard, ""},
		{"importance", "valid", "POST", "/memories", `{"content":"x","importance":1.01}`, nil, 400, "validation_error", condition.ParameterInvalid, standard, `"param":"importance"`},
		{"importance beyond numbers", "valid", "PATCH", "/memories/" + mine, `{"importance":-1}`, nil, 400, "validation_error", condition.ParameterInvalid, standard, `"param":"importance"`},
		{"blank name", "valid", "POST", "/collections", `{"name":" "}`, nil, 400, "validation_error", condition.ParameterInvalid, standard, `"param":"name"`},
		{"blank query", "valid", "POST", "/search", `{"query":" "}`, nil, 400, "validation_error", condition.ParameterInvalid, standard, `"param":"query"`},
		{"nameless entity", "plan_pro", "POST", "/knowledge-graph/entities", `{"name":"?!"}`, nil, 400, "validation_error", condition.ParameterInvalid, standard, `"param":"name"`},
		{"schema", "valid", "POST", "/search", `{}`, nil, 422, "validation_detail", condition.ValidationFailed, framework, `"body","query"],"msg":`},
		{"schema of a list", "valid", "POST", "/memories", `{"content":"x","tags":["a",7]}`, nil, 422, "validation_detail", condition.ValidationFailed, framework, `"body","tags",`},
		{"schema of a query", "valid", "GET", "/memories?limit=101", "", nil, 422, "validation_detail", condition.ValidationFailed, framework, `"query","limit"]`},
		{"a collection must be named", "valid", "POST", "/memories", `{"content":"x"}`, []string{"X-Hebbrix-Require-Collection", "true"}, 422, "validation_detail", condition.ValidationFailed, framework, `"body","collection_id"],"msg":"field required"`},
		{"also to search", "valid", "POST", "/search", `{"query":"x"}`, []string{"X-Hebbrix-Require-Collection", "true"}, 422, "validation_detail", condition.ValidationFailed, framework, "collection_id"},
		{"also to list", "valid", "GET", "/memories", "", []string{"X-Hebbrix-Require-Collection", "true"}, 422, "validation_detail", condition.ValidationFailed, framework, "collection_id"},
		{"memory", "valid", "GET", "/memories/mem_none", "", nil, 404, "resource_not_found", condition.ResourceMissing, standard, `"resource_type":"memory","resource_id":"mem_none"`},
		{"somebody else's memory", "other", "GET", "/memories/" + mine, "", nil, 404, "resource_not_found", condition.ResourceMissing, standard, ""},
		{"document", "valid", "GET", "/documents/doc_none/chunks", "", nil, 404, "resource_not_found", condition.ResourceMissing, standard, `"resource_type":"document"`},
		{"collection", "valid", "GET", "/collections/col_none", "", nil, 404, "collection_not_found", condition.ResourceMissing, standard, `"param":"collection_id"`},
		{"somebody else's collection", "other", "POST", "/memories", `{"content":"x","collection_id":"col_xyz"}`, nil, 404, "collection_not_found", condition.ResourceMissing, standard, `"param":"collection_id"`},
		{"collection of a search", "valid", "POST", "/search", `{"query":"x","collection_id":"nope"}`, nil, 404, "collection_not_found", condition.ResourceMissing, standard, ""},
		{"collection of a list", "valid", "GET", "/memories?collection_id=nope", "", nil, 404, "collection_not_found", condition.ResourceMissing, standard, ""},
		{"unknown route", "valid", "GET", "/nothing", "", nil, 404, "route_not_found", condition.RouteUnknown, plain, `"status_code":404`},
		{"wrong method", "valid", "PUT", "/memories/" + mine, "", nil, 405, "method_not_allowed", condition.MethodNotAllowed, plain, `"status_code":405`},
		{"other media type", "valid", "POST", "/documents/upload", "x", []string{"Content-Type", "text/plain"}, 415, "unsupported_format", condition.MediaUnsupported, standard, ""},
		{"corrupt record", "plan_scale", "GET", "/memories/" + broken, "", nil, 500, "internal_error", condition.Internal, standard, `"type":"api_error"`},
		{"corrupt record in a list", "plan_scale", "POST", "/search", `{"query":"x"}`, nil, 500, "internal_error", condition.Internal, standard, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{T: t, Server: s.Server}
			s.advance(2 * time.Second) // a minute's calls are fewer
			got := s.call(tc.as, tc.method, "/v1"+tc.path, tc.body, tc.headers...)
			if got.failure.Code == nil || got.status != tc.status || got.failure.Code.Name != tc.code || got.failure.Condition != tc.condition {
				t.Fatalf("got %d %s (%s), want %d %s (%s)", got.status, got.body, got.failure.Condition, tc.status, tc.code, tc.condition)
			}
			if !strings.Contains(got.body, tc.shape) || !strings.Contains(got.body, tc.holds) {
				t.Errorf("%s: no %s or no %s", got.body, tc.shape, tc.holds)
			}
			if strings.Contains(got.body, s.Key("valid")) || strings.Contains(got.body, "org_") || strings.Contains(got.body, "record") {
				t.Errorf("something private got out: %s", got.body)
			}
			id := got.header.Get("X-Request-Id")
			if tc.shape == standard && !strings.Contains(got.body, `"req_`+id+`"`) || id == "" || got.header.Get("X-Process-Time") == "" {
				t.Errorf("headers %v of %s", got.header, got.body)
			}
			if !seen[tc.code] && got.status == got.failure.Code.Status {
				seen[tc.code] = true
				s.likeForced(got)
			}
		})
	}
	for _, code := range []string{"rate_limit_exceeded", "quota_exceeded", "document_too_large", "unsupported_format"} {
		seen[code] = true // which have tests of their own
	}
	for _, code := range s.Contract().Codes {
		if !code.Beyond && !seen[code.Name] {
			t.Errorf("nothing causes %s", code.Name)
		}
	}
}

// What is wrong with a file is told by the service, under 400; a body that is
// beyond any file, by whoever stands in front, under 413.
func TestUploadErrors(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	file := func(name, text string) []part { return []part{{"file", name, text}} }
	const long = 256<<10 + 1
	for _, tc := range []struct {
		name   string
		parts  []part
		status int
		code   string
		holds  string
	}{
		{"too large", file("a.txt", strings.Repeat("a", long)), 400, "document_too_large", `"max_bytes":262144`},
		{"far too large", file("a.txt", strings.Repeat("a", 10<<20)), 413, "document_too_large", `"max_bytes":8388608`},
		{"format", file("a.pdf", "%PDF-1.7"), 400, "unsupported_format", `"supported":["txt","md","csv","html"]`},
		{"no extension", file("README", "text"), 400, "unsupported_format", ""},
		{"empty", file("a.txt", ""), 400, "validation_error", `"param":"file"`},
		{"two files", []part{{"file", "a.txt", "a"}, {"file", "b.txt", "b"}}, 400, "validation_error", `"param":"file"`},
		{"long field", []part{{"file", "a.txt", "a"}, {"tags", "", strings.Repeat("t", 4097)}}, 400, "validation_error", `"param":"tags"`},
		{"no UTF-8", []part{{"file", "a.txt", "a"}, {"category", "", "\xff"}}, 400, "validation_error", `"param":"category"`},
		{"no file", []part{{"category", "", "c"}}, 422, "validation_detail", `{"detail":[{"loc":["body","file"],"msg":"field required","type":"value_error.missing"}]}`},
		{"text in its place", []part{{"file", "", "text"}}, 422, "validation_detail", `"loc":["body","file"]`},
		{"collection", []part{{"file", "a.txt", "a"}, {"collection_id", "", "../org_other/col"}}, 404, "collection_not_found", `"param":"collection_id"`},
		{"the first fault is told", []part{{"file", "a.exe", "a"}, {"tags", "", strings.Repeat("t", 4097)}}, 400, "unsupported_format", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &server{T: t, Server: s.Server}
			if r := s.upload("plan_pro", tc.parts...); r.status != tc.status || r.failure.Code == nil || r.failure.Code.Name != tc.code || !strings.Contains(r.body, tc.holds) {
				t.Errorf("%d %s, want %d %s with %s", r.status, r.body, tc.status, tc.code, tc.holds)
			} else if r.status == r.failure.Code.Status {
				s.likeForced(r)
			}
		})
	}
	for name, tc := range map[string]struct{ contentType, body string }{
		"cut off inside of a part": {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhalf a te"},
		"cut off between":          {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ntext\r\n--b"},
		"no form at all":           {"multipart/form-data; boundary=b", "text"},
		"no boundary":              {"multipart/form-data", "text"},
	} {
		r, err := s.try("plan_pro", "POST", "/v1/documents/upload", strings.NewReader(tc.body), "Content-Type", tc.contentType)
		if err != nil || r.status != 400 || r.failure.Code.Name != "invalid_request" {
			t.Errorf("%s: %v, %d %s", name, err, r.status, r.body)
		}
	}
	// A connection that breaks while a file is sent leaves nothing behind, and its
	// idempotency key is free.
	whole, contentType := form(t, file("a.txt", strings.Repeat("a", 200<<10))...)
	send := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/v1/documents/upload", body)
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+s.Key("plan_pro"))
		r.Header.Set("Idempotency-Key", "torn")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	if w := send(io.MultiReader(bytes.NewReader(whole.Bytes()[:100<<10]), errReader{})); w.Code != 400 {
		t.Errorf("torn: %d %s", w.Code, w.Body)
	}
	s.advance(time.Minute)
	if got := decode[list](t, s.call("plan_pro", "GET", "/v1/memories", "")); got.Total != 0 {
		t.Errorf("%+v", got)
	}
	if used := s.used("plan_pro"); used != 0 {
		t.Errorf("%d credits went for uploads that failed", used)
	}
	if w := send(whole); w.Code != 201 || w.Header().Get("X-Idempotent-Replay") != "" {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}
}

// errReader breaks a body.
type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Whatever a stranger sends in any field ends in an error of the contract, and
// never in one on our side.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	id := s.remember("plan_enterprise", `{"content":"a"}`)
	values := []string{
		`null`, `true`, `7`, `-1`, `1e400`, `-1e-400`, `123456789012345678901234567890`, `"x"`, `""`, `"\u0000"`, `"\ud800"`, `[]`, `[null]`, `[[]]`, `{}`, `{"a":{"b":[]}}`,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000), strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
		`"` + strings.Repeat("<", 70<<10) + `"`, `"../../org_other/x"`,
	}
	for path, fields := range map[string]string{
		"POST /v1/collections":              "name description metadata",
		"PATCH /v1/collections/col_default": "name description metadata",
		"POST /v1/memories": "content messages collection_id importance source_type source_reference metadata infer tags wait_for_index " +
			"user_id agent_id run_id unknown",
		"PATCH /v1/memories/" + id:          "content importance metadata tags wait_for_index",
		"POST /v1/search":                   "query collection_id limit search_type filters user_id agent_id run_id",
		"POST /v1/knowledge-graph/entities": "name type",
	} {
		method, path, _ := strings.Cut(path, " ")
		others := map[string]string{"/v1/memories": `"content":"c"`, "/v1/search": `"query":"q"`, "/v1/collections": `"name":"n"`}[path]
		if strings.HasSuffix(path, "entities") {
			others = `"name":"n"`
		}
		for field := range strings.FieldsSeq(fields) {
			for _, value := range values {
				body := `{"` + field + `":` + value + `}`
				if others != "" && !strings.HasPrefix(others, `"`+field+`"`) {
					body = `{` + others + `,"` + field + `":` + value + `}`
				}
				if r := s.call("plan_enterprise", method, path, body); r.status >= 500 || r.status == 429 {
					t.Errorf("%s %s %.80s: %d %s", method, path, body, r.status, r.body)
				}
			}
		}
	}
	for _, body := range []string{"", "null", "7", `"x"`, "[]", "\xff\xfe", "\xef\xbb\xbf{}", `{"content":"a","content":"b"}`, `{"content":"a"}{}`, "{\"content\":\"\xff\"}"} {
		if r := s.call("plan_enterprise", "POST", "/v1/memories", body); r.status != 400 && r.status != 422 {
			t.Errorf("%q: %d %s", body, r.status, r.body)
		}
	}
	if r := s.call("plan_enterprise", "POST", "/v1/memories", `{"content":"`+strings.Repeat("a", 9<<20)+`"}`); r.status != 413 || r.failure.Code.Name != "document_too_large" {
		t.Errorf("9 MB: %d %s", r.status, r.body)
	}
	// Six bytes each as they are kept: the record is what grows too large.
	if r := s.call("plan_enterprise", "POST", "/v1/memories", `{"content":"a","metadata":{"a":"`+strings.Repeat("<", 800<<10)+`"}}`); r.status != 413 {
		t.Errorf("a record that is too large: %d %.300s", r.status, r.body)
	}
}

// Nothing in a path leads out of the account, or to a redirect.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	s := start(t, sandbox.Options{})
	id := s.remember("other", `{"content":"theirs"}`)
	for _, path := range []string{
		"..%2forg_other%2f" + id, "../org_other/" + id, "%2e%2e/org_other/" + id, "%2e%2e%2forg_other%2f" + id, "org_other/" + id, "..;/org_other/" + id,
		"%00", "%ff", "%", "a%20b", strings.Repeat("a", 2000), "%F0%9F%8D%9E", id + "%00", id + "/", "/" + id, "*", id + "?x=%zz",
	} {
		for _, method := range []string{"GET", "DELETE"} {
			r, err := s.try("valid", method, "/v1/memories/"+path, bytes.NewReader(nil))
			if err != nil {
				continue // the client itself refuses it
			}
			if r.status != 404 && r.status != 400 {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
			s.advance(2 * time.Second)
		}
	}
	if r := s.call("other", "GET", "/v1/memories/"+id, ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func (s *server) used(as string) int {
	s.Helper()
	r := s.call(as, "GET", "/v1/usage", "")
	return decode[struct {
		Calls struct {
			Used int `json:"used"`
		} `json:"api_calls"`
	}](s.T, r).Calls.Used
}
