package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// entry is one of the audit log.
type entry struct {
	ID        string            `json:"id"`
	At        time.Time         `json:"at"`
	By        operator          `json:"by"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Details   map[string]string `json:"details"`
	Result    string            `json:"result"`
	Condition string            `json:"condition"`
	RequestID string            `json:"request_id"`
	From      string            `json:"from"`
}

// Link is the page of what was changed; "" where it has none.
func (e *entry) Link() string {
	switch kind, _, _ := strings.Cut(e.Action, "."); {
	case e.Target == "":
		return ""
	case kind == "key":
		return Path + "keys/" + url.PathEscape(e.Target)
	case kind == "account":
		return Path + "accounts/" + url.PathEscape(e.Target)
	}
	return ""
}

type auditView struct {
	Entries []entry
	Next    string
}

func (c *Console) audit(v *view) error {
	var page auditView
	var list struct {
		Entries []*entry `json:"entries"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, listPath("audit", v.r), nil, &list); err != nil {
		return err
	}
	for _, e := range list.Entries {
		page.Entries = append(page.Entries, *e)
	}
	if n := len(page.Entries); n == 100 {
		page.Next = page.Entries[n-1].ID
	}
	return c.show(v, http.StatusOK, "audit", "Audit log", &page)
}

// token is one of the admin API.
type token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

type tokensView struct {
	Tokens []token
	// New is a token that has just been made, with its secret.
	New    string
	Secret string
}

// newToken is where the secret of a new token lies for the next page.
const newToken = "token"

func (c *Console) tokens(v *view) error {
	var list struct {
		Tokens []token `json:"tokens"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, "/v1/tokens", nil, &list); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "tokens", "Tokens", &tokensView{Tokens: list.Tokens, Secret: v.takeSecret(newToken)})
}

func (c *Console) createToken(v *view) error {
	form := v.r.Form
	body := map[string]any{"name": strings.TrimSpace(form.Get("name")), "role": form.Get("role")}
	if life, err := time.ParseDuration(form.Get("lives")); err == nil && life > 0 {
		body["expires"] = c.now().Add(life).UTC()
	}
	var made struct {
		Secret string `json:"secret"`
	}
	if err := c.ask(v.r, v.token, http.MethodPost, "/v1/tokens", body, &made); err != nil {
		return c.told(v, err, Path+"tokens")
	}
	v.keepSecret(newToken, made.Secret)
	return back(v, Path+"tokens")
}

func (c *Console) revokeToken(v *view) error {
	if err := c.ask(v.r, v.token, http.MethodDelete, "/v1/tokens/"+url.PathEscape(v.r.PathValue("id")), nil, nil); err != nil {
		return c.told(v, err, Path+"tokens")
	}
	v.tell(false, "The token has ended.")
	return back(v, Path+"tokens")
}
