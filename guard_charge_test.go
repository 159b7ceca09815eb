package failwell_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// TestHandlersCharge: what a handler charges is part of what its request takes.
func TestHandlersCharge(t *testing.T) {
	source := guardContract + `balances: {funds: {title: Funds}}
plans: {only: {quota: {jobs: 10/day}, storage: 1KB}}
`
	c, err := contract.Parse("charge.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	controller := &admission.Controller{Contract: c, Store: &store.Memory{}, StoreTimeout: time.Minute}
	key, _, err := controller.Keys().Create(t.Context(), admission.NewKey{Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := controller.Credit(t.Context(), "a", "funds", 100, ""); err != nil {
		t.Fatal(err)
	}
	g := &failwell.Guard{Contract: c, Admission: controller, Logger: slog.New(slog.DiscardHandler)}
	var late *http.Request
	var work func(context.Context) error
	handler := g.Wrap(g.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
		late = r
		if err := work(r.Context()); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	for _, x := range []struct {
		name               string
		work               func(context.Context) error
		status             int
		jobs, funds, bytes int64
	}{
		{"done", func(ctx context.Context) error {
			return errors.Join(failwell.Charge(ctx, "jobs", 3), failwell.Charge(ctx, "funds", 40), failwell.ChargeStorage(ctx, 600))
		}, http.StatusNoContent, 3, 60, 600},
		{"failed afterwards", func(ctx context.Context) error {
			return errors.Join(failwell.Charge(ctx, "funds", 40), failwell.ChargeStorage(ctx, 300), failwell.FromCondition(condition.Internal, nil))
		}, http.StatusInternalServerError, 3, 60, 600},
		{"too much of a quota", func(ctx context.Context) error { return failwell.Charge(ctx, "jobs", 8) }, http.StatusTooManyRequests, 3, 60, 600},
		{"too much of a balance", func(ctx context.Context) error { return failwell.Charge(ctx, "funds", 61) }, http.StatusForbidden, 3, 60, 600},
		{"a mistake in the program", func(ctx context.Context) error { return failwell.Charge(ctx, "founds", 1) }, http.StatusInternalServerError, 3, 60, 600},
		{"deleted", func(ctx context.Context) error { return failwell.ReleaseStorage(ctx, 500, "file 1") }, http.StatusNoContent, 3, 60, 100},
		{"deleted again", func(ctx context.Context) error { return failwell.ReleaseStorage(ctx, 500, "file 1") }, http.StatusNoContent, 3, 60, 100},
	} {
		work = x.work
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, request("GET", "/notes", "", "Authorization", "Bearer "+key))
		if rec.Code != x.status || strings.Contains(rec.Body.String(), "founds") {
			t.Errorf("%s: %d %s", x.name, rec.Code, rec.Body)
		}
		stands := map[string]int64{}
		usage, err := controller.Usage(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range usage {
			stands[u.Name] = u.Used
			if u.Name == "funds" {
				stands[u.Name] = u.Remaining
			}
		}
		if stands["jobs"] != x.jobs || stands["funds"] != x.funds || stands["storage"] != x.bytes {
			t.Errorf("%s: %v", x.name, stands)
		}
	}
	for name, ctx := range map[string]context.Context{"after the end": late.Context(), "no request": t.Context()} {
		if err := failwell.Charge(ctx, "funds", 1); !errors.Is(err, condition.Internal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// storing is an API whose one operation stores bodies of text, of which its
// account may keep 1 KB.
type storing struct {
	handler    http.Handler
	controller *admission.Controller
	key        string
}

func newStoring(t *testing.T, handle func(http.ResponseWriter, *http.Request) error) *storing {
	t.Helper()
	source := strings.Replace(guardContract, "errors:\n", "errors:\n  storage_full: {status: 413, is: [storage_exhausted], message: Full.}\n", 1) + `  POST /files: {id: files, stores: true, max_body: 500, media_types: [text/plain]}
plans: {only: {storage: 1KB}}
`
	c, err := contract.Parse("keep.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	controller := &admission.Controller{Contract: c, Store: &store.Memory{}, StoreTimeout: time.Minute}
	key, _, err := controller.Keys().Create(t.Context(), admission.NewKey{Account: "a"})
	if err != nil {
		t.Fatal(err)
	}
	g := &failwell.Guard{Contract: c, Admission: controller, Logger: slog.New(slog.DiscardHandler)}
	return &storing{g.Wrap(g.HandleFunc(handle)), controller, key}
}

// post sends a body and returns what is stored afterwards.
func (s *storing) post(t *testing.T, size int, announced bool) (w *httptest.ResponseRecorder, used int64) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/files", strings.NewReader(strings.Repeat("x", size)))
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "text/plain")
	if !announced {
		r.ContentLength = -1
	}
	w = httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	all, err := s.controller.Usage(t.Context(), "a")
	if err != nil || len(all) != 1 {
		t.Fatalf("usage %+v, %v", all, err)
	}
	return w, all[0].Used
}

// TestHandlersKeepPartOfABody: an operation that stores its body takes room for
// all of it, and keeps what its handler says.
func TestHandlersKeepPartOfABody(t *testing.T) {
	t.Parallel()
	var keep int64
	s := newStoring(t, func(w http.ResponseWriter, r *http.Request) error {
		if err := failwell.KeepStorage(r.Context(), keep); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	for _, x := range []struct {
		announced bool
		keep      int64
		status    int
		used      int64
	}{
		{true, 60, http.StatusNoContent, 60},
		{false, 7, http.StatusNoContent, 67},
		{true, 0, http.StatusNoContent, 67},
		{true, -1, http.StatusInternalServerError, 67},
	} {
		keep = x.keep
		if w, used := s.post(t, 100, x.announced); w.Code != x.status || used != x.used {
			t.Errorf("%+v: status %d %s, %d used", x, w.Code, w.Body, used)
		}
	}
}

// TestBodiesOfNoLengthAreMeasured: what is stored of a body whose length was not
// announced is its length, and it may take what room there is.
func TestBodiesOfNoLengthAreMeasured(t *testing.T) {
	t.Parallel()
	s := newStoring(t, func(w http.ResponseWriter, r *http.Request) error {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	for _, x := range []struct {
		what      string
		size      int
		announced bool
		status    int
		condition string
		used      int64
	}{
		{"short", 300, false, 204, "", 300},
		{"to the operation's end", 500, false, 204, "", 800},
		{"more than there is room for", 201, false, 413, "storage_full", 800},
		{"more than the operation takes", 501, false, 413, "storage_full", 800},
		{"all the room there is", 200, false, 204, "", 1000},
		{"no room at all", 1, false, 413, "storage_full", 1000},
		{"no room, announced", 1, true, 413, "storage_full", 1000},
		{"nothing", 0, true, 204, "", 1000},
	} {
		if w, used := s.post(t, x.size, x.announced); w.Code != x.status || !strings.Contains(w.Body.String(), x.condition) || used != x.used {
			t.Errorf("%s: status %d %s, %d used", x.what, w.Code, w.Body, used)
		}
	}
}
