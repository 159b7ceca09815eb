package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// sandboxView is what goes wrong on purpose in the stand-in behind the gateway.
type sandboxView struct {
	Script  string
	Wrong   string
	Done    string
	Backend string
	URL     string
	Keys    map[string]string
}

// steer makes a call of the stand-in's controls.
func (c *Console) steer(ctx context.Context, method, path, body string) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "/_sandbox/"+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	r.Host = "localhost"
	out := &answer{header: http.Header{}}
	c.Sandbox.ServeHTTP(out, r)
	return out, nil
}

func (c *Console) sandbox(v *view) error { return c.showSandbox(v, http.StatusOK, sandboxView{}) }

func (c *Console) showSandbox(v *view, status int, page sandboxView) error {
	if c.Sandbox == nil {
		c.nothingHere(v.w, v.r)
		return nil
	}
	page.URL = c.SandboxURL
	if page.Script == "" {
		out, err := c.steer(v.r.Context(), http.MethodGet, "faults", "")
		if err != nil {
			return err
		}
		var script struct {
			Rules []json.RawMessage `json:"rules"`
		}
		if err := json.Unmarshal(out.body.Bytes(), &script); err != nil {
			return fmt.Errorf("console: the sandbox's faults: %w", err)
		}
		if len(script.Rules) > 0 {
			page.Script = pretty(out.body.String())
		}
	}
	out, err := c.steer(v.r.Context(), http.MethodGet, "state", "")
	if err != nil {
		return err
	}
	var state struct {
		Backend string            `json:"backend"`
		Keys    map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(out.body.Bytes(), &state); err != nil {
		return fmt.Errorf("console: the sandbox's state: %w", err)
	}
	page.Backend, page.Keys = state.Backend, state.Keys
	return c.show(v, status, "sandbox", "Sandbox", &page)
}

// changeSandbox is for those who may operate: the stand-in itself asks for no token.
func (c *Console) changeSandbox(v *view) error {
	if c.Sandbox == nil || !v.operator.Operates() {
		c.refuse(v.w, v.r, http.StatusForbidden, "You may only look", "Your token has the role read.")
		return nil
	}
	page := sandboxView{Done: "In force."}
	method, path, body := http.MethodPut, "faults", v.r.PostFormValue("script")
	switch v.r.PostFormValue("do") {
	case "clear":
		method, body, page.Done = http.MethodDelete, "", "Nothing goes wrong on purpose."
	case "backend":
		text, err := json.Marshal(map[string]string{"mode": v.r.PostFormValue("backend")})
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		path, body, page.Done = "backend", string(text), "The service behind the API is "+v.r.PostFormValue("backend")+"."
	}
	out, err := c.steer(v.r.Context(), method, path, body)
	if err != nil {
		return err
	}
	if out.status < 300 {
		return c.showSandbox(v, http.StatusOK, page)
	}
	page = sandboxView{Wrong: cmp.Or(out.header.Get("X-Sandbox-Problem"), "The sandbox does not accept that.")}
	if path == "faults" {
		page.Script = body
	}
	return c.showSandbox(v, http.StatusUnprocessableEntity, page)
}
