package builtin_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

func TestStatusTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		listed := map[int]bool{}
		for _, row := range d.Statuses {
			listed[row.Status] = true
			got, ok := c.Status(row.Status)
			if !ok || got.Beyond || got.Name != row.Name {
				t.Errorf("status %d: %q, beyond %v, want %q", row.Status, got.Name, got.Beyond, row.Name)
			}
			if len(got.Meanings) != max(row.Rows, 1) {
				t.Errorf("status %d: %d meanings, the document has %d rows", row.Status, len(got.Meanings), max(row.Rows, 1))
			}
		}
		for _, row := range c.Statuses {
			if row.Beyond == listed[row.Status] {
				t.Errorf("status %d: marked as beyond the document: %v", row.Status, row.Beyond)
			}
			if row.Status >= 400 && row.Code == nil {
				t.Errorf("status %d: no code stands for a bare answer", row.Status)
			}
		}
	})
}

func TestCodeTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		listed := map[string]bool{}
		for _, row := range d.Codes {
			listed[row.Code] = true
			code, ok := c.Code(row.Code)
			if !ok {
				t.Errorf("%s: not in the contract", row.Code)
				continue
			}
			if code.Error() != row.Code || code.Status != row.Status || code.Retry != row.Retry || row.Type != "" && code.Type != row.Type {
				t.Errorf("%s: sent as %q, %d, %s, type %q", row.Code, code.Error(), code.Status, code.Retry, code.Type)
			}
			for _, status := range row.Also {
				if !code.Allows(status) {
					t.Errorf("%s: not allowed under %d", row.Code, status)
				}
			}
			for _, name := range row.Params {
				if !slices.ContainsFunc(code.Params, func(x *contract.Param) bool { return x.Name == name }) {
					t.Errorf("%s: no parameter %s", row.Code, name)
				}
			}
		}
		for _, code := range c.Codes {
			if code.Wire != "" && code.Beyond == listed[code.Wire] {
				t.Errorf("%s: marked as beyond the document: %v", code.Name, code.Beyond)
			}
		}
	})
}

// sent reports whether the contract sends a response header under a status,
// and the form of its value.
func sent(c *contract.Contract, name string, status int) (yes bool, form string) {
	h := c.Headers
	switch name {
	case h.RequestID.Name:
		return h.RequestID.Documented, h.RequestID.Format
	case h.ProcessTime.Name:
		return true, h.ProcessTime.Unit
	case h.RetryAfter.Name:
		return h.RetryAfter.On.Holds(status), string(h.RetryAfter.Format)
	case h.RateLimit.Reset:
		return h.RateLimit.On.Holds(status), string(h.RateLimit.ResetFormat)
	case h.RateLimit.Limit, h.RateLimit.Remaining:
		return h.RateLimit.On.Holds(status), ""
	}
	return false, ""
}

func TestHeaderTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		for _, row := range d.Headers {
			for _, status := range row.On {
				if yes, form := sent(c, row.Name, status); !yes || form != row.Form {
					t.Errorf("%s on %d: sent %v as %q", row.Name, status, yes, form)
				}
			}
			for _, status := range row.NotOn {
				if yes, _ := sent(c, row.Name, status); yes {
					t.Errorf("%s is sent on %d", row.Name, status)
				}
			}
		}
		got, want := c.Idempotency, d.Idempotency
		if got.Header != want.Header || !slices.Equal(got.Methods, want.Methods) || got.Keep != want.Keep ||
			got.Replayed.Name != want.Replayed || got.Replayed.Value != want.Value {
			t.Errorf("idempotency: %+v, want %+v", got, want)
		}
		if diff := cmp.Diff(d.Auth, c.Auth.Schemes); diff != "" {
			t.Errorf("auth (-document +contract):\n%s", diff)
		}
	})
}

func TestConditionTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		for _, row := range d.Conditions {
			if code, status := c.For(row.Condition); code.Name != row.Code || status != row.Status {
				t.Errorf("%s: %s under %d, want %s under %d", row.Condition, code.Name, status, row.Code, row.Status)
			}
		}
	})
}

func TestRetryTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		r := c.Client
		if r.Attempts != d.Client.Attempts || r.Timeout != d.Client.Timeout || r.Network != d.Client.Network {
			t.Errorf("attempts %d, timeout %v, network %s", r.Attempts, r.Timeout, r.Network)
		}
		for _, status := range d.Client.Retried {
			if advice := c.RetryFor(nil, status); !advice.Retryable() {
				t.Errorf("%d is not repeated: %s", status, advice)
			}
		}
		for _, status := range d.Client.NotRetried {
			if advice := c.RetryFor(nil, status); advice.Retryable() {
				t.Errorf("%d is repeated: %s", status, advice)
			}
		}
		if len(d.Client.Waits) < 5 {
			t.Fatal("the waits of five retries belong here")
		}
		for n, want := range d.Client.Waits {
			if low, high := r.Backoff.Wait(n, 0), r.Backoff.Wait(n, 1); low != want.Low || high != want.High {
				t.Errorf("retry %d waits %v to %v, want %v to %v", n, low, high, want.Low, want.High)
			}
		}
		if !maps.Equal(r.DefaultWaits, d.Client.DefaultWaits) {
			t.Errorf("default waits %v, want %v", r.DefaultWaits, d.Client.DefaultWaits)
		}
		if r.Hints[0].Header != "Retry-After" {
			t.Errorf("%v is asked before Retry-After", r.Hints[0])
		}
	})
}

func TestClientTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		if len(c.Client.Classes) != len(d.Client.Classes) {
			t.Errorf("%d classes, want %d", len(c.Client.Classes), len(d.Client.Classes))
		}
		for _, class := range c.Client.Classes {
			want, ok := d.Client.Classes[class.Name]
			if !ok || class.Base != want.Base || !slices.Equal(class.Languages, want.Languages) {
				t.Errorf("class %s: %+v, want %+v", class.Name, class, want)
			}
			for _, status := range want.Statuses {
				if !slices.ContainsFunc(class.Statuses, func(r contract.StatusRange) bool { return r.Holds(status) }) {
					t.Errorf("class %s is not raised for %d", class.Name, status)
				}
			}
		}
		if len(d.Client.Log) > 0 && !slices.Equal(c.Client.Log, d.Client.Log) {
			t.Errorf("log %v, want %v", c.Client.Log, d.Client.Log)
		}
		if len(c.Client.Advice) == 0 {
			t.Error("no advice to callers")
		}
	})
}

func TestFriendlyTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		groups := map[string]int{}
		for i, group := range d.Friendly {
			for _, name := range group {
				f := contract.Failure{Message: "what the server said"}
				if name != "" {
					f.Code = c.MustCode(name)
				}
				text := c.FriendlyOf(&f)
				if other, seen := groups[text]; text == "" || seen && other != i {
					t.Errorf("%q of group %d: %q belongs to group %d", name, i, text, other)
				}
				groups[text] = i
			}
		}
		if len(groups) != len(d.Friendly) {
			t.Errorf("%d texts for %d groups", len(groups), len(d.Friendly))
		}
		for _, code := range c.Codes {
			if c.FriendlyOf(&contract.Failure{Code: code}) == "" {
				t.Errorf("%s: nothing to tell end users", code.Name)
			}
		}
		if c.FriendlyOf(&contract.Failure{}) == "" {
			t.Error("nothing to tell end users of an unknown code")
		}
	})
}

func TestScenarioTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		if len(c.Scenarios) != len(d.Scenarios) {
			t.Fatalf("%d scenarios, want %d", len(c.Scenarios), len(d.Scenarios))
		}
		for i, want := range d.Scenarios {
			got := c.Scenarios[i]
			if got.Method != want.Method || got.Path != want.Path || got.Body != want.Body || got.Times != want.Times ||
				got.Status != want.Status || got.Code != want.Code || !maps.Equal(got.Headers, want.Headers) {
				t.Errorf("%s: %+v, want %+v", got.Name, got, want)
			}
			if code := c.MustCode(want.Code); !code.Allows(want.Status) {
				t.Errorf("%s: %s is not sent under %d", got.Name, want.Code, want.Status)
			}
		}
	})
}

func TestPlanTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		for _, want := range d.Plans {
			got, ok := c.Plan(want.Plan)
			if !ok || len(got.Rates) != 1 {
				t.Errorf("plan %s: %+v", want.Plan, got)
				continue
			}
			rate := got.Rates[0]
			if rate.Limit != want.Limit || rate.Per != want.Per || want.Algorithm != "" && rate.Algorithm != want.Algorithm || want.Scope != "" && rate.Scope != want.Scope {
				t.Errorf("plan %s: rate %+v", want.Plan, rate)
			}
			if want.Price != "" && got.Price != want.Price || got.Credits != want.Credits || got.Storage != want.Storage || got.Concurrency != want.Concurrency {
				t.Errorf("plan %s: %+v, want %+v", want.Plan, got, want)
			}
			if !slices.Equal(got.Features, want.Features) || len(got.Quotas) != len(want.Quota) {
				t.Errorf("plan %s: features %v, quotas %v", want.Plan, got.Features, got.Quotas)
			}
			for _, q := range got.Quotas {
				if q.Amount != want.Quota[q.Name] || q.Per != "month" {
					t.Errorf("plan %s: quota %+v, want %d", want.Plan, q, want.Quota[q.Name])
				}
			}
		}
	})
}

// Every code says what it means, what causes it and what to do, and that is
// not one sentence three times.
func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, _ *tables) {
		t.Helper()
		for _, code := range c.Codes {
			texts := []string{code.Meaning, code.Cause, code.Remedy}
			slices.Sort(texts)
			if texts[0] == "" || len(slices.Compact(texts)) != 3 {
				t.Errorf("%s: %q", code.Name, texts)
			}
			if code.Retry == condition.RetryUnknown {
				t.Errorf("%s: no advice on retries", code.Name)
			}
		}
	})
}

// Exactly the operations of the table take what it says of quotas, balances,
// storage and concurrency.
func TestUseTable(t *testing.T) {
	t.Parallel()
	walk(t, func(t *testing.T, c *contract.Contract, d *tables) {
		t.Helper()
		got := map[string]string{}
		for _, o := range c.Operations {
			if len(o.Charges) > 0 || o.Slot || o.Stores {
				charges := map[string]int64{}
				for _, charge := range o.Charges {
					charges[charge.Name] = charge.Amount
				}
				got[o.ID] = fmt.Sprintf("%v slot %t stores %t", charges, o.Slot, o.Stores)
			}
		}
		want := map[string]string{}
		for _, use := range d.Uses {
			want[use.Operation] = fmt.Sprintf("%v slot %t stores %t", use.Charge, use.Slot, use.Stores)
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
