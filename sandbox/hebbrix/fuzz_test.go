package hebbrix_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/sandbox"
)

// stranger sends bodies and asks that each ends in a success or in an error of
// the contract that is the caller's.
func stranger(f *testing.F, path, contentType string) {
	f.Helper()
	var calls atomic.Int64
	clock := func() time.Time { // so fast that no limit is met
		return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).Add(time.Duration(calls.Add(1)) * time.Minute)
	}
	s, err := sandbox.New(f.Context(), sandbox.Options{API: "hebbrix", Clock: clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+s.Keys()["plan_enterprise"])
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code < 300 {
			return
		}
		failure, ok := s.Contract().Decode(contract.Response{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}, clock())
		if w.Code >= 500 || !ok || !failure.Certain {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

func FuzzRemember(f *testing.F) {
	f.Add([]byte(`{"content":"Tea. Milk!","infer":true,"importance":0.5,"tags":["a"],"metadata":{"a":[1e400]}}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":"\ud800"}],"collection_id":"col_xyz","wait_for_index":true}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	stranger(f, "/v1/memories", "application/json")
}

func FuzzSearch(f *testing.F) {
	f.Add([]byte(`{"query":"tea \u0000 茶","limit":1e1,"search_type":"graph","filters":{"tags":["a"],"n":1.0}}`))
	stranger(f, "/v1/search", "application/json")
}

func FuzzUpload(f *testing.F) {
	const head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n"
	f.Add([]byte(head + "\r\na,b\n1,2\r\n--b--\r\n"))
	f.Add([]byte(head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ\r\n--b--\r\n"))
	f.Add([]byte(strings.Repeat(head+"\r\n\r\n", 100)))
	stranger(f, "/v1/documents/upload", "multipart/form-data; boundary=b")
}
