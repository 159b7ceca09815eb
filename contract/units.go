package contract

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads Go durations and whole days ("30d").
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 32)
		if err != nil || n < 0 || n > 36500 {
			return 0, errors.New("write a duration such as 500ms, 30s, 24h or 30d")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("write a duration such as 500ms, 30s, 24h or 30d")
	}
	return d, nil
}

var byteUnits = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// parseBytes reads "1MiB", "25MB" or a plain number of bytes.
func parseBytes(s string) (int64, error) {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		return n * u.factor, nil
	}
	return 0, errors.New("write a size such as 64KiB, 25MB or 1GiB")
}

var periods = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"min": time.Minute, "minute": time.Minute, "m": time.Minute,
	"h": time.Hour, "hour": time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
}

// parseRate reads "60/min" or "100/60s".
func parseRate(s string) (limit int64, per time.Duration, err error) {
	bad := errors.New("write a rate such as 60/min, 10/s or 100/60s")
	count, period, ok := strings.Cut(s, "/")
	if !ok {
		return 0, 0, bad
	}
	limit, err = strconv.ParseInt(strings.TrimSpace(count), 10, 64)
	if err != nil || limit < 1 || limit > 1e12 {
		return 0, 0, bad
	}
	period = strings.TrimSpace(period)
	if per, ok = periods[period]; ok {
		return limit, per, nil
	}
	per, err = parseDuration(period)
	if err != nil || per < time.Millisecond {
		return 0, 0, bad
	}
	return limit, per, nil
}

// parseStatuses reads 404, "4xx" or "500..599".
func parseStatuses(s string) (StatusRange, error) {
	bad := errors.New("write a status such as 404, 5xx or 500..599")
	if class, ok := strings.CutSuffix(strings.ToLower(s), "xx"); ok {
		n, err := strconv.Atoi(class)
		if err != nil || n < 1 || n > 9 {
			return StatusRange{}, bad
		}
		return StatusRange{n * 100, n*100 + 99}, nil
	}
	low, high, ranged := strings.Cut(s, "..")
	from, err := strconv.Atoi(low)
	if err != nil || from < 100 || from > 999 {
		return StatusRange{}, bad
	}
	if !ranged {
		return StatusRange{from, from}, nil
	}
	to, err := strconv.Atoi(high)
	if err != nil || to < from || to > 999 {
		return StatusRange{}, bad
	}
	return StatusRange{from, to}, nil
}

// parseJitter reads "0s..1s" (added) or "0.9x..1.1x" (multiplied).
func parseJitter(s string) (Jitter, error) {
	bad := errors.New("write added jitter as 0s..1s or a factor as 0.9x..1.1x")
	low, high, ok := strings.Cut(s, "..")
	if !ok {
		return Jitter{}, bad
	}
	if strings.HasSuffix(high, "x") {
		from, err := strconv.ParseFloat(strings.TrimSuffix(low, "x"), 64)
		to, err2 := strconv.ParseFloat(strings.TrimSuffix(high, "x"), 64)
		if err != nil || err2 != nil || from < 0 || to < from || to > 100 {
			return Jitter{}, bad
		}
		return Jitter{Low: from, High: to}, nil
	}
	from, err := parseDuration(low)
	to, err2 := parseDuration(high)
	if err != nil || err2 != nil || from != 0 {
		return Jitter{}, bad
	}
	return Jitter{Add: to}, nil
}
