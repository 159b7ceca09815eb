package admission

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/store"
)

const routes = `
  GET /open: {public: true}
  GET /busy: {public: true, rate: 2/min}
  GET /items: {permission: read}
  POST /items: {permission: write, cost: 5}
  POST /graph: {permission: write, feature: graph}
  POST /export: {feature: export}
  POST /slow: {rate: {name: slow, limit: 2, per: 1h}}
  POST /huge: {cost: 1000}
  POST /pair: {cost: 5, rate: 8/h}
`

// site is a Controller on a store in memory, with a clock to set.
type site struct {
	*Controller
	t     testing.TB
	clock *fakeClock
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, clock: newFakeClock()}
	s.Controller = &Controller{
		Contract: parseContract(t, routes), Clock: s.clock.Now,
		Store: &store.Memory{Clock: s.clock.Now},
		// No test may depend on how fast the machine is.
		StoreTimeout: time.Minute,
	}
	return s
}

func (s *site) call(credential, id string) Verdict {
	s.t.Helper()
	return s.from("", credential, id)
}

func (s *site) from(source, credential, id string) Verdict {
	s.t.Helper()
	call := Call{Credential: credential, Source: source}
	if id != "" {
		call.Operation = operation(s.t, s.Contract, id)
	}
	var v Verdict
	s.Admit(s.t.Context(), &call, &v)
	return v
}

func (s *site) create(n NewKey) (secret string, key Key) {
	s.t.Helper()
	if n.Account == "" {
		n.Account = "acct"
	}
	secret, key, err := s.Keys().Create(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret, key
}

func (s *site) put(a Account) {
	s.t.Helper()
	if err := s.Keys().PutAccount(s.t.Context(), a); err != nil {
		s.t.Fatal(err)
	}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestDisclosure goes through every state of key and account, twice: with the
// whole secret, which learns the state, and with any other one, which does not.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, keys := t.Context(), s.Keys()
	past := s.clock.Now().Add(-time.Second)
	for name, x := range map[string]struct {
		expires time.Time
		account AccountState
		change  func(id string) (Key, error)
		want    condition.Condition // "" when admitted
	}{
		"active":                {want: ""},
		"expires later":         {expires: s.clock.Now().Add(time.Hour), want: ""},
		"expired":               {expires: past, want: condition.KeyExpired},
		"expires now":           {expires: s.clock.Now(), want: condition.KeyExpired},
		"revoked":               {change: func(id string) (Key, error) { return keys.Revoke(ctx, id) }, want: condition.KeyRevoked},
		"expired and revoked":   {expires: past, change: func(id string) (Key, error) { return keys.Revoke(ctx, id) }, want: condition.KeyExpired},
		"deactivated":           {change: func(id string) (Key, error) { return keys.Deactivate(ctx, id) }, want: condition.KeyDeactivated},
		"suspended":             {account: AccountSuspended, want: condition.AccountSuspended},
		"unpaid":                {account: AccountUnpaid, want: condition.PaymentRequired},
		"revoked and suspended": {account: AccountSuspended, change: func(id string) (Key, error) { return keys.Revoke(ctx, id) }, want: condition.KeyRevoked},
	} {
		s.put(Account{ID: name, State: x.account})
		secret, key := s.create(NewKey{Account: name, Expires: x.expires})
		if v := s.call(secret, "GET /items"); !v.Admitted {
			if x.expires.IsZero() && x.account == "" {
				t.Errorf("%s: a new key got %s", name, v.Condition)
			}
		}
		if x.change != nil {
			must[Key](t)(x.change(key.ID))
		}
		v := s.call(secret, "GET /items")
		if v.Condition != x.want || v.Admitted != (x.want == "") || v.Cause != nil {
			t.Errorf("%s: %s %v, want %q", name, v.Condition, v.Cause, x.want)
		}
		if v.Key == nil || v.Key.ID != key.ID {
			t.Errorf("%s: the proven key is not in the verdict", name)
		}
		for wrong, credential := range map[string]string{
			"cut": secret[:len(secret)-1], "longer": secret + "0", "its hash": digestOf(secret).String(),
			"its start": key.Start, "its id": key.ID, "upper case": strings.ToUpper(secret),
		} {
			if v := s.call(credential, "GET /items"); v.Condition != condition.KeyMalformed || v.Key != nil || v.Account != nil {
				t.Errorf("%s, %s: %s %v", name, wrong, v.Condition, v.Key)
			}
		}
		stranger := must[string](t)(Mint(s.Contract.Auth.Key, "live", s.random()))
		if v := s.call(stranger, "GET /items"); v.Condition != condition.KeyUnknown || v.Key != nil {
			t.Errorf("%s, another key: %s", name, v.Condition)
		}
	}
}

func TestKeyMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if v := s.call("", "GET /items"); v.Condition != condition.KeyMissing {
		t.Errorf("no key: %s", v.Condition)
	}
	if v := s.call("", ""); v.Condition != condition.KeyMissing {
		t.Errorf("no key where nothing is listed: %s", v.Condition)
	}
	var v Verdict
	if s.Admit(t.Context(), &Call{Misplaced: true}, &v); v.Condition != condition.KeyMalformed {
		t.Errorf("another scheme: %s", v.Condition)
	}
	for _, junk := range []string{"\x00", "\xff\xfe", strings.Repeat("acme_", 400_000), "acme_\n", "Bearer"} {
		if v := s.call(junk, "GET /items"); v.Condition != condition.KeyMalformed {
			t.Errorf("%.20q: %s", junk, v.Condition)
		}
	}
}

