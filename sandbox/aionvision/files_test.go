package aionvision_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	data := picture(t, 1)
	sent := s.upload("valid", field("title", "Harbour"), field("tags", "blue, sea"), upload(`..\..\harbour.png`, data)).ok(t, http.StatusCreated)
	id := sent.text(t, "image_id")
	if got := s.used("org_main", "storage"); got != int64(len(data)) {
		t.Errorf("the storage holds %d bytes, the file has %d", got, len(data))
	}
	got := s.call("valid", "GET", "/user-files/"+id, "").ok(t, 200)
	if got.text(t, "title") != "Harbour" || got.text(t, "format") != "png" || got.text(t, "dimensions", "width") != "32" ||
		!strings.Contains(got.text(t, "upload_description"), "mostly blue") {
		t.Error(got.body)
	}
	got = s.call("valid", "PATCH", "/user-files/"+id, `{"title":"Port","tags":["red"]}`).ok(t, 200)
	if got.text(t, "title") != "Port" || got.text(t, "tags") != "[red]" {
		t.Error(got.body)
	}
	s.call("valid", "PATCH", "/user-files/"+id, `{}`).ok(t, 200)
	s.call("valid", "DELETE", "/user-files/"+id, "").ok(t, 204)
	if got := s.used("org_main", "storage"); got != 0 {
		t.Errorf("the storage holds %d bytes after a delete", got)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if got := s.call("valid", method, "/user-files/"+id, ""); got.status != 404 {
			t.Errorf("%s of a deleted file: %d", method, got.status)
		}
	}
	if n := s.records("digests/"); n != 0 {
		t.Errorf("%d digests of deleted files are left", n)
	}
	s.upload("valid", upload("again.png", data)).ok(t, http.StatusCreated) // its digest is free
	s.advance(2 * time.Hour)                                               // and the trace of the first one ends
	if got := s.used("org_main", "storage"); got != int64(len(data)) {
		t.Errorf("the storage holds %d bytes after the trace has ended, want %d", got, len(data))
	}
	if n := s.records("files/"); n != 1 {
		t.Errorf("%d records of files are left, want 1", n)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.upload("valid", upload("notes.txt", []byte("Ships in the harbour, é.\n"))).ok(t, 201)
	if got.text(t, "media_type") != "document" {
		t.Error(got.body)
	}
	s.upload("valid", upload("paper.pdf", []byte("%PDF-1.7\n%%EOF"))).ok(t, 201)
	s.upload("valid", upload("a.png", picture(t, 1)), field("auto_describe", "false")).ok(t, 201)
	list := s.call("valid", "GET", "/user-files?media_types=document", "").ok(t, 200)
	if list.text(t, "total_count") != "2" || strings.Contains(list.body, "a.png") {
		t.Error(list.body)
	}
	if list = s.call("valid", "GET", "/user-files?media_types=image", ""); !strings.Contains(list.body, `"upload_description":null`) {
		t.Errorf("no description was asked for: %s", list.body)
	}
}

// Pages show each file once, newest first, and nobody else's.
func TestPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 5 {
		s.upload("plan_enterprise", field("tags", fmt.Sprintf("all,n%d", i)), upload(fmt.Sprintf("%d.png", i), picture(t, i))).ok(t, 201)
		s.advance(time.Second)
	}
	var names []string
	for offset := 0; ; offset += 2 {
		page := s.call("plan_enterprise", "GET", fmt.Sprintf("/user-files?limit=2&offset=%d&tags=all", offset), "").ok(t, 200)
		files, ok := page.get(t, "files").([]any)
		if !ok || page.text(t, "total_count") != "5" {
			t.Fatal(page.body)
		}
		for _, f := range files {
			names = append(names, fmt.Sprint(f.(map[string]any)["filename"]))
		}
		if page.text(t, "has_more") != "true" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "4.png 3.png 2.png 1.png 0.png" {
		t.Errorf("the pages show %s", got)
	}
	if got := s.call("plan_enterprise", "GET", "/user-files?tags=n1,n3", ""); got.text(t, "total_count") != "2" {
		t.Error(got.body)
	}
	if got := s.call("plan_enterprise", "GET", "/user-files?offset=1000000000", ""); got.text(t, "files") != "[]" || got.text(t, "has_more") != "false" {
		t.Error(got.body)
	}
	if got := s.call("other", "GET", "/user-files", ""); got.text(t, "total_count") != "0" {
		t.Errorf("another account sees %s", got.body)
	}
}

// Of the same file sent several times at once, one is kept and the others are
// told which.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	s := start(t)
	data := picture(t, 7)
	var mu sync.Mutex
	var group sync.WaitGroup
	byStatus := map[int][]reply{}
	for i := range 8 {
		skip := field("skip_duplicates", fmt.Sprint(i%2 == 0))
		group.Go(func() {
			got := s.upload("plan_enterprise", skip, upload("same.png", data))
			mu.Lock()
			defer mu.Unlock()
			byStatus[got.status] = append(byStatus[got.status], got)
		})
	}
	group.Wait()
	if len(byStatus[201]) != 1 || len(byStatus[200])+len(byStatus[409]) != 7 || len(byStatus[200]) < 3 || len(byStatus[409]) < 3 {
		t.Fatalf("%d were stored, %d skipped, %d refused", len(byStatus[201]), len(byStatus[200]), len(byStatus[409]))
	}
	id := byStatus[201][0].text(t, "image_id")
	for _, got := range byStatus[200] {
		if got.text(t, "status") != "skipped" || got.text(t, "skipped_existing_image_id") != id {
			t.Error(got.body)
		}
	}
	for _, got := range byStatus[409] {
		if got.text(t, "error", "details", "existing_id") != id {
			t.Error(got.body)
		}
	}
	s.upload("other", upload("same.png", data)).ok(t, 201) // another account's files are no duplicates
	if got := s.call("plan_enterprise", "GET", "/user-files", ""); got.text(t, "total_count") != "1" {
		t.Error(got.body)
	}
}

