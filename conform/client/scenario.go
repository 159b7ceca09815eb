package client

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/contract/hint"
)

// aim is what a scenario is about; rules choose runs by it.
type aim uint8

const (
	aimSuccess  aim = iota
	aimHint         // refused once, with a hint
	aimLong         // refused with a hint that is too long
	aimRefused      // refused with a hint, for good
	aimOnce         // failed once in a way that passes
	aimDown         // fails in a way that passes, for good
	aimStop         // fails in a way that does not pass
	aimNetwork      // the connection breaks once
	aimDead         // every connection breaks
	aimOdd          // a body in no known shape, once
	aimBig          // a long body, once
	aimRedirect     // leads to another host
)

// scenario is one way in which calls are answered.
type scenario struct {
	name, subject string
	aim           aim
	// reply answers the n-th try of a call, from 0.
	reply func(n int, now time.Time) reply
	// times the program is run; 1 when 0.
	times int
	// advice is what the contract says about the failure, code which it is.
	advice condition.Retry
	code   *contract.Code
	// patience is how long it may take; 0: the check's.
	patience time.Duration
	// refused: nothing was done, so that a repetition does nothing twice.
	refused bool
	// pos is the line of the contract that it is about.
	path []string
}

// ending is how an answer ends.
type ending uint8

const (
	ends       ending = iota // as it should
	resets                   // the request is read, then the connection is reset
	cuts                     // the body ends before its length
	unanswered               // the connection is reset before anything is read
)

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   []byte
	ending ending
	// said is the answer in a timeline.
	said string
	// until is the instant before which no repetition may come; zero: none was named.
	until time.Time
	// ok: the call has succeeded.
	ok bool
	// id is the request id.
	id string
}

const (
	// jitterRuns is how many waits are compared. If eight are spread evenly, the
	// seven shortest fall into one tenth of the range once in 36,000 times.
	jitterRuns = 8
	// bigBody is more than clients read ahead, so that who leaves it unread cannot
	// use the connection again, and less than it would be right to leave unread.
	bigBody = 32 << 10
)

// scenarios lists what the contract leads to, those that take longest first.
func (k *checker) scenarios() []*scenario {
	var list []*scenario
	if code := k.passing(); code != nil {
		list = append(list, k.down(code), k.dead(), k.once(code))
		list = append(list, k.hints()...)
		list = append(list, k.oddities(code)...)
		list = append(list, k.big(code))
	} else {
		list = append(list, k.dead())
		list = append(list, k.hints()...)
	}
	list = append(list, k.broken(), k.redirect())
	list = append(list, k.stops()...)
	if !harmless(k.first.method) {
		list = append(list, &scenario{
			name: "created", subject: "the call is answered with 201", aim: aimSuccess, reply: func(int, time.Time) reply { return k.success(201) },
		})
	}
	return list
}

// passing is the code for a failure that passes by itself.
func (k *checker) passing() *contract.Code {
	for _, of := range []condition.Condition{condition.Unavailable, condition.Internal, condition.DependencyFailed, condition.UpstreamUnreachable} {
		if code, _ := k.contract.For(of); code != nil && k.contract.RetryFor(code, code.Status).Retryable() && code.Status >= 500 {
			return code
		}
	}
	return nil
}

func (k *checker) down(code *contract.Code) *scenario {
	return &scenario{
		name: "down", subject: "every answer is " + label(code), aim: aimDown, advice: k.contract.RetryFor(code, code.Status), code: code,
		reply: func(int, time.Time) reply { return k.fail(code, 0) },
	}
}

func (k *checker) dead() *scenario {
	return &scenario{
		name: "dead", subject: "every connection is reset before anything is read", aim: aimDead, advice: k.contract.Client.Network, refused: true,
		reply: func(int, time.Time) reply { return reply{ending: unanswered, said: "the connection is reset"} }, path: []string{"client", "network"},
	}
}

func (k *checker) once(code *contract.Code) *scenario {
	return &scenario{
		name: "once", subject: "the first answer is " + label(code), aim: aimOnce, advice: k.contract.RetryFor(code, code.Status), code: code, times: jitterRuns,
		reply: k.first1(func(time.Time) reply { return k.fail(code, 0) }),
	}
}

// first1 fails once, then succeeds.
func (k *checker) first1(failure func(now time.Time) reply) func(int, time.Time) reply {
	return func(n int, now time.Time) reply {
		if n == 0 {
			return failure(now)
		}
		return k.success(200)
	}
}

// hintWait is longer than the first wait of who does not look at the hint.
func (k *checker) hintWait() time.Duration {
	longest := k.contract.Client.Backoff.Wait(0, 1).Seconds()
	return time.Duration(min(max(math.Ceil(longest+0.3), 1), 5)) * time.Second
}

