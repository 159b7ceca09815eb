package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// operator is who has signed in, as the admin API tells it.
type operator struct {
	Token string `json:"token"`
	Name  string `json:"name"`
	Role  string `json:"role"`
}

// Operates reports whether changes are offered.
func (o operator) Operates() bool { return o.Role == "operate" }

// session is somebody who has signed in.
type session struct {
	token    string
	operator operator
	csrf     string
	expires  time.Time

	mu      sync.Mutex
	notice  notice
	secrets map[string]string // by the id of the key or token; each is shown once
}

func (s *session) tell(bad bool, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice = notice{bad, text}
}

func (s *session) takeNotice() notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notice
	s.notice = notice{}
	return n
}

// keepSecret holds a new secret for the next page.
func (s *session) keepSecret(id, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets == nil {
		s.secrets = map[string]string{}
	}
	s.secrets[id] = secret
}

func (s *session) takeSecret(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret := s.secrets[id]
	delete(s.secrets, id)
	return secret
}

const (
	// sessionLife is a working day.
	sessionLife = 12 * time.Hour
	// inviteLife is the time to get from a terminal to a browser.
	inviteLife = 10 * time.Minute
	// maxSessions bounds the memory; the oldest one ends.
	maxSessions = 256
)

// sessions are kept in the process, under the hash of what the cookie holds. A
// restart signs everybody out.
type sessions struct {
	mu      sync.Mutex
	by      map[[sha256.Size]byte]*session
	invited map[[sha256.Size]byte]invitation
}

// invitation lets whoever has its word sign in with a token, once.
type invitation struct {
	token   string
	expires time.Time
}

func (s *sessions) add(made *session, now time.Time) (word string) {
	word = rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[[sha256.Size]byte]*session{}
	}
	var oldest [sha256.Size]byte
	for k, x := range s.by {
		if !now.Before(x.expires) {
			delete(s.by, k)
		} else if first := s.by[oldest]; first == nil || x.expires.Before(first.expires) {
			oldest = k
		}
	}
	if len(s.by) >= maxSessions {
		delete(s.by, oldest)
	}
	s.by[sha256.Sum256([]byte(word))] = made
	return word
}

// find returns the session of a request, or nil.
func (s *sessions) find(r *http.Request, now time.Time) *session {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.by[sha256.Sum256([]byte(cookie.Value))]
	if found == nil || !now.Before(found.expires) {
		return nil
	}
	return found
}

func (s *sessions) end(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, other := range s.by {
		if other == x {
			delete(s.by, k)
		}
	}
}

// cookieName has the port in it: browsers send cookies to every port of a host,
// and consoles of two gateways on one machine must not sign each other out.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "default"
	}
	return "failwell_console_" + port
}

func overTLS(r *http.Request) bool {
	// What a proxy in front says can only make the cookie stricter.
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // without TLS, as on loopback, a Secure cookie would not come back
		Name: name, Value: value, Path: Path, MaxAge: int(life.Seconds()), HttpOnly: true, Secure: overTLS(r), SameSite: http.SameSiteStrictMode,
	})
}

// Invite returns a path below which the bearer of a token may sign in with a
// browser, once and within ten minutes: the token itself stays out of the
// address.
func (c *Console) Invite(token string) (path string) {
	word := rand.Text() + rand.Text()
	now := c.now()
	c.sessions.mu.Lock()
	defer c.sessions.mu.Unlock()
	if c.sessions.invited == nil {
		c.sessions.invited = map[[sha256.Size]byte]invitation{}
	}
	for k, x := range c.sessions.invited {
		if !now.Before(x.expires) || len(c.sessions.invited) >= maxSessions {
			delete(c.sessions.invited, k)
		}
	}
	c.sessions.invited[sha256.Sum256([]byte(word))] = invitation{token, now.Add(inviteLife)}
	return Path + "sign-in?invitation=" + word
}

func (s *sessions) accept(word string, now time.Time) (token string, ok bool) {
	digest := sha256.Sum256([]byte(word))
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.invited[digest]
	delete(s.invited, digest)
	return x.token, ok && now.Before(x.expires)
}

// invite gives whoever has a token a link to sign in with: for a command that
// opens a browser.
func (c *Console) invite(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		c.fail(w, http.StatusUnauthorized, "key_missing", 0)
		return
	}
	if _, err := c.who(r, token); err != nil {
		c.fail(w, http.StatusUnauthorized, "key_unknown", 0)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, "{\"path\":%q}\n", c.Invite(token)) // the reader is gone when this fails
}

// sameOrigin tells requests of the console's own pages from those of others.
// Browsers say where a request comes from (Fetch Metadata); those that do not are
// asked for the Origin, which is "null" under our policy on referrers. Either way
// the session's own word is asked for besides.
func sameOrigin(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// who asks the admin API whose token it is.
func (c *Console) who(r *http.Request, token string) (operator, error) {
	var by operator
	err := c.ask(r, token, http.MethodGet, "/v1/self", nil, &by)
	return by, err
}

// signedIn lets in who has a session whose token still counts.
func (c *Console) signedIn(f func(*view) error, changes bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := c.sessions.find(r, c.now())
		if s == nil {
			c.askToSignIn(w, r)
			return
		}
		if _, err := c.who(r, s.token); err != nil {
			if e, ok := errors.AsType[*apiError](err); ok && e.Status == http.StatusUnauthorized {
				c.sessions.end(s)
				c.askToSignIn(w, r)
				return
			}
			c.refuse(w, r, http.StatusServiceUnavailable, "The gateway cannot check your token", err.Error())
			return
		}
		if changes {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(s.csrf)) != 1 {
				c.refuse(w, r, http.StatusForbidden, "This form has expired", "Go back, load the page again and repeat what you did.")
				return
			}
		}
		v := &view{s, w, r}
		if err := f(v); err != nil {
			c.failed(v, err) // the view holds the request, and that its context
		}
	}
}

