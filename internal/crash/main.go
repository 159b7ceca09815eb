//go:build linux

// Command crash attacks the gateway as fate would: it sends keyed writes through
// failwell to a service that writes down what it does, kills the gateway, the
// store's server and the service again and again, at random instants and at
// every point of internal/failpoint, and then compares what was done with what
// was answered. docs/reliability.md says what it has found.
//
//	go run ./internal/crash -store pebble -kills 1000 -seed 7
//	go run ./internal/crash -store redis -mutations
package main

import (
	"context"
	_ "embed" // the contract
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/failwell/failwell/internal/failpoint"
)

//go:embed contract.yaml
var contractText []byte

// The upstream is this program under another role.
const (
	roleVariable    = "CRASH_ROLE"
	addressVariable = "CRASH_ADDRESS"
	ledgerVariable  = "CRASH_LEDGER"
	adminVariable   = "FAILWELL_ADMIN_URL"
	roleUpstream    = "upstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := do(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// errFound says that a campaign has found violations.
var errFound = errors.New("promises were broken")

func do(ctx context.Context, args []string, out io.Writer) error {
	if os.Getenv(roleVariable) == roleUpstream {
		return runUpstream(ctx, os.Getenv(addressVariable), os.Getenv(ledgerVariable), out)
	}
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	stores := flags.String("store", "pebble", "stores to attack, with commas: pebble, redis, postgres, memory; or all")
	kills := flags.Int("kills", 1000, "kills for each store")
	seed := flags.Uint64("seed", 0, "what decides on payloads, points and instants; 0 chooses one")
	workers := flags.Int("workers", 8, "calls under way at a time")
	binary := flags.String("binary", "", "failwell, built with -tags failpoints; absent: it is built")
	logs := flags.String("logs", "", "folder to keep everything in that gateways say")
	mutate := flags.Bool("mutations", false, "break the product on purpose, one way after the other, and see that it is noticed")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w, see -help", err)
	}
	o := options{kills: *kills, seed: *seed, workers: *workers, binary: *binary, logs: *logs, log: os.Stderr}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) //nolint:gosec // printed, not secret
	}
	list := strings.Split(*stores, ",")
	if *stores == "all" {
		list = []string{"pebble", "redis", "postgres"}
	}
	if *mutate {
		return runMutations(ctx, o, list, out)
	}
	dir, err := os.MkdirTemp("", "crash-binary-")
	if err != nil {
		return fmt.Errorf("crash: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.binary == "" {
		o.binary = filepath.Join(dir, "failwell")
		if err := build(ctx, o.binary); err != nil {
			return err
		}
	}
	var faults []error
	for _, store := range list {
		o.store = store
		r, err := run(ctx, o)
		if err != nil {
			return err
		}
		if err := r.print(out); err != nil {
			return err
		}
		if len(r.violations) > 0 {
			faults = append(faults, fmt.Errorf("%s: %w, repeat with -seed %d", store, errFound, o.seed))
		}
	}
	return errors.Join(faults...)
}

// build makes the binary that can be killed at points.
func build(ctx context.Context, name string, flags ...string) error {
	args := append([]string{"build", "-tags", "failpoints", "-o", name}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/failwell/failwell/cmd/failwell")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// failwell runs a command of the binary against the gateway.
func (p *process) failwell(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = string(exit.Stderr)
		}
		return nil, fmt.Errorf("failwell %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return out, nil
}

// key makes an API key.
func (p *process) key(ctx context.Context, account, plan string) (string, error) {
	out, err := p.failwell(ctx, "keys", "create", "--json", "--account", account, "--plan", plan)
	if err != nil {
		return "", err
	}
	var key struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(out, &key); err != nil {
		return "", fmt.Errorf("crash: keys create says %q: %w", out, err)
	}
	return key.Secret, nil
}

// freeAddress names an address that nobody has. Its port lies below those that
// the system gives to connections going out, so that none takes it while
// whoever listens there is dead.
func freeAddress() (string, error) {
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(20_000))) //nolint:gosec // no secret
		l, err := net.Listen("tcp", address)                                             //nolint:noctx // it only looks
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", fmt.Errorf("crash: %w", err)
		}
		return address, nil
	}
	return "", errors.New("crash: no free port")
}

// enough is how often a point may be armed in vain before it counts as dead.
const enough = 3

// result judges a campaign.
func (c *campaign) result(ctx context.Context, took time.Duration) (*result, error) {
	executions, err := readLedger(c.ledger())
	if err != nil {
		return nil, err
	}
	c.history.executions = executions
	v := c.history.judge()
	r := &result{
		verdict: v, store: c.store, seed: c.seed, kills: c.tally, reached: c.reached, missed: c.missed, took: took,
		requests: c.sender.settled.requests.Load(),
	}
	if err := c.audit(ctx, r); err != nil {
		return nil, err
	}
	for _, p := range append(c.gateways, c.upstream) {
		r.logs = append(r.logs, p.name+" said last:\n"+p.log.String())
		for _, alarm := range p.log.alarms {
			r.violations = append(r.violations, p.name+" said: "+alarm)
		}
	}
	for _, point := range failpoint.Points() {
		if r.reached[point] == 0 && r.missed[point] >= enough {
			r.violations = append(r.violations, fmt.Sprintf("point %s was armed %d times and never reached", point, r.missed[point]))
		}
	}
	return r, nil
}