// hints are the places where a wait may stand, each alone.
func (k *checker) hints() []*scenario {
	code, _ := k.contract.For(condition.RateLimited)
	if code == nil || !k.contract.RetryFor(code, code.Status).Retryable() {
		return nil
	}
	var list []*scenario
	add := func(name, subject string, h contract.Hint, unit hint.Unit, path []string) {
		list = append(list, &scenario{
			name: "hint-" + name, subject: subject, aim: aimHint, advice: condition.AfterWait, code: code, refused: true, path: path,
			reply: k.first1(func(now time.Time) reply { return k.refuse(code, h, unit, now, k.hintWait()) }),
		})
	}
	for i, h := range k.contract.Client.Hints {
		path := []string{"client", "hints", strconv.Itoa(i)}
		where := h.Header
		if where == "" {
			where = strings.Join(h.Body, ".")
		}
		name := strings.ToLower(where)
		if h.Unit != hint.Auto {
			add(name, where+" in "+string(h.Unit), h, h.Unit, path)
			continue
		}
		add(name, where+" in seconds", h, hint.Seconds, path)
		if h.Header != "" {
			add(name+"-date", where+" as a date", h, hint.HTTPDate, path)
		}
	}
	if len(k.contract.Client.Hints) > 0 {
		h := k.contract.Client.Hints[0]
		list = append(list, k.refusedForGood(code, h))
		wait := 24 * time.Hour
		if m := k.contract.Client.MaxHint; m > 0 {
			wait = m + time.Hour
		}
		unit := h.Unit
		if unit == hint.Auto {
			unit = hint.Seconds
		}
		list = append(list, &scenario{
			name: "hint-too-long", subject: "a wait of " + wait.String() + " is asked for", aim: aimLong, advice: condition.AfterWait, code: code, refused: true,
			patience: 15 * time.Second, path: []string{"client", "max_hint"},
			reply: func(_ int, now time.Time) reply { return k.refuse(code, h, unit, now, wait) },
		})
	}
	return list
}

// refusedForGood is a limit that does not free up; each refusal names a second.
func (k *checker) refusedForGood(code *contract.Code, h contract.Hint) *scenario {
	const more = 8 * time.Second // for a program to start and to end
	patience := time.Duration(k.contract.Client.Attempts) * 2 * time.Second
	if asked := k.longestWaits(); asked > patience {
		patience = asked // for who does not look at hints
	}
	unit := h.Unit
	if unit == hint.Auto {
		unit = hint.Seconds
	}
	return &scenario{
		name: "refused", subject: "every answer is " + label(code) + " and names a second", aim: aimRefused, advice: condition.AfterWait, code: code, refused: true,
		patience: patience + more,
		reply:    func(_ int, now time.Time) reply { return k.refuse(code, h, unit, now, time.Second) },
	}
}

// longestWaits is how long a call waits in all, at most, by the contract's own rule.
func (k *checker) longestWaits() time.Duration {
	var sum time.Duration
	for n := range k.contract.Client.Attempts - 1 {
		sum += k.contract.Client.Backoff.Wait(n, 1)
	}
	return sum
}

// refuse is a refusal that names a wait in one place.
func (k *checker) refuse(code *contract.Code, h contract.Hint, unit hint.Unit, now time.Time, wait time.Duration) reply {
	until := now.Add(wait)
	var value string
	whole := func() { until = until.Truncate(time.Second).Add(time.Second) } // coarse forms are rounded up
	switch unit {
	case hint.Milliseconds:
		value = strconv.FormatInt(wait.Milliseconds(), 10)
	case hint.EpochSeconds:
		whole()
		value = strconv.FormatInt(until.Unix(), 10)
	case hint.EpochMilliseconds:
		value = strconv.FormatInt(until.UnixMilli(), 10)
	case hint.HTTPDate:
		whole()
		value = until.UTC().Format(http.TimeFormat)
	case hint.RFC3339:
		whole()
		value = until.UTC().Format(time.RFC3339)
	case hint.Duration:
		value = wait.String()
	default:
		value = strconv.Itoa(int(wait.Seconds()))
	}
	r := k.fail(code, wait)
	for _, other := range k.contract.Client.Hints {
		r.header.Del(other.Header)
	}
	r.header.Del(k.contract.Headers.RateLimit.Reset)
	r.until = until
	if h.Header != "" {
		r.header.Set(h.Header, value)
		r.said += ", " + h.Header + ": " + value
		return r
	}
	r.body = withMember(r.body, h.Body, value)
	r.said += ", " + strings.Join(h.Body, ".") + " " + value
	return r
}

