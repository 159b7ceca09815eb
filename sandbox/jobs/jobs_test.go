package jobs_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

const subtitles = "1\r\n00:00:01,000 --> 00:00:02,500\r\nHello there\r\nyou\r\n\r\n2\r\n00:00:03,000 --> 00:01:04,000\r\nGood bye\r\n"

func quoted(s string) string {
	return `"` + strings.NewReplacer("\n", `\n`, "\r", `\r`, `"`, `\"`).Replace(s) + `"`
}

func translate(srt string) string {
	return `{"srtContent":` + quoted(srt) + `,"sourceLanguage":"en-US","targetLanguage":"es-ES"}`
}

type job struct {
	JobID    string  `json:"jobId"`
	Status   string  `json:"status"`
	Product  string  `json:"apiProduct"`
	Cost     float64 `json:"cost"`
	Words    int     `json:"wordCount"`
	Duration float64 `json:"duration"`
	Error    *struct{ Code, Message string }
	Outputs  []struct {
		URL  string `json:"url"`
		Size int    `json:"sizeBytes"`
	} `json:"outputs"`
}

func begin(s *sandboxtest.Server, as, product, body string) string {
	s.Helper()
	r := s.Call(as, "POST", "/v1/"+product, body)
	j := sandboxtest.Decode[job](s.T, r)
	if r.Status != 202 || j.Status != "pending" || !strings.HasPrefix(j.JobID, "job_") {
		s.Fatalf("%d %s", r.Status, r.Body)
	}
	return j.JobID
}

func read(s *sandboxtest.Server, id string) job {
	s.Helper()
	return sandboxtest.Decode[job](s.T, s.Call("valid", "GET", "/v1/jobs/"+id, ""))
}

// Subtitles are read, counted, and come out in their times.
func TestTranslate(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	id := begin(s, "valid", "translate", translate(subtitles))
	for _, want := range []string{"created", "translating", "translated"} {
		if j := read(s, id); j.Status != want || j.Product != "translate" {
			t.Errorf("%+v, want %s", j, want)
		}
		s.Forward(time.Second)
	}
	if j := read(s, id); j.Words != 5 || j.Duration != 64 || j.Cost != 1 {
		t.Errorf("%+v", j)
	}
	out := sandboxtest.Decode[job](t, s.Call("valid", "GET", "/v1/jobs/"+id+"/result", "")).Outputs
	if len(out) != 1 {
		t.Fatalf("%+v", out)
	}
	const want = "1\n00:00:01,000 --> 00:00:02,500\n[es-ES] Hello there\n[es-ES] you\n\n2\n00:00:03,000 --> 00:01:04,000\n[es-ES] Good bye\n\n"
	if r := s.Call("", "GET", out[0].URL, ""); r.Body != want || out[0].Size != len(want) {
		t.Errorf("%d %q", r.Status, r.Body)
	}
	if r := s.Call("", "GET", strings.Replace(out[0].URL, "signature=", "signature=0", 1), ""); r.Status != 403 {
		t.Errorf("another signature: %d", r.Status)
	}
	s.Forward(time.Hour)
	if r := s.Call("", "GET", out[0].URL, ""); r.Status != 403 {
		t.Errorf("an hour later: %d", r.Status)
	}
}

func TestChains(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	const media = `"mediaUrl":"https://media.example/talk.mp4"`
	for product, tc := range map[string]struct{ body, want string }{
		"transcribe": {`{` + media + `,"sourceLanguage":"en-US"}`, "transcribing transcribed"},
		"translate":  {`{` + media + `,"sourceLanguage":"en-US","targetLanguage":"de-DE"}`, "transcribing transcribed translating translated"},
		"voiceover":  {`{` + media + `,"srtContent":` + quoted(subtitles) + `,"targetLanguage":"de-DE"}`, "dubbing dubbed merging merged"},
		"dub":        {`{` + media + `,"sourceLanguage":"en-US","targetLanguage":"de-DE"}`, "transcribing transcribed translating translated dubbing dubbed merging merged"},
	} {
		id := begin(s, "valid", product, tc.body)
		var went []string
		for range strings.FieldsSeq(tc.want) {
			s.Forward(time.Second)
			went = append(went, read(s, id).Status)
		}
		if got := strings.Join(went, " "); got != tc.want {
			t.Errorf("%s: %s, want %s", product, got, tc.want)
		}
		s.Forward(time.Second)
		if r := s.Call("valid", "GET", "/v1/jobs/"+id+"/result", ""); r.Status != 200 {
			t.Errorf("%s: %d %s", product, r.Status, r.Body)
		}
	}
}

