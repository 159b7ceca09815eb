package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

// AuditEntry is one change over the admin API, or the attempt.
type AuditEntry struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// By is who did it.
	By Operator `json:"by"`
	// Action is what was done, for example "key.revoke".
	Action string `json:"action"`
	// Target is the id of what was changed.
	Target string `json:"target,omitempty"`
	// Details are what was asked for; never a secret.
	Details map[string]string `json:"details,omitempty"`
	// Result is "done", "refused" (the caller's fault), "failed" (ours) or "begun":
	// the gateway ended before it could be said what became of it.
	Result string `json:"result"`
	// Condition says why it was refused or failed.
	Condition string `json:"condition,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// From is the address that the change came from.
	From string `json:"from,omitempty"`
}

type auditList struct {
	Entries []AuditEntry `json:"entries"`
}

const (
	// auditPrefix comes before a time that counts down, so that a scan shows the
	// latest entries first.
	auditPrefix = "admin/audit/"
	// auditKept is how long entries are kept: a year and a month, so that a yearly
	// review sees all of its year.
	auditKept = 396 * 24 * time.Hour

	resultBegun   = "begun"
	resultDone    = "done"
	resultRefused = "refused"
	resultFailed  = "failed"
)

func (a *admin) auditRoutes() []route {
	return []route{{
		pattern: "GET /v1/audit", summary: "Changes over this API, the latest first", role: RoleRead, query: pageParameters, out: auditList{}, handle: a.listAudit,
		more: "An entry is written before its change, so that there is no change without one, and says afterwards what became of it. Entries are kept for 396 days.",
	}}
}

type entryKey struct{}

// entryOf is the entry of the change that a request makes; nil elsewhere.
func entryOf(ctx context.Context) *AuditEntry {
	e, _ := ctx.Value(entryKey{}).(*AuditEntry)
	return e
}

// about notes what is changed, and pairs of names and values.
func (e *AuditEntry) about(target string, pairs ...string) {
	if e == nil {
		return
	}
	e.Target = cmp.Or(target, e.Target)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details[pairs[i]] = pairs[i+1]
	}
}

// audited makes a change between two writes of its entry.
func (a *admin) audited(w http.ResponseWriter, r *http.Request, by Operator, x route) error {
	now := a.gateway.config.now().UTC()
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	e := &AuditEntry{
		ID: fmt.Sprintf("%016x%s", math.MaxInt64-now.UnixNano(), strings.ToLower(rand.Text()[:8])), At: now, By: by,
		Action: x.changes, Target: r.PathValue("id"), Result: resultBegun, RequestID: failwell.RequestID(r.Context()), From: from,
	}
	version, err := a.keep(r.Context(), e, 0)
	if err != nil {
		return failwell.FromCondition(failwell.StorageFailed, fmt.Errorf("audit: nothing was changed: %w", err))
	}
	if by.Role.may(x.role) {
		ctx := withOperator(context.WithValue(r.Context(), entryKey{}, e), by)
		err = x.handle(w, r.WithContext(ctx))
	} else {
		err = failwell.FromCondition(failwell.PermissionDenied, nil)
	}
	e.conclude(err)
	// The caller may have left; what became of the change is noted all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readyPatience)
	defer cancel()
	if _, err := a.keep(ctx, e, version); err != nil {
		a.gateway.log.Error("an entry of the audit log stays begun", "id", e.ID, "action", e.Action, "result", e.Result, "err", err)
	}
	return err
}

func (e *AuditEntry) conclude(err error) {
	if e.Result = resultDone; err == nil {
		return
	}
	e.Result = resultFailed
	if told, ok := errors.AsType[*failwell.Error](err); ok {
		e.Condition = string(told.Condition)
		if known, ok := condition.Lookup(told.Condition); ok && known.Status < http.StatusInternalServerError {
			e.Result = resultRefused
		}
	}
}

func (a *admin) keep(ctx context.Context, e *AuditEntry, old store.Version) (store.Version, error) {
	value, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	return a.gateway.config.Store.Swap(ctx, auditPrefix+e.ID, old, value, auditKept)
}

func (a *admin) listAudit(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	if after != "" {
		after = auditPrefix + after
	}
	records, err := a.gateway.config.Store.Scan(r.Context(), auditPrefix, after, cmp.Or(limit, 100))
	if err != nil {
		return failwell.FromCondition(failwell.StorageFailed, err)
	}
	list := auditList{Entries: make([]AuditEntry, len(records))}
	for i, record := range records {
		if err := json.Unmarshal(record.Value, &list.Entries[i]); err != nil {
			return failwell.FromCondition(failwell.StorageFailed, fmt.Errorf("audit: an entry is damaged: %w", err))
		}
	}
	return answer(w, http.StatusOK, list)
}
