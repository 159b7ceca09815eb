package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/admission"
	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/store"
)

// as is a client with another token.
func as(c *gateway.AdminClient, token string) *gateway.AdminClient {
	other := *c
	other.Token = token
	return &other
}

// TestRoles: who reads sees all and changes nothing, and whose token has ended
// does neither.
func TestRoles(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	ctx := t.Context()
	if by, err := c.Self(ctx); err != nil || by != (gateway.Operator{Token: "local", Name: "local", Role: gateway.RoleOperate}) {
		t.Errorf("the local token is %+v %v", by, err)
	}
	reading, token, err := c.CreateToken(ctx, "support", gateway.RoleRead, time.Time{})
	if err != nil || token.By != "local" {
		t.Fatalf("%+v %v", token, err)
	}
	reader := as(c, reading)
	if by, err := reader.Self(ctx); err != nil || by.Name != "support" || by.Role != gateway.RoleRead || by.Token != token.ID {
		t.Errorf("%+v %v", by, err)
	}
	if _, err := reader.Status(ctx); err != nil {
		t.Errorf("reading the status: %v", err)
	}
	_, _, err = reader.CreateKey(ctx, admission.NewKey{Account: "acme"})
	if !errors.Is(err, failwell.PermissionDenied) {
		t.Errorf("a key made by who may read: %v", err)
	}
	if _, _, err := reader.CreateToken(ctx, "more", gateway.RoleOperate, time.Time{}); !errors.Is(err, failwell.PermissionDenied) {
		t.Errorf("a token made by who may read: %v", err)
	}
	operating, _, err := c.CreateToken(ctx, "deployer", gateway.RoleOperate, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	operator := as(c, operating)
	if _, _, err := operator.CreateKey(ctx, admission.NewKey{Account: "acme", Name: "made by deployer"}); err != nil {
		t.Errorf("who may operate: %v", err)
	}
	if all, err := reader.Tokens(ctx); err != nil || len(all) != 2 || all[0].Name != "support" {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := operator.RevokeToken(ctx, token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Self(ctx); !errors.Is(err, failwell.KeyUnknown) {
		t.Errorf("a token that has ended: %v", err)
	}
	if _, err := operator.RevokeToken(ctx, token.ID); !errors.Is(err, failwell.ResourceMissing) {
		t.Errorf("ending it once more: %v", err)
	}
	for name, bad := range map[string]func() error{
		"no name":  func() error { _, _, err := c.CreateToken(ctx, " ", gateway.RoleRead, time.Time{}); return err },
		"no role":  func() error { _, _, err := c.CreateToken(ctx, "x", "root", time.Time{}); return err },
		"too late": func() error { _, _, err := c.CreateToken(ctx, "x", gateway.RoleRead, time.Unix(1, 0)); return err },
		"control":  func() error { _, _, err := c.CreateToken(ctx, "x\x1b[31m", gateway.RoleRead, time.Time{}); return err },
	} {
		if err := bad(); !errors.Is(err, failwell.ValidationFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for r, err := range store.All(ctx, g.store, "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if text := r.Key + string(r.Value); strings.Contains(text, operating) || strings.Contains(text, reading[10:]) {
			t.Errorf("%s holds a part of a token", r.Key)
		}
	}
}

// TestAudit: each change has an entry that says who, what and with what result.
func TestAudit(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{})
	ctx := t.Context()
	reading, _, err := c.CreateToken(ctx, "support", gateway.RoleRead, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	secret, key, err := c.CreateKey(ctx, admission.NewKey{Account: "acme", Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := c.RotateKey(ctx, key.ID, time.Hour)
	if err != nil || rotated.Next.Account != "acme" || time.Until(rotated.Old.Expires) > time.Hour {
		t.Fatalf("%+v %v", rotated, err)
	}
	for _, k := range []string{secret, rotated.Secret} {
		if resp, body := g.get("/item", "X-Api-Key", k); resp.StatusCode != 200 {
			t.Errorf("within the overlap: %d %s", resp.StatusCode, body)
		}
	}
	_, _ = c.SetPlan(ctx, "acme", "huge")
	_, _ = as(c, reading).RevokeKey(ctx, key.ID)
	if _, err := c.RevokeKey(ctx, key.ID); err != nil {
		t.Fatal(err)
	}
	all, err := as(c, reading).Audit(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range slices.Backward(all) {
		got = append(got, strings.Join([]string{e.By.Name, e.Action, e.Target, e.Result, e.Condition}, " "))
		if e.RequestID == "" || e.From != "127.0.0.1" || time.Since(e.At) > time.Minute {
			t.Errorf("%+v", e)
		}
	}
	token := all[len(all)-1].Target
	want := []string{
		"local token.create " + token + " done ",
		"local key.create " + key.ID + " done ",
		"local key.rotate " + key.ID + " done ",
		"local account.change acme refused validation_failed",
		"support key.revoke " + key.ID + " refused permission_denied",
		"local key.revoke " + key.ID + " done ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if d := all[3].Details; d["new"] != rotated.Next.ID || d["overlap"] != "1h0m0s" {
		t.Errorf("details of the rotation: %v", d)
	}
	if text := fmt.Sprint(all); strings.Contains(text, secret) || strings.Contains(text, rotated.Secret) {
		t.Error("a secret is in the audit log")
	}
	older, err := c.Audit(ctx, all[1].ID, 2)
	if err != nil || len(older) != 2 || older[0].ID != all[2].ID {
		t.Errorf("the page after an entry: %+v %v", older, err)
	}
}

// TestNothingChangesUnseen: where no entry can be written, nothing is changed.
func TestNothingChangesUnseen(t *testing.T) {
	t.Parallel()
	s := &fullStore{Store: &store.Memory{}, of: "admin/audit/"}
	g := startAt(t, gateway.Settings{Contract: keyed, Admin: "127.0.0.1:0", Upstreams: []string{nobody(t)}}, s)
	g.waitReady()
	c, err := gateway.OpenAdmin("http://" + g.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.CreateKey(t.Context(), admission.NewKey{Account: "acme"}); !errors.Is(err, failwell.StorageFailed) {
		t.Errorf("%v", err)
	}
	if keys, err := c.Keys(t.Context(), ""); err != nil || len(keys) != 0 {
		t.Errorf("%+v %v", keys, err)
	}
}

// fullStore has no room for what begins with a prefix.
type fullStore struct {
	store.Store
	of string
}

func (s *fullStore) Swap(ctx context.Context, key string, old store.Version, value []byte, ttl time.Duration) (store.Version, error) {
	if strings.HasPrefix(key, s.of) {
		return 0, store.ErrUnavailable
	}
	return s.Store.Swap(ctx, key, old, value, ttl)
}

// TestOpenAPIOfAdmin calls every operation as its description says, and checks
// the answers against it.
func TestOpenAPIOfAdmin(t *testing.T) {
	t.Parallel()
	g, c := startWithAdmin(t, gateway.Settings{Contract: counted})
	g.do(g.request(http.MethodGet, "/nowhere", nil, "X-Request-Id", "acme")) // a record to look up
	if _, err := c.PutAccount(t.Context(), admission.Account{ID: "acme", State: admission.AccountActive}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Credit(t.Context(), "acme", "funds", 10, "first"); err != nil {
		t.Fatal(err)
	}
	resp, err := c.HTTP.Get(c.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for range 10 {
		again, err := c.HTTP.Get(c.URL + "/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		same, _ := io.ReadAll(again.Body)
		again.Body.Close()
		if !bytes.Equal(same, text) {
			t.Fatal("the description is another one each time")
		}
	}
	spec, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context(), openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Error(err)
	}
	bodies := map[string]string{
		"post-keys": `{"account":"acme"}`, "post-keys-import": `{"keys":[{"account":"acme","plain":"from-elsewhere"}]}`, "post-keys-id-rotate": `{"overlap":"1h"}`,
		"put-accounts-id": `{"id":"acme","state":"active"}`, "patch-accounts-id": `{"name":"Acme"}`, "post-tokens": `{"name":"x","role":"read"}`,
		"post-accounts-id-credit": `{"name":"funds","amount":5}`, "post-accounts-id-charge": `{"name":"funds","amount":1}`,
	}
	word := regexp.MustCompile(`^[a-z0-9-]+$`)
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Summary == "" || !word.MatchString(op.OperationID) {
				t.Errorf("%s %s: id %q, summary %q", method, path, op.OperationID, op.Summary)
			}
			if op.OperationID == "get-metrics" || strings.HasSuffix(op.OperationID, "-events") {
				continue // no JSON
			}
			id := "acme"
			switch {
			case strings.HasPrefix(path, "/v1/keys"):
				_, key, err := c.CreateKey(t.Context(), admission.NewKey{Account: "acme"})
				if err != nil {
					t.Fatal(err)
				}
				id = key.ID
			case strings.HasPrefix(path, "/v1/tokens"):
				_, token, err := c.CreateToken(t.Context(), "to end", gateway.RoleRead, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				id = token.ID
			}
			r, _ := http.NewRequestWithContext(t.Context(), method, c.URL+strings.ReplaceAll(path, "{id}", id), strings.NewReader(bodies[op.OperationID]))
			r.Header.Set("Authorization", "Bearer "+c.Token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "payment "+op.OperationID)
			resp, err := c.HTTP.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode >= 400 {
				t.Errorf("%s: %d %s", op.OperationID, resp.StatusCode, body)
			}
			at := &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: op}
			if err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
				RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: at},
				Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(strings.NewReader(string(body))),
			}); err != nil {
				t.Errorf("%s: %v\n%s", op.OperationID, err, body)
			}
		}
	}
}