// What a product does not know is no concern of it, whatever it is.
func TestOtherMembers(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	begin(s, "valid", "dub", `{"mediaUrl":"https://media.example/a.mp4","sourceLanguage":"en-US","targetLanguage":"de-DE","srtUrl":7,"more":{}}`)
}

// A broken file is found by the worker, and told where it is broken.
func TestBrokenSubtitles(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	id := begin(s, "valid", "translate", translate("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03 --> 00:00:04\nBye\n"))
	s.Forward(2 * time.Second)
	j := read(s, id)
	if j.Status != "failed" || j.Error == nil || j.Error.Code != "PROCESSING_FAILED" || !strings.HasPrefix(j.Error.Message, "line 6:") {
		t.Errorf("%+v %+v", j, j.Error)
	}
	s.Expect(500, "PROCESSING_FAILED", "valid", "GET", "/v1/jobs/"+id+"/result", "")
}

// A minimum for each job, and a cent for each ten words that are given; never
// more than there is, however many ask at once.
func TestFunds(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	balance := func(as string) string { return s.Call(as, "GET", "/v1/balance", "").Body }
	long := strings.Repeat("ten words of text that cost a cent for all ", 20)
	begin(s, "valid", "translate", translate(long))
	if got := balance("valid"); !strings.Contains(got, `"balanceUsd":98.8,`) {
		t.Errorf("after a long one: %s", got)
	}
	s.Call("broke", "POST", "/v1/balance/top-ups", `{"amountUsd":2.5}`)
	var let int
	for range 4 {
		if r := s.Call("broke", "POST", "/v1/translate", translate("x")); r.Status == 202 {
			let++
		} else {
			s.Check(r, 400, "INSUFFICIENT_BALANCE")
		}
	}
	if got := balance("broke"); let != 2 || !strings.Contains(got, `"balanceUsd":0.5,`) {
		t.Errorf("%d were let in, %s", let, got)
	}
	// Who is refused by the schema has not paid.
	s.Call("valid", "POST", "/v1/translate", `{}`)
	if got := balance("valid"); !strings.Contains(got, `"balanceUsd":98.8,`) {
		t.Errorf("a refused call cost something: %s", got)
	}
}

