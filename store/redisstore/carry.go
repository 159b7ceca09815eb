package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store/meter"
)

var _ meter.Carrier = (*Store)(nil)

// carried is how many keys one step of a walk asks a server for.
const carried = 500

var errCounter = errors.New("a counter under the prefix cannot be read")

// setScript replaces a counter. KEYS: its hash and its order. ARGV: the head,
// when both expire in milliseconds (-1: never), and for each hold its name, its
// fields and its end.
var setScript = rueidis.NewLuaScript(`
redis.call('DEL', KEYS[1], KEYS[2])
if ARGV[1] == '' then return 0 end
redis.call('HSET', KEYS[1], '', ARGV[1])
for i = 3, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i])
end
if tonumber(ARGV[2]) > 0 then
  redis.call('PEXPIREAT', KEYS[1], ARGV[2])
  redis.call('PEXPIREAT', KEYS[2], ARGV[2])
end
return 1
`)

// Counters implements meter.Carrier: it walks the keys of every primary.
func (s *Store) Counters(ctx context.Context) iter.Seq2[meter.Counted, error] {
	return func(yield func(meter.Counted, error) bool) {
		if err := s.begin(ctx, nil); err != nil {
			yield(meter.Counted{}, err)
			return
		}
		defer s.leave()
		clients := s.link.client.Nodes()
		for _, addr := range slices.Sorted(maps.Keys(clients)) {
			if more, err := s.countersOf(ctx, clients[addr], len(clients) > 1, yield); err != nil || !more {
				if err != nil {
					yield(meter.Counted{}, s.link.failed(err))
				}
				return
			}
		}
	}
}

func (s *Store) countersOf(ctx context.Context, node rueidis.Client, many bool, yield func(meter.Counted, error) bool) (more bool, err error) {
	if many {
		info, err := s.ask(ctx, node, node.B().Info().Section("replication").Build()).ToString()
		if err != nil || parseInfo(info)["role"] == "slave" {
			return true, err
		}
	}
	pattern := globEscapes.Replace(s.layout.prefix) + "*{m:*"
	// A walk may show a key twice while the server's table of keys grows.
	seen := make(map[string]struct{})
	for cursor := uint64(0); ; {
		entry, err := s.ask(ctx, node, node.B().Scan().Cursor(cursor).Match(pattern).Count(carried).Type("hash").Build()).AsScanEntry()
		if err != nil {
			return false, err
		}
		for _, key := range entry.Elements {
			c, ok := s.layout.counted(key)
			if _, again := seen[key]; !ok || again {
				continue
			}
			seen[key] = struct{}{}
			fields, err := s.ask(ctx, node, node.B().Hgetall().Key(key).Build()).AsStrMap()
			if err != nil {
				return false, err
			}
			if len(fields) == 0 {
				continue // gone meanwhile
			}
			if !readCounter(&c, fields) {
				return false, errCounter
			}
			if !yield(c, nil) {
				return false, nil
			}
		}
		if cursor = entry.Cursor; cursor == 0 {
			return true, nil
		}
	}
}

var globEscapes = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// counted reads the name of a counter's hash, as owned makes it.
func (l *layout) counted(key string) (c meter.Counted, ok bool) {
	rest, ok := strings.CutPrefix(key, l.prefix)
	if !ok {
		return c, false
	}
	if c.Owner, rest, ok = cutSized(rest, "{m:"); !ok {
		return c, false
	}
	if rest, ok = strings.CutPrefix(rest, "}c"); !ok || rest == "" {
		return c, false
	}
	if c.Kind = meter.Kind(rest[0] - '0'); !c.Kind.Carried() {
		return c, false
	}
	limit, rest, ok := strings.Cut(rest[1:], ".")
	size, err := strconv.Atoi(limit)
	if !ok || err != nil {
		return c, false
	}
	subject, rest, ok := strings.Cut(rest, ":")
	own := subject == "="
	length := 0
	if !own {
		if length, err = strconv.Atoi(subject); err != nil {
			return c, false
		}
	}
	if !ok || size < 0 || length < 0 || size+length > len(rest) {
		return c, false
	}
	c.Limit, c.Subject, c.Operation = rest[:size], rest[size:size+length], rest[size+length:]
	if own {
		c.Subject = c.Owner
	}
	return c, true
}

