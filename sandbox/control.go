package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell"
)

// switches are the causes that only an operator can bring about.
type switches struct {
	maintenance atomic.Bool
}

// maintenanceWait is what a caller is told to wait during maintenance.
const maintenanceWait = 30 * time.Second

func (s *switches) check() error {
	if s.maintenance.Load() {
		return failwell.FromCondition(failwell.Unavailable, nil).WithRetryAfter(maintenanceWait)
	}
	return nil
}

// control serves /_sandbox/: the state of the stand-in and the switches.
func (s *Sandbox) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /_sandbox/state", s.guard.HandleFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return writeJSON(w, http.StatusOK, map[string]any{
			"api": s.contract.API, "base_path": s.base, "keys": s.keys,
			"maintenance": s.state.maintenance.Load(), "backend": s.backend.mode(),
		})
	}))
	mux.Handle("PUT /_sandbox/maintenance", s.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			On bool `json:"on"`
		}
		if err := readJSON(r, &in); err != nil {
			return err
		}
		s.state.maintenance.Store(in.On)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	mux.Handle("PUT /_sandbox/backend", s.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Mode string `json:"mode"`
		}
		if err := readJSON(r, &in); err != nil {
			return err
		}
		if err := s.backend.set(in.Mode); err != nil {
			return failwell.FromCondition(failwell.ParameterInvalid, err).WithField("mode", err.Error(), "enum")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	// Overwrites a record with bytes that are no record, as a failing disk might.
	mux.Handle("PUT /_sandbox/corrupt/{key...}", s.guard.HandleFunc(func(w http.ResponseWriter, r *http.Request) error {
		record, err := s.store.Get(r.Context(), recordPrefix+r.PathValue("key"))
		if err != nil {
			return failwell.FromCondition(failwell.ResourceMissing, err).With("resource_type", "record").With("resource_id", r.PathValue("key"))
		}
		if _, err := s.store.Swap(r.Context(), record.Key, record.Version, []byte("\x00 not a record"), 0); err != nil {
			return storeError(err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}))
	mux.Handle("/_sandbox/", s.guard.HandleFunc(func(http.ResponseWriter, *http.Request) error {
		return failwell.RouteUnknown
	}))
	return mux
}

// maxControlBody bounds what the control endpoints read.
const maxControlBody = 64 << 10

func readJSON(r *http.Request, into any) error {
	if err := json.NewDecoder(io.LimitReader(r.Body, maxControlBody)).Decode(into); err != nil {
		return failwell.FromCondition(failwell.FormatInvalid, err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err //nolint:wrapcheck // a value of ours that cannot be written is a bug; the type says which
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the caller is gone when this fails
	return nil
}
