package failwell_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/builtin"
)

// A redirect may lead anywhere; the key in the API's own header does not go along.
func TestKeyStaysAtHome(t *testing.T) {
	t.Parallel()
	c, err := builtin.Get("hume") // its key is in X-Hume-Api-Key, or in Authorization
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan http.Header, 4)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		case "/here":
			http.Redirect(w, r, "/there", http.StatusFound)
		default:
			got <- r.Header
		}
	}))
	defer home.Close()
	client := &http.Client{Transport: &failwell.Transport{Contract: c}}
	for path, kept := range map[string]bool{"/away": false, "/here": true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, home.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Hume-Api-Key", "secret")
		req.Header.Set("Authorization", "Bearer secret")
		req.Header.Set("X-Trace", "1")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := <-got
		if has := h.Get("X-Hume-Api-Key") != "" || h.Get("Authorization") != ""; has != kept || h.Get("X-Trace") == "" {
			t.Errorf("%s: arrived with %v", path, h)
		}
	}
}