// A delete and an upload of the same file, and two deletes, end in one state.
func TestClashingDeletes(t *testing.T) {
	t.Parallel()
	s := start(t)
	data := picture(t, 3)
	id := s.upload("plan_professional", upload("a.png", data)).ok(t, 201).text(t, "image_id")
	var group sync.WaitGroup
	gone := make(chan int, 6)
	for range cap(gone) {
		group.Go(func() { gone <- s.call("plan_professional", "DELETE", "/user-files/"+id, "").status })
	}
	group.Wait()
	close(gone)
	n := 0
	for status := range gone {
		if status == 204 {
			n++
		} else if status != 404 {
			t.Errorf("a delete at the same time: %d", status)
		}
	}
	if n != 1 || s.used("org_professional", "storage") != 0 {
		t.Errorf("%d deletes succeeded, the storage holds %d bytes", n, s.used("org_professional", "storage"))
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	made := s.call("valid", "POST", "/api-keys", `{"name":"importer","scopes":["read"],"metadata":{"a":[1]},"expires_at":"2026-11-03T09:00:00Z"}`).ok(t, 201)
	secret, id := made.text(t, "api_key"), made.text(t, "id")
	if !strings.HasPrefix(secret, made.text(t, "key_prefix")) {
		t.Error(made.body)
	}
	s.call(secret, "GET", "/user-files", "").ok(t, 200)
	if got := s.call(secret, "POST", "/api-keys", `{"name":"more"}`); got.status != 403 {
		t.Errorf("a key that may read makes keys: %d", got.status)
	}
	if got := s.call("other", "DELETE", "/api-keys/"+id, ""); got.status != 404 {
		t.Errorf("another account switches the key off: %d", got.status)
	}
	s.call("valid", "DELETE", "/api-keys/"+id, "").ok(t, 204)
	if got := s.call(secret, "GET", "/user-files", ""); got.failure.Code.Name != "DEACTIVATED_API_KEY" {
		t.Error(got.body)
	}
	if got := s.call("valid", "DELETE", "/api-keys/"+id, ""); got.status != 404 {
		t.Errorf("a key is switched off twice: %d", got.status)
	}
	short := s.call("valid", "POST", "/api-keys", `{"name":"short","expires_at":"2026-11-02T09:30:00Z"}`).ok(t, 201).text(t, "api_key")
	s.call(short, "GET", "/user-files", "").ok(t, 200)
	s.advance(time.Hour)
	if got := s.call(short, "GET", "/user-files", ""); got.failure.Code.Name != "EXPIRED_API_KEY" {
		t.Error(got.body)
	}
}

func TestChat(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.upload("valid", upload("harbour.png", picture(t, 1))).ok(t, 201)
	id := s.call("valid", "POST", "/chat/sessions", `{"title":"Pictures"}`).ok(t, 200).text(t, "session_id")
	got := s.call("valid", "POST", "/chat/sessions/"+id+"/messages", `{"message":"Which show a HARBOUR?"}`).ok(t, 200)
	if !strings.Contains(got.text(t, "content"), "1 of 1 files") || got.header.Get("X-Sandbox-Synthetic") == "" {
		t.Error(got.body)
	}
	got = s.call("valid", "POST", "/chat/sessions/"+id+"/messages", `{"message":"Which show lions?"}`).ok(t, 200)
	if !strings.Contains(got.text(t, "content"), "None of 1") {
		t.Error(got.body)
	}
	if got := s.call("valid", "GET", "/chat/sessions/"+id, ""); got.text(t, "session", "total_messages") != "4" {
		t.Error(got.body)
	}
	if got := s.call("other", "GET", "/chat/sessions/"+id, ""); got.status != 404 {
		t.Errorf("another account reads the conversation: %d", got.status)
	}
	if used := s.used("org_main", "chat_messages"); used != 2 {
		t.Errorf("%d messages were counted, want 2", used)
	}
}

// An upload that is cut off leaves nothing behind.
func TestCutUpload(t *testing.T) {
	t.Parallel()
	s := start(t)
	body, contentType := form(t, upload("a.png", picture(t, 1)))
	for name, sent := range map[string][]byte{"no end": body[:len(body)-20], "in the file": body[:len(body)/2], "nothing": {}} {
		r := s.request(t.Context(), "valid", "POST", uploadPath, bytes.NewReader(sent), "Content-Type", contentType)
		if got := s.do(r); got.status != 400 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if used := s.used("org_main", "storage") + s.used("org_main", "descriptions") + s.used("org_main", "concurrency"); used != 0 {
		t.Errorf("uploads that were cut off are counted: %d", used)
	}
	if n := s.records("files/") + s.records("digests/"); n != 0 {
		t.Errorf("%d records are left", n)
	}
}
