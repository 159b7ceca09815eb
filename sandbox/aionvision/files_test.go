package aionvision_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	data := picture(t, 1)
	sent := s.upload("valid", field("title", "Harbour"), field("tags", "blue, sea"), upload("harbour.png", data)).ok(t, http.StatusCreated)
	id := sent.text(t, "image_id")
	if got := s.used("org_main", "storage"); got != int64(len(data)) {
		t.Errorf("the storage holds %d bytes, the file has %d", got, len(data))
	}
	got := s.call("valid", "GET", "/user-files/"+id, "").ok(t, 200)
	if got.text(t, "title") != "Harbour" || got.text(t, "format") != "png" || got.text(t, "dimensions", "width") != "32" || !strings.Contains(got.text(t, "upload_description"), "blue") {
		t.Error(got.body)
	}
	s.call("valid", "DELETE", "/user-files/"+id, "").ok(t, 204)
	if got := s.used("org_main", "storage"); got != 0 {
		t.Errorf("the storage holds %d bytes after a delete", got)
	}
}
