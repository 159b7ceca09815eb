package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failwell/failwell/record"
)

// key is what is shown of one, as /v1/keys has it.
type key struct {
	ID          string    `json:"id"`
	Start       string    `json:"start"`
	Name        string    `json:"name"`
	Account     string    `json:"account"`
	Environment string    `json:"environment"`
	Permissions []string  `json:"permissions"`
	State       string    `json:"state"`
	Imported    bool      `json:"imported"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	Revoked     time.Time `json:"revoked"`
}

// Standing includes the passing of time.
func (k *key) standing(now time.Time) string {
	if k.State == "active" && !k.Expires.IsZero() && !now.Before(k.Expires) {
		return "expired"
	}
	return k.State
}

// keyRow is a key in a list.
type keyRow struct {
	key

	Standing string
}

func (c *Console) rows(keys []key) []keyRow {
	rows := make([]keyRow, len(keys))
	for i, k := range keys {
		rows[i] = keyRow{k, k.standing(c.now())}
	}
	return rows
}

// pageSize is how many rows a list shows at a time.
const pageSize = "100"

func listPath(of string, r *http.Request, pairs ...string) string {
	return "/v1/" + of + "?" + queryOf(append(pairs, "after", r.URL.Query().Get("after"), "limit", pageSize))
}

// keysView is a page of keys, and the form for a new one.
type keysView struct {
	Keys         []keyRow
	Account      string
	Next         string
	Environments []string
	Permissions  []string
}

func (c *Console) keys(v *view) error {
	account := strings.TrimSpace(v.r.URL.Query().Get("account"))
	page := keysView{Account: account}
	var list struct {
		Keys []key `json:"keys"`
	}
	if err := c.ask(v.r, v.token, http.MethodGet, listPath("keys", v.r, "account", account), nil, &list); err != nil {
		return err
	}
	page.Keys = c.rows(list.Keys)
	if n := len(list.Keys); n == 100 {
		page.Next = list.Keys[n-1].ID
	}
	spec := c.Contract()
	page.Permissions = spec.Permissions
	for _, e := range spec.Auth.Key.Environments {
		page.Environments = append(page.Environments, e.Name)
	}
	return c.show(v, http.StatusOK, "keys", "Keys", &page)
}

// back sends the browser to a page after a change, so that loading it again
// repeats nothing.
func back(v *view, to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// told puts what the API has refused on the next page.
func (c *Console) told(v *view, err error, to string) error {
	v.tell(true, err.Error())
	return back(v, to)
}

func (c *Console) createKey(v *view) error {
	form := v.r.Form
	body := map[string]any{
		"account": strings.TrimSpace(form.Get("account")), "name": strings.TrimSpace(form.Get("name")), "environment": form.Get("environment"),
		"permissions": append([]string{}, form["permission"]...),
	}
	if days := form.Get("lives"); days != "" {
		life, err := time.ParseDuration(days)
		if err != nil || life <= 0 {
			v.tell(true, "A key lives for a time such as 720h.")
			return back(v, Path+"keys")
		}
		body["expires"] = c.now().Add(life).UTC()
	}
	var made struct {
		Secret string `json:"secret"`
		Key    key    `json:"key"`
	}
	if err := c.ask(v.r, v.token, http.MethodPost, "/v1/keys", body, &made); err != nil {
		return c.told(v, err, Path+"keys")
	}
	v.keepSecret(made.Key.ID, made.Secret)
	return back(v, Path+"keys/"+url.PathEscape(made.Key.ID))
}

// keyView is the page of a key.
type keyView struct {
	keyRow

	Secret string
	Kept   bool
	Limits []limitView
	Recent []record.Record
	// Shown is how many of its latest requests the limits are of.
	Shown int
}

// shownRequests is how many of the latest requests a chart of limits is of.
const shownRequests = 500

func (c *Console) key(v *view) error {
	id := v.r.PathValue("id")
	var k key
	if err := c.ask(v.r, v.token, http.MethodGet, "/v1/keys/"+url.PathEscape(id), nil, &k); err != nil {
		if notThere(err) {
			c.refuse(v.w, v.r, http.StatusNotFound, "No such key", "No key has the id "+cut(id, 80)+".")
			return nil
		}
		return err
	}
	page := keyView{keyRow: keyRow{k, k.standing(c.now())}, Secret: v.takeSecret(id), Kept: c.Records != nil}
	if c.Records != nil {
		found, err := c.Records.Search(v.r.Context(), record.Query{Key: k.ID, Limit: shownRequests})
		if err != nil {
			return err
		}
		page.Shown = len(found.Records)
		page.Limits, page.Recent = limitViews(found.Records), found.Records[:min(len(found.Records), 15)]
	}
	return c.show(v, http.StatusOK, "key", "Key "+k.Start+"…", &page)
}

// changeKey does what a button of a key's page says.
func (c *Console) changeKey(v *view) error {
	id, change := v.r.PathValue("id"), v.r.PathValue("change")
	here := Path + "keys/" + url.PathEscape(id)
	at := "/v1/keys/" + url.PathEscape(id) + "/" + change
	done := map[string]string{"revoke": "The key is revoked. That counts everywhere within a second.", "deactivate": "The key is switched off.", "reactivate": "The key is switched on."}
	switch change {
	case "revoke", "deactivate", "reactivate":
		if err := c.ask(v.r, v.token, http.MethodPost, at, nil, nil); err != nil {
			return c.told(v, err, here)
		}
		v.tell(false, done[change])
		return back(v, here)
	case "rotate":
		var made struct {
			Secret string `json:"secret"`
			Key    key    `json:"key"`
			Old    key    `json:"old"`
		}
		if err := c.ask(v.r, v.token, http.MethodPost, at, map[string]string{"overlap": v.r.PostFormValue("overlap")}, &made); err != nil {
			return c.told(v, err, here)
		}
		v.keepSecret(made.Key.ID, made.Secret)
		v.tell(false, "This key takes the place of "+made.Old.Start+"…, which works until "+made.Old.Expires.UTC().Format("2006-01-02 15:04")+" UTC.")
		return back(v, Path+"keys/"+url.PathEscape(made.Key.ID))
	}
	c.nothingHere(v.w, v.r)
	return nil
}
