//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failwell/failwell/internal/failpoint"
)

const (
	// lease is the contract's.
	lease = time.Second
	// patience is how long a client waits for a response. No answer of the
	// upstream takes that long.
	patience = 10 * time.Second
	// storePatience is more than the 20 ms that a decision waits by default: on a
	// machine that runs every test at once, stores would be away most of the time.
	storePatience = "500ms"
	// startTimeout is for a machine that runs every test at once.
	startTimeout = 30 * time.Second
	// grace is how long calls may take to become final when nothing is killed any
	// more: the lease of a call that died, and the time to take turns.
	grace = lease + 15*time.Second
	// pause is how long a worker rests between calls, at most twice. It keeps
	// the records of a long campaign to what a server reads back in a moment.
	pause = 40 * time.Millisecond
)

// options say what a campaign does. The seed decides on payloads, points and
// instants; what the machine makes of them differs from run to run.
type options struct {
	store   string
	kills   int
	seed    uint64
	workers int
	// sweep kills at points until each was reached, and then goes on as usual.
	sweep  bool
	binary string // of failwell, built with the tag failpoints
	logs   string // folder in which everything is kept that gateways say, "" for none
	log    io.Writer
}

const accounts = 5

// campaign is one run.
type campaign struct {
	options

	dir      string
	keeper   *keeper
	gateways []*process
	upstream *process
	sender   *sender
	next     atomic.Int64

	mu      sync.Mutex
	history history
	tally   map[string]int
	reached map[failpoint.Point]int
	missed  map[failpoint.Point]int
}

// result is what a campaign has to say.
type result struct {
	*verdict
	store           string
	seed            uint64
	kills           map[string]int
	reached, missed map[failpoint.Point]int
	took            time.Duration
	requests        int64
	// logs are what each program said last.
	logs []string
	// charged is what all accounts were charged, worth what the executions are.
	charged, worth int64
}

// run does a whole campaign. Its error is for what prevented one; what is
// wrong with the product is in the result.
func run(ctx context.Context, o options) (_ *result, err error) {
	c := &campaign{options: o, tally: map[string]int{}, reached: map[failpoint.Point]int{}, missed: map[failpoint.Point]int{}}
	if c.dir, err = os.MkdirTemp("", "crash-"); err != nil {
		return nil, fmt.Errorf("crash: %w", err)
	}
	defer func() { err = errors.Join(err, c.end()) }()
	began := time.Now()
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	// Clients stop when all should be final, not when the workers stop.
	patient, over := context.WithCancel(ctx)
	defer over()
	var workers sync.WaitGroup
	for w := range c.workers {
		workers.Go(func() { c.work(working, patient, w) })
	}
	err = c.kill(ctx)
	stop()
	last := time.AfterFunc(grace, over)
	workers.Wait()
	last.Stop()
	if err != nil {
		return nil, err
	}
	if err := c.again(ctx); err != nil {
		return nil, err
	}
	return c.result(ctx, time.Since(began))
}

func (c *campaign) begin(ctx context.Context) error {
	keeper, err := openKeeper(c.store, c.dir) // a server outlives calls
	if err != nil {
		return err
	}
	c.keeper = keeper
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	contract := filepath.Join(c.dir, "contract.yaml")
	if err := os.WriteFile(contract, contractText, 0o600); err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	upstreamAddress, err := freeAddress()
	if err != nil {
		return err
	}
	c.upstream = &process{name: "upstream", path: self, log: newTail(), env: []string{
		roleVariable + "=" + roleUpstream, addressVariable + "=" + upstreamAddress, ledgerVariable + "=" + c.ledger(),
	}}
	count := 2
	if !keeper.remote() {
		count = 1 // an embedded store has one owner
	}
	urls := make([]string, 0, count)
	for i := range count {
		g, err := newGateway(c.binary, c.dir, contract, keeper.url, "http://"+upstreamAddress, "--store-timeout", storePatience)
		if err != nil {
			return err
		}
		g.name = fmt.Sprintf("gateway %d", i)
		if c.logs != "" {
			if g.log.all, err = os.Create(filepath.Join(c.logs, strings.ReplaceAll(g.name, " ", "-")+".log")); err != nil {
				return fmt.Errorf("crash: %w", err)
			}
		}
		urls = append(urls, g.url)
		c.gateways = append(c.gateways, g)
	}
	if err := c.upstream.start(ctx); err != nil {
		return err
	}
	for _, g := range c.gateways {
		if err := g.start(ctx); err != nil {
			return err
		}
	}
	keys := make([]string, 0)
	for i := range accounts {
		account := fmt.Sprintf("account-%d", i)
		key, err := c.gateways[0].key(ctx, account, "main")
		if err != nil {
			return err
		}
		if err := c.gateways[0].payIn(ctx, account); err != nil {
			return err
		}
		keys = append(keys, key)
		c.history.accounts = append(c.history.accounts, account)
	}
	c.sender = newSender(urls, keys)
	return nil
}