func TestClientsAndKeys(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	client := sandboxtest.Decode[struct {
		ID string `json:"clientId"`
	}](t, s.Call("valid", "POST", "/v1/clients", `{"name":"Studio"}`)).ID
	made := sandboxtest.Decode[struct {
		ID  string `json:"keyId"`
		Key string `json:"apiKey"`
	}](t, s.Call("valid", "POST", "/v1/clients/"+client+"/api-keys", `{"name":"farm","permissions":["jobs:read","balance:read"]}`))
	if r := s.Call(made.Key, "GET", "/v1/jobs", ""); r.Status != 200 {
		t.Fatalf("the new key: %d %s", r.Status, r.Body)
	}
	s.Expect(403, "INSUFFICIENT_PERMISSIONS", made.Key, "POST", "/v1/translate", translate("x"))
	s.Expect(403, "INSUFFICIENT_PERMISSIONS", "read_only", "POST", "/v1/clients/org_main/api-keys", `{"name":"k","permissions":["jobs:write"]}`)
	s.Expect(403, "AUTHORIZATION_FAILED", "other", "POST", "/v1/clients/"+client+"/api-keys", `{"name":"k","permissions":[]}`)
	s.Expect(403, "AUTHORIZATION_FAILED", "other", "DELETE", "/v1/api-keys/"+made.ID, "")
	s.Call("valid", "PATCH", "/v1/clients/"+client, `{"status":"suspended"}`)
	s.Expect(403, "SUSPENDED_ACCOUNT", made.Key, "GET", "/v1/jobs", "")
	s.Call("valid", "PATCH", "/v1/clients/"+client, `{"status":"active"}`)
	if r := s.Call("valid", "DELETE", "/v1/api-keys/"+made.ID, ""); r.Status != 204 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	s.Expect(401, "REVOKED_API_KEY", made.Key, "GET", "/v1/jobs", "")
	s.Expect(404, "API_KEY_NOT_FOUND", "valid", "DELETE", "/v1/api-keys/"+made.ID, "")
	if r := s.Call("other", "GET", "/v1/clients", ""); strings.Contains(r.Body, client) || strings.Contains(r.Body, "org_main") {
		t.Errorf("another client sees %s", r.Body)
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	up := sandboxtest.Decode[struct{ UploadID, UploadURL, FileURL string }](t, s.Call("valid", "POST", "/v1/upload/init", "{}"))
	confirm := `{"uploadId":"` + up.UploadID + `"}`
	s.Expect(404, "RESOURCE_NOT_FOUND", "valid", "POST", "/v1/upload/confirm", confirm)
	request := `{"mediaUrl":"` + up.FileURL + `","sourceLanguage":"en-US"}`
	s.Expect(400, "INVALID_PARAMETER", "valid", "POST", "/v1/transcribe", request)
	if r, err := s.Try("", http.MethodPut, up.UploadURL, strings.NewReader("bytes"), "Content-Type", "video/mp4"); err != nil || r.Status != 200 {
		t.Fatalf("%v %+v", err, r)
	}
	if r := s.Call("valid", "POST", "/v1/upload/confirm", confirm); !strings.Contains(r.Body, `"sizeBytes":5`) {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	s.Expect(404, "RESOURCE_NOT_FOUND", "other", "POST", "/v1/upload/confirm", confirm)
	s.Expect(400, "INVALID_PARAMETER", "other", "POST", "/v1/transcribe", request)
	begin(s, "valid", "transcribe", request)
	s.Forward(time.Hour)
	if r, err := s.Try("", http.MethodPut, up.UploadURL, strings.NewReader("late")); err != nil || r.Status != 403 {
		t.Errorf("an hour later: %v %+v", err, r)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "jobs", sandbox.Options{})
	var ids []string
	for range 3 {
		ids = append(ids, begin(s, "valid", "translate", translate(subtitles)))
		s.Forward(time.Second)
	}
	begin(s, "other", "translate", translate(subtitles))
	for query, want := range map[string]string{
		"":                   ids[2] + " " + ids[1] + " " + ids[0],
		"?limit=1&offset=1":  ids[1],
		"?offset=9":          "",
		"?status=translated": ids[1] + " " + ids[0],
	} {
		var got []string
		for _, j := range sandboxtest.Decode[struct{ Jobs []job }](t, s.Call("valid", "GET", "/v1/jobs"+query, "")).Jobs {
			got = append(got, j.JobID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", query, got, want)
		}
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(clock func() time.Time) (store.Store, error) {
		return pebblestore.Open(dir, pebblestore.Options{Clock: clock})
	}
	var id, key string
	t.Run("before", func(t *testing.T) {
		s := sandboxtest.Start(t, "jobs", sandbox.Options{OpenStore: open})
		id, key = begin(s, "valid", "translate", translate(subtitles)), s.Key("valid")
		s.Forward(time.Second)
	})
	s := sandboxtest.Start(t, "jobs", sandbox.Options{OpenStore: open})
	if s.Key("valid") != key || read(s, id).Status != "translating" {
		t.Errorf("%+v", read(s, id))
	}
	s.Forward(time.Second)
	if j := read(s, id); j.Status != "translated" || !strings.Contains(s.Call("valid", "GET", "/v1/balance", "").Body, `"balanceUsd":99,`) {
		t.Errorf("%+v", j)
	}
}
