package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/sandbox/fault"
	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// controls serves /_sandbox/: what there is, and what can be changed from outside.
// It fails as the API does.
func (s *Sandbox) controls() http.Handler {
	guard := &failwell.Guard{Contract: s.contract, Clock: s.clock.Now, Logger: s.logger}
	mux := http.NewServeMux()
	on := func(pattern string, h stand.Handler) { mux.Handle(pattern, guard.HandleFunc(h)) }
	on("GET /_sandbox/{$}", s.showPage)
	on("GET /_sandbox/page.css", s.showAsset("page.css", "text/css; charset=utf-8"))
	on("GET /_sandbox/page.js", s.showAsset("page.js", "text/javascript; charset=utf-8"))
	on("GET /_sandbox/state", s.showState)
	on("PUT /_sandbox/maintenance", s.setMaintenance)
	on("PUT /_sandbox/backend", s.setBackend)
	on("PUT /_sandbox/corrupt/{key...}", s.corrupt)
	on("GET /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) error {
		return stand.WriteJSON(w, http.StatusOK, s.faults.Script())
	})
	on("PUT /_sandbox/faults", s.setFaults)
	on("DELETE /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) error {
		return s.nothing(w, s.faults.Set(fault.Script{}))
	})
	on("GET /_sandbox/journal", s.showJournal)
	on("DELETE /_sandbox/journal", func(w http.ResponseWriter, _ *http.Request) error {
		s.journal.clear()
		return s.nothing(w, nil)
	})
	on("GET /_sandbox/events", s.streamJournal)
	on("GET /_sandbox/clock", s.showClock)
	on("POST /_sandbox/clock", s.setClock)
	on("POST /_sandbox/reset", func(w http.ResponseWriter, r *http.Request) error { return s.nothing(w, s.Reset(r.Context())) })
	on("/_sandbox/", func(http.ResponseWriter, *http.Request) error { return failwell.RouteUnknown })
	mux.Handle("GET /_sandbox", http.RedirectHandler("/_sandbox/", http.StatusMovedPermanently))
	return sameOrigin(guard, mux)
}

// sameOrigin keeps pages of other origins from steering the sandbox: browsers
// say where a request comes from (Fetch Metadata), programs do not.
func sameOrigin(g *failwell.Guard, next http.Handler) http.Handler {
	check := http.NewCrossOriginProtection()
	check.SetDenyHandler(g.HandleFunc(func(http.ResponseWriter, *http.Request) error {
		return failwell.FromCondition(failwell.PermissionDenied, errOrigin)
	}))
	return check.Handler(next)
}

var errOrigin = errors.New("a page of another origin wants to steer the sandbox")

func (*Sandbox) nothing(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (s *Sandbox) showState(w http.ResponseWriter, _ *http.Request) error {
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"api": s.contract.API, "base_path": s.base, "keys": s.Keys(), "maintenance": s.maintenance.Load(), "backend": s.backend.Mode(),
		"now": s.clock.Now().UTC(), "ahead_seconds": s.clock.Ahead().Seconds(),
	})
}

func (s *Sandbox) setMaintenance(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		On bool `json:"on"`
	}
	if err := readControl(r, &in); err != nil {
		return err
	}
	s.maintenance.Store(in.On)
	return s.nothing(w, nil)
}

func (s *Sandbox) setBackend(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Mode string `json:"mode"`
	}
	if err := readControl(r, &in); err != nil {
		return err
	}
	if err := s.backend.Set(in.Mode); err != nil {
		explain(w, err)
		return invalid("mode", err)
	}
	return s.nothing(w, nil)
}

// corrupt overwrites a record with bytes that are no record, as a failing disk might.
func (s *Sandbox) corrupt(w http.ResponseWriter, r *http.Request) error {
	key := "sandbox/" + r.PathValue("key")
	record, err := s.store.Get(r.Context(), key)
	if errors.Is(err, store.ErrAbsent) || errors.Is(err, store.ErrInvalid) {
		return stand.Missing("record", r.PathValue("key"))
	}
	if err != nil {
		return stand.StoreError(err)
	}
	_, err = s.store.Swap(r.Context(), record.Key, record.Version, []byte("\x00 not a record"), 0)
	return s.nothing(w, stand.StoreError(err))
}

func (s *Sandbox) setFaults(w http.ResponseWriter, r *http.Request) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	if err != nil {
		return err //nolint:wrapcheck // the guard says what it means
	}
	script, err := fault.Parse("faults", text, s.contract)
	if err != nil {
		explain(w, err)
		return invalid("faults", err)
	}
	return s.nothing(w, s.faults.Set(*script))
}

func (s *Sandbox) showJournal(w http.ResponseWriter, r *http.Request) error {
	after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		after = 0
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"entries": s.journal.list(after)})
}

// streamJournal sends each new entry as a server-sent event.
func (s *Sandbox) streamJournal(w http.ResponseWriter, r *http.Request) error {
	entries, leave := s.journal.listen()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	beat := time.NewTicker(15 * time.Second) // so that intermediaries keep the connection
	defer beat.Stop()
	for {
		if err := flush.Flush(); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-beat.C:
			_, _ = io.WriteString(w, ": still here\n\n")
		case e, open := <-entries:
			if !open {
				return nil
			}
			data, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("journal: %w", err)
			}
			_, _ = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Number, data)
		}
	}
}

func (s *Sandbox) showClock(w http.ResponseWriter, _ *http.Request) error {
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"now": s.clock.Now().UTC(), "ahead_seconds": s.clock.Ahead().Seconds()})
}

// setClock sets the clock forward and answers when what fell due is done.
func (s *Sandbox) setClock(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Advance string `json:"advance"`
	}
	if err := readControl(r, &in); err != nil {
		return err
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil || d < 0 || d > maxAdvance {
		return invalid("advance", fmt.Errorf("must be a duration such as 90s or 24h, up to %s", maxAdvance)) //nolint:err113 // told to the caller
	}
	if err := s.Advance(r.Context(), d); err != nil {
		if errors.Is(err, errSharedClock) {
			return failwell.FromCondition(failwell.ResourceConflict, err)
		}
		return err
	}
	return s.showClock(w, r)
}

const (
	// maxControlBody bounds what the control endpoints read.
	maxControlBody = 256 << 10
	// maxAdvance is how far one step of the clock can be: ten years.
	maxAdvance = 10 * 365 * 24 * time.Hour
)

// problemHeader says what is wrong with what a control was given: not every
// API's envelope has room for it.
const problemHeader = "X-Sandbox-Problem"

func explain(w http.ResponseWriter, err error) {
	w.Header().Set(problemHeader, strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " "))
}

func invalid(field string, err error) error {
	return failwell.FromCondition(failwell.ParameterInvalid, err).WithField(field, err.Error(), "enum")
}

func readControl(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxControlBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return failwell.FromCondition(failwell.FormatInvalid, err).WithField("body", err.Error(), "json")
	}
	return nil
}