// TestNoLookupForTypos: without imports, a store that fails is not even asked.
func TestNoLookupForTypos(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("acme_typo", "GET /items") // learns that nothing was imported
	asked := &countingStore{Store: s.Store}
	s.Store = asked
	for range 10 {
		if v := s.call("acme_typo", "GET /items"); v.Condition != condition.KeyMalformed {
			t.Errorf("%s", v.Condition)
		}
	}
	if n := asked.gets.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

type countingStore struct {
	store.Store
	gets atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, key string) (store.Record, error) {
	s.gets.Add(1)
	return s.Store.Get(ctx, key)
}

// TestPublic: a public operation looks at no key.
func TestPublic(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Store = nil
	for _, credential := range []string{"", "junk", must[string](t)(Mint(s.Contract.Auth.Key, "live", s.random()))} {
		if v := s.call(credential, "GET /open"); !v.Admitted || v.Key != nil || v.Plan != nil || v.Limit.Rule != nil {
			t.Errorf("%q: %+v", credential, v)
		}
	}
	for i, want := range []bool{true, true, false} {
		if v := s.from("192.0.2.1", "", "GET /busy"); v.Admitted != want {
			t.Errorf("call %d: %+v", i, v)
		}
	}
	if v := s.from("192.0.2.2", "", "GET /busy"); !v.Admitted || v.Limit.Remaining != 1 {
		t.Errorf("another source: %+v", v)
	}
}

func TestPermissionAndFeature(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reader, _ := s.create(NewKey{Permissions: []string{"read"}})
	writer, _ := s.create(NewKey{})
	nobody, _ := s.create(NewKey{Permissions: []string{}})
	if v := s.call(reader, "GET /items"); !v.Admitted || v.Account.ID != "acct" || v.Plan.Name != "free" {
		t.Errorf("%+v", v)
	}
	want := []contract.Value{{Name: "permission", Data: "write"}}
	if v := s.call(reader, "POST /items"); v.Condition != condition.PermissionDenied || !cmp.Equal(v.Facts, want) || v.Limit.Remaining != 59 {
		t.Errorf("%+v", v)
	}
	if v := s.call(nobody, "GET /items"); v.Condition != condition.PermissionDenied {
		t.Errorf("no permissions: %s", v.Condition)
	}
	if v := s.call(reader, "POST /graph"); v.Condition != condition.PermissionDenied {
		t.Errorf("permission comes before feature: %s", v.Condition)
	}
	want = []contract.Value{
		{Name: "feature", Data: "graph"}, {Name: "feature_title", Data: "Knowledge graph"},
		{Name: "plan", Data: "free"}, {Name: "plan_title", Data: "Free"},
		{Name: "required_plan", Data: "pro"}, {Name: "required_plan_title", Data: "Pro"},
		{Name: "required_plan_price", Data: "$99/month"}, {Name: "required_plan_credits", Data: "200K/month"},
	}
	if v := s.call(writer, "POST /graph"); v.Condition != condition.FeatureUnavailable || !cmp.Equal(v.Facts, want) {
		t.Errorf("%+v", v)
	}
	want = []contract.Value{
		{Name: "feature", Data: "export"}, {Name: "feature_title", Data: "Export"},
		{Name: "plan", Data: "free"}, {Name: "plan_title", Data: "Free"},
		{Name: "required_plan", Data: "big"}, {Name: "required_plan_title", Data: "Big"},
	}
	if v := s.call(writer, "POST /export"); !cmp.Equal(v.Facts, want) {
		t.Errorf("%+v", v)
	}
	must[Account](t)(s.Keys().SetAccountPlan(t.Context(), "acct", "pro"))
	if v := s.call(writer, "POST /graph"); !v.Admitted || v.Plan.Name != "pro" {
		t.Errorf("after the upgrade: %+v", v)
	}
}

// TestLimitsOfACall: the tighter of plan and operation binds, its facts go out,
// nothing is charged for what is refused.
func TestLimitsOfACall(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	s.call(secret, "POST /slow")
	v := s.call(secret, "POST /slow")
	if !v.Admitted || v.Limit.Name != "slow" || v.Limit.Remaining != 0 || !v.Limit.Reset.Equal(s.clock.Now().Add(time.Hour)) {
		t.Fatalf("%+v", v.Limit)
	}
	for range 5 {
		v = s.call(secret, "POST /slow")
	}
	want := []contract.Value{
		{Name: "limit", Data: int64(2)}, {Name: "remaining", Data: int64(0)},
		{Name: "reset", Data: s.clock.Now().Add(time.Hour).UTC()}, {Name: "window_seconds", Data: int64(3600)},
	}
	if v.Condition != condition.RateLimited || !v.HasRetryAfter || v.RetryAfter != 30*time.Minute || !cmp.Equal(v.Facts, want) {
		t.Errorf("%+v", v)
	}
	if v := s.call(secret, "GET /items"); !v.Admitted || v.Limit.Remaining != 57 {
		t.Errorf("refused calls were charged to the plan: %+v", v.Limit)
	}
	if v := s.call(secret, "POST /items"); v.Limit.Remaining != 52 {
		t.Errorf("a call of cost 5 left %d", v.Limit.Remaining)
	}
	if v := s.call(secret, "POST /huge"); v.Condition != condition.RateLimited || v.HasRetryAfter || v.Limit.Remaining != 52 {
		t.Errorf("a call that can never be admitted: %+v", v)
	}
	other, _ := s.create(NewKey{Account: "other"})
	if v := s.call(other, "POST /slow"); !v.Admitted || v.Limit.Remaining != 1 {
		t.Errorf("another key: %+v", v.Limit)
	}
}

// TestRemainingOfSeveral is law 4 where one limit makes the call wait and another
// has less left.
func TestRemainingOfSeveral(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	s.call(secret, "POST /pair")
	for range 55 {
		s.call(secret, "GET /items")
	}
	v := s.call(secret, "POST /pair")
	if v.Admitted || v.Limit.Rule.Limit != 8 || v.RetryAfter != 15*time.Minute || v.Limit.Remaining != 0 {
		t.Errorf("3 of 8 are left, but 0 of the plan's 60: %+v", v)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put(Account{ID: "acct", Plan: "pro"})
	one, _ := s.create(NewKey{})
	two, _ := s.create(NewKey{})
	for range 1100 {
		s.call(one, "GET /items")
	}
	// 1,200 a minute for each key, 10,000 a day for the account.
	if v := s.call(one, "GET /items"); v.Limit.Name != "" || v.Limit.Remaining != 99 {
		t.Errorf("%+v", v.Limit)
	}
	if v := s.call(two, "GET /items"); v.Limit.Remaining != 1199 {
		t.Errorf("%+v", v.Limit)
	}
	for range 10 {
		s.clock.Advance(time.Minute)
		for range 1200 {
			s.call(two, "GET /items")
		}
	}
	if v := s.call(one, "GET /items"); v.Admitted || v.Limit.Name != "daily" || v.RetryAfter != 24*time.Hour-10*time.Minute {
		t.Errorf("%+v", v)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Environment = "live"
	live, _ := s.create(NewKey{})
	test, key := s.create(NewKey{Environment: "test"})
	if !strings.HasPrefix(test, "acme_test_") || key.Environment != "test" {
		t.Fatalf("%s of %s", key.Start, key.Environment)
	}
	if v := s.call(live, "GET /items"); !v.Admitted {
		t.Errorf("live: %s", v.Condition)
	}
	if v := s.call(test, "GET /items"); v.Condition != condition.KeyUnknown || v.Key != nil {
		t.Errorf("test: %s", v.Condition)
	}
}

// TestExactUnderConcurrency is law 5 at the door.
func TestExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if s.call(secret, "GET /items").Admitted {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 60 {
		t.Errorf("200 calls at once against a limit of 60 admitted %d", admitted.Load())
	}
}

// TestReloadKeepsCounts: a contract with another number goes on counting.
func TestReloadKeepsCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	for range 30 {
		s.call(secret, "GET /items")
	}
	next := parseContract(t, routes)
	next.Plans[0].Rates[0].Limit, next.Plans[0].Rates[0].Burst = 120, 120
	s.Controller = s.WithContract(next)
	if v := s.call(secret, "GET /items"); v.Limit.Rule.Limit != 120 || v.Limit.Remaining != 59 {
		t.Errorf("half of the minute was used: %+v", v.Limit)
	}
}

// TestPlanThatIsGone: the account is served on the default plan, and a line is
// logged.
func TestPlanThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put(Account{ID: "acct", Plan: "pro"})
	secret, _ := s.create(NewKey{})
	next := parseContract(t, routes)
	next.Plans = slices.DeleteFunc(next.Plans, func(p *contract.Plan) bool { return p.Name == "pro" })
	s.Controller = s.WithContract(next)
	if v := s.call(secret, "GET /items"); !v.Admitted || v.Plan.Name != "free" {
		t.Errorf("%+v", v)
	}
}

// TestAccountThatIsGone is our fault, not the caller's.
func TestAccountThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, _ := s.create(NewKey{})
	r := must[store.Record](t)(s.Store.Get(t.Context(), accountPrefix+"acct"))
	if err := s.Store.Delete(t.Context(), r.Key, r.Version); err != nil {
		t.Fatal(err)
	}
	if v := s.call(secret, "GET /items"); v.Condition != condition.Internal || !errors.Is(v.Cause, ErrNoAccount) {
		t.Errorf("%s: %v", v.Condition, v.Cause)
	}
}