// maxForm bounds what a form may send: a script of faults is the longest.
const maxForm = 512 << 10

// failed shows what a page could not be made of.
func (c *Console) failed(v *view, err error) {
	if e, ok := errors.AsType[*apiError](err); ok {
		c.refuse(v.w, v.r, e.Status, e.Title, e.Detail)
		return
	}
	if v.r.Context().Err() != nil {
		return // nobody waits for it
	}
	c.log().ErrorContext(v.r.Context(), "console", "path", v.r.URL.Path, "err", err)
	c.refuse(v.w, v.r, http.StatusInternalServerError, "This page could not be made", "The gateway's log says why.")
}

// askToSignIn also undoes what SameSite=Strict does to links: a browser that
// comes from another site sends no cookie, but a page of ours that it loads does.
func (c *Console) askToSignIn(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("HX-Request") != "" || r.Header.Get("Accept") == "text/event-stream":
		w.Header().Set("HX-Redirect", Path+"sign-in")
		c.fail(w, http.StatusUnauthorized, "key_missing", 0)
	case r.Method != http.MethodGet:
		c.refuse(w, r, http.StatusUnauthorized, "You are signed out", "Sign in again and repeat what you did.")
	case r.Header.Get("Sec-Fetch-Site") == "cross-site":
		c.hop(w, r.URL.RequestURI())
	default:
		http.Redirect(w, r, Path+"sign-in?"+url.Values{"to": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
	}
}

// hop sends the browser on from a page of ours.
func (c *Console) hop(w http.ResponseWriter, to string) {
	if err := c.render(w, http.StatusOK, "hop", "hop.html", to); err != nil {
		c.log().Error("console", "err", err)
	}
}

// signInView is the page for signing in.
type signInView struct {
	To, CSRF, Wrong, API string
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	wrong := ""
	if word := q.Get("invitation"); word != "" {
		if token, ok := c.sessions.accept(word, c.now()); ok {
			if by, err := c.who(r, token); err == nil {
				c.begin(w, r, token, by)
				c.hop(w, inside(q.Get("to")))
				return
			}
		}
		if c.sessions.find(r, c.now()) != nil {
			c.hop(w, Path) // the link was opened again
			return
		}
		wrong = "This link has been used, or is too old. Sign in with a token, or have a new link made with failwell console."
	}
	c.askFor(w, r, http.StatusOK, q.Get("to"), wrong)
}

// askFor shows the form. Its word lies in a cookie too, which no other site can
// set or read, so that nobody is signed in as somebody else.
func (c *Console) askFor(w http.ResponseWriter, r *http.Request, status int, to, wrong string) {
	word := rand.Text()
	setCookie(w, r, cookieName(r)+"_form", word, time.Hour)
	if err := c.render(w, status, "sign-in", "sign-in.html", signInView{To: inside(to), CSRF: word, Wrong: wrong, API: c.title()}); err != nil {
		c.log().Error("console", "err", err)
	}
}

// inside keeps an address within the console.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, Path) || strings.HasPrefix(u.Path, Path+"sign-in") || strings.Contains(u.Path, "..") {
		return Path
	}
	return u.RequestURI()
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	to := r.PostFormValue("to")
	cookie, err := r.Cookie(cookieName(r) + "_form")
	if err != nil || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(r.PostFormValue("csrf"))) != 1 {
		c.askFor(w, r, http.StatusForbidden, to, "The form has expired. Please try again.")
		return
	}
	token := strings.TrimSpace(r.PostFormValue("token"))
	by, err := c.who(r, token)
	if err != nil {
		status, wrong := http.StatusServiceUnavailable, "The gateway cannot check tokens at the moment."
		if e, ok := errors.AsType[*apiError](err); ok && e.Status == http.StatusUnauthorized {
			status, wrong = http.StatusUnauthorized, "No such token, or it has ended."
		}
		c.askFor(w, r, status, to, wrong)
		return
	}
	c.begin(w, r, token, by)
	http.Redirect(w, r, inside(to), http.StatusSeeOther) //nolint:gosec // inside keeps it below the console
}

func (c *Console) begin(w http.ResponseWriter, r *http.Request, token string, by operator) {
	now := c.now()
	word := c.sessions.add(&session{token: token, operator: by, csrf: rand.Text(), expires: now.Add(sessionLife)}, now)
	setCookie(w, r, cookieName(r), word, sessionLife)
	c.log().InfoContext(r.Context(), "signed in to the console", "token", by.Token, "name", by.Name, "role", by.Role, "from", r.RemoteAddr)
}

func (c *Console) signOut(v *view) error {
	c.sessions.end(v.session)
	setCookie(v.w, v.r, cookieName(v.r), "", -time.Second)
	http.Redirect(v.w, v.r, Path+"sign-in", http.StatusSeeOther)
	return nil
}
