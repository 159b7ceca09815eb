package gateway

import (
	"net/http"

	"github.com/failwell/failwell"
)

// route is one operation of the admin API. The table of them is what is served,
// who may do it, what is written into the audit log, and what /openapi.json says.
type route struct {
	// pattern is a method and a path, as http.ServeMux has it.
	pattern string
	summary string
	// more is Optional: what the summary leaves open.
	more string
	// role is what a token must have; "" is for whoever reaches the listener.
	role Role
	// changes names the change for the audit log, for example "key.revoke"; "" for
	// what only reads.
	changes string
	query   []parameter
	header  []parameter
	// in and out are the zero values of the bodies; nil for none.
	in, out any
	// spared says that the body may be left out.
	spared bool
	// status of success; 0 means 200.
	status int
	// mediaType of out; "" means application/json.
	mediaType string
	handle    handler
}

type handler func(http.ResponseWriter, *http.Request) error

// parameter of an operation, in the words of OpenAPI.
type parameter struct {
	name, doc, kind string
	required        bool
}

var (
	pageParameters = []parameter{
		{name: "after", kind: "string", doc: "The id after which to go on: the last one of the page before."},
		{name: "limit", kind: "integer", doc: "How many at most, from 1 to 1000. Default 100."},
	}
	idempotencyKey = parameter{name: "Idempotency-Key", kind: "string", required: true, doc: "New for each payment, the same for its repetitions: it happens once."}
)

// all is the admin API.
func (a *admin) all() []route {
	all := []route{
		{pattern: "GET /healthz", summary: "Whether the process lives", out: map[string]string(nil), handle: a.health},
		{pattern: "GET /readyz", summary: "Whether the gateway should get requests", more: "503 with the same body when it should not.", out: Readiness{}, handle: a.ready},
		{pattern: "GET /metrics", summary: "Metrics for Prometheus", mediaType: "text/plain", handle: a.metrics},
		{pattern: "GET /openapi.json", summary: "This description", out: map[string]any(nil), handle: a.openAPI},
		{pattern: "GET /v1/status", summary: "How the gateway is", role: RoleRead, out: Status{}, handle: a.status},
		{pattern: "GET /v1/self", summary: "Who the token belongs to", role: RoleRead, out: Operator{}, handle: a.self},
	}
	for _, more := range [][]route{a.keyRoutes(), a.accountRoutes(), a.tokenRoutes(), a.auditRoutes(), a.recordRoutes()} {
		all = append(all, more...)
	}
	return all
}

// api serves the routes.
func (a *admin) api() http.Handler {
	mux := http.NewServeMux()
	for _, x := range a.all() {
		mux.Handle(x.pattern, a.guard.HandleFunc(a.admitted(x)))
	}
	return mux
}

// admitted puts before a route who may come in and, where it changes something,
// the audit log.
func (a *admin) admitted(x route) handler {
	if x.role == "" {
		return x.handle
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		by, err := a.authorize(r)
		if err != nil {
			return err
		}
		if x.changes != "" {
			return a.audited(w, r, by, x)
		}
		if !by.Role.may(x.role) {
			return failwell.FromCondition(failwell.PermissionDenied, nil)
		}
		return x.handle(w, r.WithContext(withOperator(r.Context(), by)))
	}
}

func (a *admin) metrics(w http.ResponseWriter, r *http.Request) error {
	a.scrape.ServeHTTP(w, r)
	return nil
}
