package hume_test

import (
	"archive/zip"
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/sandboxtest"
	"github.com/failwell/failwell/sandbox"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/pebblestore"
)

const jobs = "/v0/batch/jobs"

type job struct {
	JobID   string `json:"job_id"`
	Request struct {
		Models map[string]any `json:"models"`
		Files  []struct {
			Filename    string `json:"filename"`
			ContentType string `json:"content_type"`
			MD5         string `json:"md5sum"`
		} `json:"files"`
	} `json:"request"`
	State struct {
		Status      string `json:"status"`
		Message     string `json:"message"`
		Created     int64  `json:"created_timestamp_ms"`
		Started     int64  `json:"started_timestamp_ms"`
		Ended       int64  `json:"ended_timestamp_ms"`
		Predictions int    `json:"num_predictions"`
		Errors      int    `json:"num_errors"`
	} `json:"state"`
}

type emotions []struct {
	Name  string  `json:"name"`
	Score float64 `json:"score"`
}

type found []struct {
	Source  map[string]string `json:"source"`
	Results struct {
		Predictions []struct {
			File   string `json:"file"`
			Models map[string]struct {
				Groups []struct {
					Predictions []struct {
						Text     string   `json:"text"`
						Emotions emotions `json:"emotions"`
					} `json:"predictions"`
				} `json:"grouped_predictions"`
			} `json:"models"`
		} `json:"predictions"`
		Errors []struct{ Message, File string } `json:"errors"`
	} `json:"results"`
}

// run starts a job and returns its id.
func run(s *sandboxtest.Server, as, body string) string {
	s.Helper()
	r := s.Call(as, "POST", jobs, body)
	id := sandboxtest.Decode[job](s.T, r).JobID
	if r.Status != 200 || id == "" {
		s.Fatalf("%d %s", r.Status, r.Body)
	}
	return id
}

func state(s *sandboxtest.Server, id string) job {
	s.Helper()
	return sandboxtest.Decode[job](s.T, s.Call("valid", "GET", jobs+"/"+id, ""))
}

// A job waits, runs, ends and is gone after its life, each at its instant.
func TestLifeOfAJob(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	id := run(s, "valid", `{"models":{"language":{},"face":{}},"text":["I am happy and glad.","It is broken."]}`)
	began := sandboxtest.Began().UnixMilli()
	if j := state(s, id); j.State.Status != "QUEUED" || j.State.Created != began || j.State.Started != 0 || j.Request.Files == nil {
		t.Errorf("at first: %+v", j)
	}
	s.Forward(time.Second)
	if j := state(s, id); j.State.Status != "IN_PROGRESS" || j.State.Started != began+1000 || j.State.Ended != 0 {
		t.Errorf("after a second: %+v", j)
	}
	s.Forward(time.Second)
	if j := state(s, id); j.State.Status != "COMPLETED" || j.State.Ended != began+2000 || j.State.Predictions != 2 || j.State.Errors != 0 {
		t.Errorf("after two: %+v", j)
	}
	r := s.Call("valid", "GET", jobs+"/"+id+"/predictions", "")
	got := sandboxtest.Decode[found](t, r)
	if len(got) != 2 || r.Header.Get("X-Sandbox-Synthetic") != "true" {
		t.Fatalf("%v %s", r.Header, r.Body)
	}
	if first := got[0].Results.Predictions[0]; first.File != "text_0.txt" || strongest(first.Models["language"].Groups[0].Predictions[0].Emotions) != "Joy" || len(first.Models) != 1 {
		t.Errorf("of the happy text: %+v", first)
	}
	if second := got[1].Results.Predictions[0]; strongest(second.Models["language"].Groups[0].Predictions[0].Emotions) != "Disappointment" {
		t.Errorf("of the other: %+v", second)
	}
	files := unzip(t, s.Call("valid", "GET", jobs+"/"+id+"/artifacts", ""))
	if len(files) != 4 || !strings.Contains(files["text-0/emotions.csv"], "Joy,") || !strings.Contains(files["text-1/predictions.json"], "Disappointment") {
		t.Errorf("artifacts: %v", files)
	}
	s.Forward(24*time.Hour - time.Millisecond)
	state(s, id)
	s.Forward(time.Millisecond)
	s.Expect(404, "not_found", "valid", "GET", jobs+"/"+id, "")
	s.Expect(404, "not_found", "valid", "GET", jobs+"/"+id+"/artifacts", "")
}

func strongest(all emotions) (name string) {
	score := -1.0
	for _, e := range all {
		if e.Score > score {
			name, score = e.Name, e.Score
		}
	}
	return name
}

