package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/store"
)

// Role is what the bearer of an admin token may do.
type Role string

// The roles.
const (
	// RoleRead sees everything and changes nothing.
	RoleRead Role = "read"
	// RoleOperate changes keys, accounts and tokens as well.
	RoleOperate Role = "operate"
)

func (r Role) may(what Role) bool { return r == RoleOperate || what == RoleRead && r == RoleRead }

// Operator is who calls the admin API.
type Operator struct {
	// Token is the id of the token, "local" for the one that the gateway left for
	// the user who runs it.
	Token string `json:"token"`
	Name  string `json:"name"`
	Role  Role   `json:"role"`
}

// AdminToken is what is known of a token of the admin API; its secret is told
// once.
type AdminToken struct {
	ID string `json:"id"`
	// Name is who or what bears it, for the audit log.
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
	// By is the name of whoever made it.
	By string `json:"by"`
	// Expires is zero for a token without an end.
	Expires time.Time `json:"expires,omitzero"`
}

type tokenRequest struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Expires time.Time `json:"expires,omitzero"`
}

type createdToken struct {
	Secret string     `json:"secret"`
	Token  AdminToken `json:"token"`
}

type tokenList struct {
	Tokens []AdminToken `json:"tokens"`
}

const (
	// tokenPrefix comes before the SHA-256 of a token, in the store.
	tokenPrefix = "admin/token/"
	// secretPrefix lets scanners for secrets recognise a token.
	secretPrefix = "fwadm_"
	maxTokenName = 100
	// maxTokens bounds a list that people look through.
	maxTokens = 1000
)

var localOperator = Operator{Token: "local", Name: "local", Role: RoleOperate}

func (a *admin) tokenRoutes() []route {
	return []route{
		{
			pattern: "GET /v1/tokens", summary: "Tokens of this API", role: RoleRead, out: tokenList{}, handle: a.listTokens,
			more: "The gateway's own, which it leaves in a file for the user who runs it, is not among them.",
		},
		{pattern: "POST /v1/tokens", summary: "Make a token", more: "Its secret is told this once.", role: RoleOperate, changes: "token.create", in: tokenRequest{}, out: createdToken{}, status: http.StatusCreated, handle: a.createToken},
		{pattern: "DELETE /v1/tokens/{id}", summary: "End a token", role: RoleOperate, changes: "token.revoke", out: AdminToken{}, handle: a.revokeToken},
	}
}

type operatorKey struct{}

func withOperator(ctx context.Context, by Operator) context.Context {
	return context.WithValue(ctx, operatorKey{}, by)
}

func operatorOf(ctx context.Context) Operator {
	by, _ := ctx.Value(operatorKey{}).(Operator)
	return by
}

// authorize finds out who calls. The local token needs no store.
func (a *admin) authorize(r *http.Request) (Operator, error) {
	sent := r.Header.Get("Authorization")
	const scheme = "Bearer "
	if len(sent) < len(scheme) || !strings.EqualFold(sent[:len(scheme)], scheme) {
		return Operator{}, failwell.FromCondition(failwell.KeyMissing, nil)
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(sent[len(scheme):])))
	if subtle.ConstantTimeCompare(digest[:], a.token[:]) == 1 {
		return localOperator, nil
	}
	token, _, err := a.loadToken(r.Context(), tokenPrefix+hex.EncodeToString(digest[:]))
	switch {
	case errors.Is(err, store.ErrAbsent):
		return Operator{}, failwell.FromCondition(failwell.KeyUnknown, nil)
	case err != nil:
		return Operator{}, failwell.FromCondition(failwell.Unavailable, err)
	case !token.Expires.IsZero() && !a.gateway.config.now().Before(token.Expires):
		return Operator{}, failwell.FromCondition(failwell.KeyExpired, nil)
	}
	return Operator{Token: token.ID, Name: token.Name, Role: token.Role}, nil
}

