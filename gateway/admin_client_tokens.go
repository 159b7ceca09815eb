package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/failwell/failwell/admission"
)

// RotateKey replaces a key by a new one; both work until the overlap is over.
// The secret is told this once.
func (c *AdminClient) RotateKey(ctx context.Context, id string, overlap time.Duration) (admission.Rotated, error) {
	var done rotatedKey
	err := c.call(ctx, http.MethodPost, "/v1/keys/"+url.PathEscape(id)+"/rotate", rotateRequest{Overlap: overlap.String()}, &done)
	return admission.Rotated{Secret: done.Secret, Next: done.Key, Old: done.Old}, err
}

// CreateToken makes a token of the admin API; a zero expires means no end. The
// secret is told this once.
func (c *AdminClient) CreateToken(ctx context.Context, name string, role Role, expires time.Time) (secret string, token AdminToken, err error) {
	var made createdToken
	err = c.call(ctx, http.MethodPost, "/v1/tokens", tokenRequest{name, role, expires}, &made)
	return made.Secret, made.Token, err
}

// Tokens lists the tokens of the admin API, as they were made.
func (c *AdminClient) Tokens(ctx context.Context) ([]AdminToken, error) {
	var list tokenList
	err := c.call(ctx, http.MethodGet, "/v1/tokens", nil, &list)
	return list.Tokens, err
}

// RevokeToken ends a token of the admin API.
func (c *AdminClient) RevokeToken(ctx context.Context, id string) (token AdminToken, err error) {
	err = c.call(ctx, http.MethodDelete, "/v1/tokens/"+url.PathEscape(id), nil, &token)
	return token, err
}

// Self tells who the client's token belongs to.
func (c *AdminClient) Self(ctx context.Context) (by Operator, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/self", nil, &by)
	return by, err
}

// Audit lists changes, the latest first, at most limit (0: 100) of them from
// after the entry with an id on.
func (c *AdminClient) Audit(ctx context.Context, after string, limit int) ([]AuditEntry, error) {
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var list auditList
	err := c.call(ctx, http.MethodGet, "/v1/audit?"+q.Encode(), nil, &list)
	return list.Entries, err
}

// Invitation is a path at the admin listener with which a browser is signed in
// to the console as the client is, once and within ten minutes.
func (c *AdminClient) Invitation(ctx context.Context) (path string, err error) {
	var made struct {
		Path string `json:"path"`
	}
	err = c.call(ctx, http.MethodPost, consolePath+"invitations", nil, &made)
	return made.Path, err
}