func unzip(t *testing.T, r sandboxtest.Reply) map[string]string {
	t.Helper()
	if r.Status != 200 || r.Header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d %v %s", r.Status, r.Header, r.Body)
	}
	archive, err := zip.NewReader(strings.NewReader(r.Body), int64(len(r.Body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

type part struct{ name, filename, text string }

func form(t *testing.T, parts ...part) (body *bytes.Buffer, mediaType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		add := func(name, _ string) (io.Writer, error) { return w.CreateFormField(name) }
		if p.filename != "" {
			add = w.CreateFormFile
		}
		into, err := add(p.name, p.filename)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(into, p.text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (x upload) send(s *sandboxtest.Server) sandboxtest.Reply {
	s.Helper()
	body, mediaType := form(s.T, x...)
	r, err := s.Try("valid", "POST", jobs, body, "Content-Type", mediaType)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

type upload []part

// Files are hashed and read; one of several that cannot be read is told beside
// the others, and a job of which nothing can be read fails.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	r := upload{
		{"json", "", `{"models":{"language":{},"prosody":{}}}`}, {"file", "a.txt", "I am afraid"}, {"file", "b.mp3", "ID3\x03\x00\x00"}, {"file", "empty.txt", ""},
	}.send(s)
	id := sandboxtest.Decode[job](t, r).JobID
	s.Forward(time.Minute)
	j := state(s, id)
	if j.State.Status != "COMPLETED" || j.State.Predictions != 2 || j.State.Errors != 1 || len(j.Request.Files) != 3 {
		t.Fatalf("%+v", j)
	}
	if f := j.Request.Files[0]; f.Filename != "a.txt" || f.MD5 != "67ff924b861c16d022807c4464fda750" {
		t.Errorf("%+v", f)
	}
	got := sandboxtest.Decode[found](t, s.Call("valid", "GET", jobs+"/"+id+"/predictions", ""))
	if strongest(got[0].Results.Predictions[0].Models["language"].Groups[0].Predictions[0].Emotions) != "Fear" {
		t.Errorf("of the text: %+v", got[0])
	}
	if models := got[1].Results.Predictions[0].Models; len(models) != 1 || len(models["prosody"].Groups) != 1 {
		t.Errorf("of the sound: %+v", models)
	}
	if e := got[2].Results.Errors; len(e) != 1 || e[0].File != "empty.txt" || !strings.HasPrefix(e[0].Message, "E0200") {
		t.Errorf("of nothing: %+v", e)
	}
	failed := sandboxtest.Decode[job](t, upload{{"file", "bad.txt", "caf\xe9 in Latin-1"}}.send(s)).JobID
	s.Forward(time.Minute)
	if j := state(s, failed); j.State.Status != "FAILED" || !strings.HasPrefix(j.State.Message, "E0102") {
		t.Errorf("%+v", j.State)
	}
	s.Expect(409, "conflict", "valid", "GET", jobs+"/"+failed+"/predictions", "")
}

// An address on this machine is really fetched, another one is made up.
func TestAddresses(t *testing.T) {
	t.Parallel()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/calm.txt" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, "calm and quiet")
	}))
	defer origin.Close()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	id := run(s, "valid", `{"urls":["`+origin.URL+`/calm.txt","`+origin.URL+`/gone.txt","https://media.example/face.mp4"]}`)
	s.Forward(time.Minute)
	got := sandboxtest.Decode[found](t, s.Call("valid", "GET", jobs+"/"+id+"/predictions", ""))
	if strongest(got[0].Results.Predictions[0].Models["language"].Groups[0].Predictions[0].Emotions) != "Calmness" {
		t.Errorf("%+v", got[0])
	}
	if e := got[1].Results.Errors; len(e) != 1 || !strings.Contains(e[0].Message, "404") {
		t.Errorf("%+v", got[1])
	}
	if _, ok := got[2].Results.Predictions[0].Models["face"]; !ok {
		t.Errorf("%+v", got[2])
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, "hume", sandbox.Options{})
	var ids []string
	for range 3 {
		ids = append(ids, run(s, "valid", `{"text":["x"]}`))
		s.Forward(time.Second)
	}
	foreign := run(s, "other", `{"text":["x"]}`)
	for query, want := range map[string][]string{
		"":                               {ids[2], ids[1], ids[0]},
		"?limit=1":                       {ids[2]},
		"?direction=asc&sort_by=created": {ids[0], ids[1], ids[2]},
		"?status=IN_PROGRESS":            {ids[2]},
		"?status=IN_PROGRESS&status=COMPLETED&direction=asc":   {ids[0], ids[1], ids[2]},
		"?when=created_before&timestamp_ms=" + ms(time.Second): {ids[0]},
		"?when=created_after&timestamp_ms=" + ms(time.Second):  {ids[2]},
	} {
		var got []string
		for _, j := range sandboxtest.Decode[[]job](t, s.Call("valid", "GET", jobs+query, "")) {
			got = append(got, j.JobID)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	for _, path := range []string{"", "/predictions", "/artifacts"} {
		s.Expect(404, "not_found", "valid", "GET", jobs+"/"+foreign+path, "")
	}
}

func ms(d time.Duration) string {
	return strconv.FormatInt(sandboxtest.Began().Add(d).UnixMilli(), 10)
}

// With a store of its own everything goes on after a restart, what falls due too.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(clock func() time.Time) (store.Store, error) {
		return pebblestore.Open(dir, pebblestore.Options{Clock: clock})
	}
	var id, key string
	t.Run("before", func(t *testing.T) {
		s := sandboxtest.Start(t, "hume", sandbox.Options{OpenStore: open})
		id, key = run(s, "valid", `{"text":["glad"]}`), s.Key("valid")
		s.Forward(time.Second)
	})
	s := sandboxtest.Start(t, "hume", sandbox.Options{OpenStore: open})
	if s.Key("valid") != key {
		t.Error("the keys changed")
	}
	if j := state(s, id); j.State.Status != "IN_PROGRESS" {
		t.Errorf("%+v", j)
	}
	s.Forward(time.Second)
	if j := state(s, id); j.State.Status != "COMPLETED" {
		t.Errorf("%+v", j)
	}
}
