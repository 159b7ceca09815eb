//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// deposit is what each account pays in at first.
const deposit = 1_000_000

// payIn pays into an account's balance.
func (p *process) payIn(ctx context.Context, account string) error {
	body := fmt.Sprintf(`{"name":"money","amount":%d}`, deposit)
	_, err := p.operate(ctx, http.MethodPost, "/v1/accounts/"+account+"/credit", body, "Idempotency-Key", "deposit-of-"+account)
	return err
}

// audit compares what accounts were charged with what was done for them. A
// charge stays where nobody knows whether the work was done, so with reject it
// may exceed the executions by the calls whose outcome is unknown and that
// never arrived. With reconcile the upstream has told, so nothing is left open;
// with reexecute a call is charged once, however often it was done. What the
// upstream has refused for good costs nothing: who died before it was given
// back has left that to the repetition which each call has had. Calls are settled
// after they were answered, so there is a little time for it.
func (c *campaign) audit(ctx context.Context, r *result) error {
	found := len(r.violations)
	for until := time.Now().Add(settled); ; {
		r.charged, r.worth, r.violations = 0, 0, r.violations[:found]
		if err := c.auditOnce(ctx, r); err != nil {
			return err
		}
		if len(r.violations) == found || time.Now().After(until) {
			return nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("crash: %w", context.Cause(ctx))
		}
	}
}

// settled is when everything that was answered is settled, on a machine that is busy.
const settled = 20 * time.Second

func (c *campaign) auditOnce(ctx context.Context, r *result) error {
	for _, account := range c.history.accounts {
		used, err := c.gateways[0].used(ctx, account)
		if err != nil {
			return err
		}
		for _, row := range []struct {
			policy        policy
			what          string
			charged, each int64
		}{
			{reject, "quota rejecting", used["rejecting"], 1},
			{reexecute, "quota reexecuting", used["reexecuting"], 1},
			{reconcile, "quota reconciling", used["reconciling"], 1},
			{reconcile, "balance money", deposit - used["money"], 2},
		} {
			of := spent{account, row.policy}
			least, most := row.each*int64(r.paid[of]), row.each*int64(r.paid[of]+r.doubtful[of])
			r.charged += row.charged
			r.worth += least
			if row.charged < least || row.charged > most {
				r.violations = append(r.violations, fmt.Sprintf("%s of %s: %d were charged, the work is worth %d to %d", row.what, account, row.charged, least, most))
			}
		}
	}
	return nil
}

// used reads how an account stands: what was used of a quota, what is left of a
// balance.
func (p *process) used(ctx context.Context, account string) (map[string]int64, error) {
	out, err := p.operate(ctx, http.MethodGet, "/v1/accounts/"+account+"/usage", "")
	if err != nil {
		return nil, err
	}
	var usage struct {
		Limits []struct {
			Name      string `json:"name"`
			Kind      string `json:"kind"`
			Used      int64  `json:"used"`
			Remaining int64  `json:"remaining"`
		} `json:"limits"`
	}
	if err := json.Unmarshal(out, &usage); err != nil {
		return nil, fmt.Errorf("crash: usage says %q: %w", out, err)
	}
	used := map[string]int64{}
	for _, l := range usage.Limits {
		used[l.Name] = l.Used
		if l.Kind == "balance" {
			used[l.Name] = l.Remaining
		}
	}
	return used, nil
}

// operate asks the admin listener, as an operator's script would.
func (p *process) operate(ctx context.Context, method, path, body string, header ...string) ([]byte, error) {
	address := strings.TrimPrefix(p.admin, "http://")
	token, err := os.ReadFile(filepath.Join(p.dir, "failwell", "admin-"+strings.ReplaceAll(address, ":", "_")+".token"))
	if err != nil {
		return nil, fmt.Errorf("crash: the admin token: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, p.admin+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("crash: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("crash: %w", err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("crash: %w", err)
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("crash: %s %s: %s: %s", method, path, resp.Status, out)
	}
	return out, nil
}
