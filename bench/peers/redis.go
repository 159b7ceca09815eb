package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/throttled/throttled/v2"
	throttledredis "github.com/throttled/throttled/v2/store/goredisstore.v9"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store/meter"
	"github.com/failwell/failwell/store/redisstore"
)

const (
	asked = 10_000 // keys that Redis is asked about, at random
	// tick is the unit of CPU time in /proc (USER_HZ, proc(5)).
	tick = 10 * time.Millisecond

	bare      = "three limits: a bare EVALSHA through rueidis"
	threeOurs = "three limits: failwell, `redisstore`"
)

// bareScript is the least that three limits at once can be: GCRA on three keys,
// all or nothing, on the server's clock. It knows neither names nor holds nor
// appointments, and tells nothing but yes or a wait.
//
// KEYS: the limits. ARGV: for each the microseconds of a call, and the burst's.
const bareScript = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full, wait = {}, 0
for i = 1, #KEYS do
  local at = tonumber(redis.call('GET', KEYS[i]) or 0)
  if at < now then at = now end
  full[i] = at + ARGV[2 * i - 1]
  wait = math.max(wait, full[i] - now - ARGV[2 * i])
end
if wait > 0 then return wait end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1)
end
return 0`

// remote asks Redis whether a key may call.
type remote struct {
	name  string
	allow func(ctx context.Context, key string) (bool, error)
}

// clients are what the peers ask through.
type clients struct {
	rueidis rueidis.Client
	goredis *goredis.Client
	store   *redisstore.Store
}

func connect(ctx context.Context, server *servers.RedisServer, callers int) (clients, error) {
	var c clients
	var err error
	// The same settings as redisstore has, so that only what is sent differs.
	c.rueidis, err = rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, DisableCache: true, ForceSingleClient: true, AlwaysPipelining: true,
	})
	if err != nil {
		return c, err
	}
	c.goredis = goredis.NewClient(&goredis.Options{Addr: server.Addr(), PoolSize: callers, MinIdleConns: callers})
	c.store, err = redisstore.Open(ctx, server.URL(), redisstore.Options{})
	return c, err
}

func (c clients) close() error {
	var errs []error
	if c.rueidis != nil {
		c.rueidis.Close()
	}
	if c.goredis != nil {
		errs = append(errs, c.goredis.Close())
	}
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	return errors.Join(errs...)
}

// remotes are limits that are never reached: a million calls a second.
func remotes(c clients) ([]remote, error) {
	keeper, ok := any(c.store).(meter.Meter)
	if !ok {
		return nil, errors.New("redisstore decides about no limits")
	}
	held, err := throttledredis.NewCtx(c.goredis, "throttled:")
	if err != nil {
		return nil, err
	}
	single, err := throttled.NewGCRARateLimiterCtx(held, throttled.RateQuota{MaxRate: throttled.PerSec(1_000_000), MaxBurst: 1_000_000})
	if err != nil {
		return nil, err
	}
	single.SetMaxCASAttemptsLimit(1000)
	rated := redis_rate.NewLimiter(c.goredis)
	limit := redis_rate.Limit{Rate: 1_000_000, Burst: 1_000_000, Period: time.Second}
	return []remote{
		{bare, bareLimits(c.rueidis)},
		{threeOurs, ourLimits(keeper, 3)},
		{"one limit: failwell, `redisstore`", ourLimits(keeper, 1)},
		{"one limit: redis_rate", func(ctx context.Context, key string) (bool, error) {
			r, err := rated.Allow(ctx, key, limit)
			return err == nil && r.Allowed > 0, err
		}},
		{"one limit: throttled, goredisstore", func(ctx context.Context, key string) (bool, error) {
			limited, _, err := single.RateLimitCtx(ctx, key, 1)
			return !limited, err
		}},
	}, nil
}

func bareLimits(client rueidis.Client) func(context.Context, string) (bool, error) {
	script := rueidis.NewLuaScript(bareScript)
	args := []string{"1", "1000000", "1", "1000000", "1", "1000000"}
	return func(ctx context.Context, key string) (bool, error) {
		tag := "bare:{" + key + "}"
		wait, err := script.Exec(ctx, client, []string{tag + "second", tag + "minute", tag + "operation"}, args).AsInt64()
		return wait == 0, err
	}
}

func ourLimits(keeper meter.Meter, limits int) func(context.Context, string) (bool, error) {
	names := []string{"plan/pro/second", "plan/pro/minute", "operation/createItem"}
	rules := []*meter.Rule{
		{Limit: 1_000_000, Per: time.Second}, {Limit: 60_000_000, Per: time.Minute}, {Limit: 1_000_000, Per: time.Second},
	}
	type taking struct {
		meter.Taking
		demands  [3]meter.Demand
		outcomes [3]meter.Outcome
	}
	pool := sync.Pool{New: func() any { return new(taking) }}
	return func(ctx context.Context, key string) (bool, error) {
		t, ok := pool.Get().(*taking)
		if !ok {
			return false, errors.New("another pool's")
		}
		defer pool.Put(t)
		t.Owner = key
		for i := range limits {
			t.demands[i] = meter.Demand{Limit: names[i], Subject: key, Rule: rules[i], Cost: 1}
		}
		t.Demands, t.Outcomes = t.demands[:limits], t.outcomes[:limits]
		err := keeper.Take(ctx, &t.Taking)
		return t.Admitted, err
	}
}

func throughRedis(ctx context.Context, s settings, progress io.Writer) (_ *table, err error) {
	server, err := servers.NewRedis(servers.RedisOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	c, err := connect(ctx, server, s.callers)
	defer func() { err = errors.Join(err, c.close()) }()
	if err != nil {
		return nil, err
	}
	list, err := remotes(c)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.name
	}
	pid, err := serverPID(ctx, c.goredis)
	if err != nil {
		return nil, err
	}
	t := newTable(fmt.Sprintf("One decision through Redis, %d callers at once, %d keys at random", s.callers, asked), bare, names,
		figure{"decisions/s", "%.0f", true}, figure{"p50 µs", "%.0f", false}, figure{"p99 µs", "%.0f", false},
		figure{"client CPU µs", "%.1f", true}, figure{"Redis CPU µs", "%.1f", true}, figure{"scripts", "%.2f", false})
	keys := keysOf(asked)
	for round := range s.rounds {
		for _, r := range rotated(list, round) {
			values, err := asking(ctx, r, keys, s, c.goredis, pid)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			t.add(r.name, values...)
			fmt.Fprintf(progress, "round %d/%d  redis  %-46s %7.0f/s\n", round+1, s.rounds, r.name, values[0])
		}
	}
	return t, nil
}

// asking loads one peer. Half a second goes by first, in which scripts are
// loaded and connections made.
func asking(ctx context.Context, r remote, keys []string, s settings, info *goredis.Client, pid int) ([]float64, error) {
	if _, err := crowd(ctx, r, keys, s.callers, min(s.loaded, 500*time.Millisecond)); err != nil {
		return nil, err
	}
	began, ran, client, redis := time.Now(), scripts(ctx, info), ownCPU(), cpuOf(pid)
	took, err := crowd(ctx, r, keys, s.callers, s.loaded)
	if err != nil {
		return nil, err
	}
	n, elapsed := float64(len(took)), time.Since(began).Seconds()
	client, redis, ran = ownCPU()-client, cpuOf(pid)-redis, scripts(ctx, info)-ran
	slices.Sort(took)
	at := func(share float64) float64 { return float64(took[int(share*(n-1))].Microseconds()) }
	return []float64{n / elapsed, at(0.5), at(0.99), float64(client.Microseconds()) / n, float64(redis.Microseconds()) / n, ran / n}, nil
}

func crowd(ctx context.Context, r remote, keys []string, callers int, loaded time.Duration) ([]time.Duration, error) {
	took := make([][]time.Duration, callers)
	errs := make([]error, callers)
	end := time.Now().Add(loaded)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2)) //nolint:gosec // no secret
			for began := time.Now(); began.Before(end) && errs[i] == nil; {
				ok, err := r.allow(ctx, keys[random.IntN(len(keys))])
				if err == nil && !ok {
					err = errRefused
				}
				errs[i] = err
				now := time.Now()
				took[i] = append(took[i], now.Sub(began))
				began = now
			}
		})
	}
	all.Wait()
	return slices.Concat(took...), errors.Join(errs...)
}

// scripts counts those that clients have had run so far. Other commands are not
// looked at, since the server counts those within scripts as well.
func scripts(ctx context.Context, info *goredis.Client) float64 {
	text, err := info.Info(ctx, "commandstats").Result()
	if err != nil {
		return 0
	}
	total := 0.0
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":calls=")
		if name == "cmdstat_evalsha" || name == "cmdstat_eval" {
			count, _, _ := strings.Cut(rest, ",")
			n, err := strconv.ParseFloat(count, 64)
			if err == nil {
				total += n
			}
		}
	}
	return total
}

func serverPID(ctx context.Context, info *goredis.Client) (int, error) {
	text, err := info.Info(ctx, "server").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "process_id:")
	line, _, _ := strings.Cut(rest, "\r")
	return strconv.Atoi(line)
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOf reads /proc/PID/stat: fields 14 and 15, counted from behind the name.
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}