// newGateway is failwell serve, not started yet.
func newGateway(binary, dir, contract, store, upstream string, flags ...string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"serve", "--json", "--contract", contract, "--store", store, "--upstream", upstream,
		"--listen", address, "--admin", admin, "--timeout", "5s", "--log-level", "warn", "--access-log", "off",
	}, flags...)
	return &process{
		name: "gateway", path: binary, dir: dir, log: newTail(), url: "http://" + address, admin: "http://" + admin, args: args,
		env: []string{"XDG_RUNTIME_DIR=" + dir, adminVariable + "=http://" + admin},
	}, nil
}

func (c *campaign) ledger() string { return filepath.Join(c.dir, "ledger") }

// end kills what still runs. Only that: a campaign owns no other processes.
func (c *campaign) end() error {
	var faults []error
	for _, p := range append(c.gateways, c.upstream) {
		if p != nil {
			faults = append(faults, p.kill())
		}
	}
	if c.keeper != nil && c.keeper.remote() {
		faults = append(faults, c.keeper.close())
	}
	return errors.Join(append(faults, os.RemoveAll(c.dir))...)
}

// work sends calls until working ends.
func (c *campaign) work(working, patient context.Context, worker int) {
	r := rand.New(rand.NewPCG(c.seed, uint64(worker)<<32|1<<63)) //nolint:gosec // repeatable on purpose
	for working.Err() == nil {
		call := draw(c.seed, int(c.next.Add(1)))
		seen := make([]observation, call.clients+call.other)
		var clients sync.WaitGroup
		for i := range seen {
			own := rand.New(rand.NewPCG(r.Uint64(), uint64(i))) //nolint:gosec // repeatable on purpose
			clients.Go(func() {
				variant := 0
				if i >= call.clients {
					variant = 1
				}
				seen[i] = c.sender.finish(patient, call, variant, own)
			})
		}
		clients.Wait()
		c.mu.Lock()
		c.history.calls = append(c.history.calls, call)
		c.history.seen = append(c.history.seen, seen...)
		c.mu.Unlock()
		select {
		case <-working.Done():
		case <-time.After(time.Duration(r.Int64N(int64(2 * pause)))):
		}
	}
}

// again makes every call once more, on gateways that were just started: what
// they say cannot come from memory.
func (c *campaign) again(ctx context.Context) error {
	for _, g := range c.gateways {
		if c.store == "memory" {
			break // it would be gone
		}
		if err := errors.Join(g.kill(), g.start(ctx)); err != nil {
			return err
		}
	}
	executed := map[scope]int{}
	done, err := readLedger(c.ledger())
	if err != nil {
		return err
	}
	for i := range done {
		if !done[i].Refused {
			executed[done[i].scope()] = done[i].Order.Variant
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	calls, results := make(chan *call), make(chan observation)
	var workers sync.WaitGroup
	for w := range c.workers {
		r := rand.New(rand.NewPCG(c.seed, uint64(w))) //nolint:gosec // repeatable on purpose
		workers.Go(func() {
			for call := range calls {
				s := scope{c.history.accounts[call.account], call.path(), call.key}
				soon, cancel := context.WithTimeout(ctx, grace)
				results <- c.sender.finish(soon, call, executed[s], r)
				cancel()
			}
		})
	}
	go func() {
		for _, call := range c.history.calls {
			calls <- call
		}
		close(calls)
		workers.Wait()
		close(results)
	}()
	var all []observation
	for o := range results {
		all = append(all, o)
	}
	c.history.seen = append(c.history.seen, all...)
	return nil
}
