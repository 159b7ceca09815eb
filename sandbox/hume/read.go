package hume

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/failwell/failwell/sandbox/stand"
)

func (h *api) get(w http.ResponseWriter, r *http.Request) error {
	j, err := h.find(r)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, j.show())
}

// list is a bare array, newest first unless asked otherwise.
func (h *api) list(w http.ResponseWriter, r *http.Request) error {
	mine := stand.Collection[job]{Store: h.Store, Prefix: h.jobs().Prefix + h.Account(r) + "/"}
	all, err := mine.All(r.Context())
	if err != nil {
		return err
	}
	query := r.URL.Query()
	at, err := strconv.ParseInt(query.Get("timestamp_ms"), 10, 64)
	if err != nil {
		at = h.now()
	}
	all = slices.DeleteFunc(all, func(j job) bool {
		if wanted := query["status"]; len(wanted) > 0 && !slices.Contains(wanted, j.Status) {
			return true
		}
		switch query.Get("when") {
		case "created_before":
			return j.Created >= at
		case "created_after":
			return j.Created <= at
		}
		return false
	})
	by := func(j *job) int64 {
		switch query.Get("sort_by") {
		case "started":
			return j.Started
		case "ended":
			return j.Ended
		}
		return j.Created
	}
	slices.SortStableFunc(all, func(a, b job) int {
		order := cmp.Or(cmp.Compare(by(&a), by(&b)), cmp.Compare(a.ID, b.ID))
		if query.Get("direction") == "asc" {
			return order
		}
		return -order
	})
	shown := make([]map[string]any, 0, len(all))
	for i := range all[:min(len(all), stand.Number(query, "limit", 50))] {
		shown = append(shown, all[i].show())
	}
	return stand.WriteJSON(w, http.StatusOK, shown)
}