// withMember sets a member of a JSON body; a number where the value is one.
func withMember(body []byte, path []string, value string) []byte {
	var root map[string]any
	if json.Unmarshal(body, &root) != nil {
		return body
	}
	at := root
	for _, name := range path[:len(path)-1] {
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	at[path[len(path)-1]] = value
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		at[path[len(path)-1]] = json.Number(value)
	}
	out, err := json.Marshal(root)
	if err != nil {
		return body
	}
	return out
}

// oddities are bodies that come from proxies and broken servers.
func (k *checker) oddities(code *contract.Code) []*scenario {
	page := []byte("<!doctype html><html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>")
	normal := k.fail(code, 0)
	advice := k.contract.RetryFor(nil, 503)
	odd := func(name, subject string, how ending, advice condition.Retry, kind string, body []byte) *scenario {
		return &scenario{
			name: "body-" + name, subject: subject, aim: aimOdd, advice: advice, path: []string{"client", "statuses"},
			reply: k.first1(func(time.Time) reply {
				r := reply{status: 503, header: http.Header{}, body: body, ending: how, said: "503, " + subject}
				if kind != "" {
					r.header.Set("Content-Type", kind)
				}
				return r
			}),
		}
	}
	return []*scenario{
		odd("html", "a page of HTML", ends, advice, "text/html", page),
		odd("empty", "no body", ends, advice, "", nil),
		odd("truncated", "a body that breaks off", cuts, condition.RetryUnknown, "application/json", normal.body),
		odd("not-json", "JSON that is none, and not UTF-8", ends, advice, "application/json", []byte("{\"error\": \xff\xfe oops")),
	}
}

func (k *checker) big(code *contract.Code) *scenario {
	return &scenario{
		name: "big-body", subject: "a long body comes with " + label(code), aim: aimBig, advice: k.contract.RetryFor(code, code.Status), code: code,
		reply: k.first1(func(time.Time) reply {
			r := k.fail(code, 0)
			r.body = append(r.body, []byte(strings.Repeat(" ", bigBody))...)
			return r
		}),
	}
}

func (k *checker) broken() *scenario {
	return &scenario{
		name: "reset", subject: "the connection is reset once the request has been read", aim: aimNetwork, advice: k.contract.Client.Network, path: []string{"client", "network"},
		reply: k.first1(func(time.Time) reply { return reply{ending: resets, said: "the connection is reset"} }),
	}
}

func (k *checker) redirect() *scenario {
	return &scenario{name: "redirect", subject: "the answer leads to another host", aim: aimRedirect, path: []string{"auth", "schemes"}, reply: func(int, time.Time) reply { return k.success(200) }}
}

// stops are codes that do not pass, one for each status and advice.
func (k *checker) stops() []*scenario {
	var list []*scenario
	seen := map[string]bool{}
	for _, code := range k.contract.Codes {
		advice := k.contract.RetryFor(code, code.Status)
		look := strconv.Itoa(code.Status) + string(advice)
		if advice.Retryable() || code.Status < 400 || seen[look] {
			continue
		}
		seen[look] = true
		list = append(list, &scenario{
			name: "stop-" + code.Slug, subject: "every answer is " + label(code), aim: aimStop, advice: advice, code: code, path: []string{"errors", code.Name, "retry"},
			reply: func(int, time.Time) reply { return k.fail(code, 0) },
		})
	}
	return list
}

func label(code *contract.Code) string { return strconv.Itoa(code.Status) + " " + code.Error() }

func (k *checker) success(status int) reply {
	h := http.Header{"Content-Type": {"application/json"}}
	return reply{status: status, header: h, body: k.config.Success, said: strconv.Itoa(status), ok: true}
}

// fail is a failure as the contract renders it, with the headers that it
// promises. A wait of 0 is not told.
func (k *checker) fail(code *contract.Code, wait time.Duration) reply {
	f := k.contract.SampleFailure(code)
	f.RequestID = k.contract.Headers.RequestID.Prefix + uuid.NewString()
	f.Time = time.Now()
	f.RetryAfter, f.HasRetryAfter = wait, wait > 0
	r := reply{header: http.Header{}, said: label(code), id: f.RequestID}
	var kind string
	r.body, r.status, kind = k.contract.AppendError(nil, &f)
	r.said = strconv.Itoa(r.status) + " " + code.Error()
	r.header.Set("Content-Type", kind)
	r.header.Set(k.contract.Headers.RequestID.Name, f.RequestID)
	if h := &k.contract.Headers.RateLimit; r.status == http.StatusTooManyRequests && h.On.Holds(r.status) {
		for name, value := range map[string]string{h.Limit: "60", h.Remaining: "0"} {
			if name != "" {
				r.header.Set(name, value)
			}
		}
	}
	k.contract.ErrorHeaders(&f, func(name, value string) { r.header.Set(name, value) })
	return r
}

func harmless(method string) bool {
	return slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, method)
}