// cutSized takes a length, a separator and so many bytes off.
func cutSized(s, separator string) (part, rest string, ok bool) {
	digits, rest, ok := strings.Cut(s, separator)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > len(rest) {
		return "", "", false
	}
	return rest[:n], rest[n:], true
}

// readCounter reads a hash as lua/counters.lua has it.
func readCounter(c *meter.Counted, fields map[string]string) bool {
	head, ok := numbersOf(fields[""], 9)
	if !ok {
		return false
	}
	c.Used = head[0]
	if c.Kind == meter.Allowance {
		c.End = meter.Micros(head[1])
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name == "" {
			continue
		}
		h, round, ok := readHold(fields[name])
		if !ok {
			return false
		}
		h.Name = name
		if round != head[4] { // of a past period
			h.Amount = 0
		}
		c.Holds = append(c.Holds, h)
	}
	return true
}

// readHold reads a hold without its name: five numbers, and then its claims.
func readHold(field string) (h meter.Held, round int64, ok bool) {
	n, ok := numbersOf(field, len(field)/8)
	if !ok || len(n) < 5 || n[1] >= 0 && n[1] != int64(len(n)-5) {
		return h, 0, false
	}
	h = meter.Held{Amount: n[0], Crowded: n[1] < 0, Until: meter.Micros(n[2]), Lease: meter.Micros(n[3])}
	for _, claim := range n[5:] {
		h.Claims = append(h.Claims, uint64(claim))
	}
	return h, n[4], true
}

// holdNumbers is the reverse, of the present period.
func holdNumbers(h *meter.Held) []int64 {
	n := append(make([]int64, 0, 5+len(h.Claims)), h.Amount, int64(len(h.Claims)), int64(h.Until), int64(h.Lease), 0)
	if h.Crowded {
		n[1] = -1
	}
	for _, claim := range h.Claims {
		n = append(n, int64(claim))
	}
	return n
}

// numbersOf reads little-endian doubles, which is how the scripts pack numbers.
func numbersOf(s string, n int) ([]int64, bool) {
	if len(s) != 8*n {
		return nil, false
	}
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(math.Float64frombits(binary.LittleEndian.Uint64([]byte(s[8*i:]))))
	}
	return list, true
}

// SetCounters implements meter.Carrier.
func (s *Store) SetCounters(ctx context.Context, counters []meter.Counted) error {
	if err := s.begin(ctx, nil); err != nil {
		return err
	}
	defer s.leave()
	calls := make([]rueidis.LuaExec, len(counters))
	for i := range counters {
		c := &counters[i]
		d := meter.Demand{Limit: c.Limit, Subject: c.Subject, Operation: c.Operation, Rule: &meter.Rule{Kind: c.Kind}}
		calls[i].Keys = []string{s.layout.owned(c.Owner, 'c', &d), s.layout.owned(c.Owner, 'h', &d)}
		calls[i].Args = writeCounter(c)
	}
	for _, answer := range s.link.evalAll(ctx, setScript, calls) {
		if err := answer.Error(); err != nil {
			return s.link.failed(err)
		}
	}
	return nil
}

// writeCounter is a counter as save in lua/counters.lua would leave it.
func writeCounter(c *meter.Counted) []string {
	if c.Used == 0 && len(c.Holds) == 0 {
		return []string{"", "-1"}
	}
	var held, soonest, put, latest int64
	args := []string{"", ""}
	for i := range c.Holds {
		h := &c.Holds[i]
		until := int64(h.Until)
		held += h.Amount
		if soonest == 0 || until < soonest {
			soonest = until
		}
		put, latest = max(put, until-int64(h.Lease)), max(latest, until)
		args = append(args, h.Name, packed(holdNumbers(h)...), decimal(until))
	}
	expires := max(latest, int64(c.End))/1000 + 60_000
	if c.Kind != meter.Allowance && (c.Used != 0 || c.Kind == meter.Balance && held != 0) {
		expires = -1
	}
	args[0] = packed(c.Used, int64(c.End), held, int64(len(c.Holds)), 0, soonest, put, latest, expires)
	args[1] = decimal(expires)
	return args
}

func packed(numbers ...int64) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	return rueidis.BinaryString(b)
}