func (a *admin) loadToken(ctx context.Context, key string) (AdminToken, store.Version, error) {
	record, err := a.gateway.config.Store.Get(ctx, key)
	if err != nil {
		return AdminToken{}, 0, err
	}
	var token AdminToken
	if err := json.Unmarshal(record.Value, &token); err != nil {
		return AdminToken{}, 0, fmt.Errorf("a token of the admin API is damaged: %w", err)
	}
	return token, record.Version, nil
}

func (a *admin) self(w http.ResponseWriter, r *http.Request) error {
	return answer(w, http.StatusOK, operatorOf(r.Context()))
}

func (a *admin) createToken(w http.ResponseWriter, r *http.Request) error {
	var request tokenRequest
	if err := read(r, &request); err != nil {
		return err
	}
	now := a.gateway.config.now().UTC().Truncate(time.Millisecond)
	switch name := request.Name; {
	case strings.TrimSpace(name) == "" || len(name) > maxTokenName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid(fmt.Sprintf("name says who bears the token, in 1 to %d printable bytes", maxTokenName))
	case request.Role != RoleRead && request.Role != RoleOperate:
		return invalid("role is read or operate")
	case !request.Expires.IsZero() && !request.Expires.After(now):
		return invalid("expires lies in the past")
	}
	secret := secretPrefix + rand.Text() + rand.Text() // 260 bits
	digest := sha256.Sum256([]byte(secret))
	token := AdminToken{
		ID: "tok_" + strings.ToLower(rand.Text()[:16]), Name: request.Name, Role: request.Role, Created: now,
		Expires: request.Expires.UTC(), By: operatorOf(r.Context()).Name,
	}
	entryOf(r.Context()).about(token.ID, "name", token.Name, "role", string(token.Role))
	value, err := json.Marshal(token)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if _, err := a.gateway.config.Store.Swap(r.Context(), tokenPrefix+hex.EncodeToString(digest[:]), 0, value, 0); err != nil {
		return failwell.FromCondition(failwell.StorageFailed, err)
	}
	return answer(w, http.StatusCreated, createdToken{secret, token})
}

// tokens reads all tokens by their keys in the store.
func (a *admin) tokens(ctx context.Context) (map[string]AdminToken, error) {
	all := map[string]AdminToken{}
	for record, err := range store.All(ctx, a.gateway.config.Store, tokenPrefix, 0) {
		if err != nil {
			return nil, failwell.FromCondition(failwell.StorageFailed, err)
		}
		var token AdminToken
		if err := json.Unmarshal(record.Value, &token); err != nil {
			return nil, failwell.FromCondition(failwell.StorageFailed, err)
		}
		if all[record.Key] = token; len(all) >= maxTokens {
			break
		}
	}
	return all, nil
}

func (a *admin) listTokens(w http.ResponseWriter, r *http.Request) error {
	all, err := a.tokens(r.Context())
	if err != nil {
		return err
	}
	list := tokenList{Tokens: make([]AdminToken, 0, len(all))}
	for _, token := range all {
		list.Tokens = append(list.Tokens, token)
	}
	slices.SortFunc(list.Tokens, func(x, y AdminToken) int {
		return cmp.Or(x.Created.Compare(y.Created), strings.Compare(x.ID, y.ID))
	})
	return answer(w, http.StatusOK, list)
}

func (a *admin) revokeToken(w http.ResponseWriter, r *http.Request) error {
	all, err := a.tokens(r.Context())
	if err != nil {
		return err
	}
	for key, token := range all {
		if token.ID != r.PathValue("id") {
			continue
		}
		entryOf(r.Context()).about(token.ID, "name", token.Name)
		_, version, err := a.loadToken(r.Context(), key)
		if err == nil {
			err = a.gateway.config.Store.Delete(r.Context(), key, version)
		}
		if err != nil && !errors.Is(err, store.ErrAbsent) {
			return failwell.FromCondition(failwell.StorageFailed, err)
		}
		return answer(w, http.StatusOK, token)
	}
	return failwell.FromCondition(failwell.ResourceMissing, nil).With("resource_type", "token").With("resource_id", r.PathValue("id"))
}
