package client

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// about reports whether a run is about one of these, and got as far as a request.
func (r *run) about(aims ...aim) bool {
	return len(r.attempts) > 0 && slices.Contains(aims, r.scenario.aim)
}

// gap is the wait before a try, counted from the answer to the one before.
func gap(tries []attempt, i int) time.Duration { return tries[i].at - tries[i-1].done }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func judgeRepeats(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimHint, aimOnce, aimNetwork, aimBig) || !r.scenario.advice.Retryable() || !k.repeatable(r, &r.attempts[0]) {
		return false, ""
	}
	return true, cameBack(r)
}

// cameBack says what is wrong with a program that was to try a second time.
func cameBack(r *run) string {
	switch tries := r.tries(); {
	case len(tries) < 2 && r.killed:
		return "it had not come back after " + seconds(r.ended-tries[0].done)
	case len(tries) < 2:
		return fmt.Sprintf("it gave up after one try, with status %d", r.exit)
	case r.killed:
		return "its second try succeeded, and it did not end"
	case r.exit != 0:
		return fmt.Sprintf("its second try succeeded, and it ended with status %d", r.exit)
	}
	return ""
}

func judgeStops(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimStop) {
		return false, ""
	}
	tries := r.tries()
	if len(tries) <= len(k.good.tries()) {
		return true, ""
	}
	if r.scenario.advice == condition.NewKey && len(k.keys(tries)) == len(tries) {
		return true, ""
	}
	return true, fmt.Sprintf("it was sent %d times", len(tries))
}

func judgeSuccess(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimSuccess) {
		return false, ""
	}
	if n, once := len(r.tries()), len(k.good.tries()); n > once {
		return true, fmt.Sprintf("it was sent %d times", n)
	}
	if r.exit != 0 && !r.killed {
		return true, fmt.Sprintf("it ended with status %d", r.exit)
	}
	return true, ""
}

func judgeAttempts(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimDown, aimRefused) {
		return false, ""
	}
	if n := len(r.tries()); n > k.contract.Client.Attempts {
		return true, fmt.Sprintf("it was sent %d times", n)
	}
	return true, ""
}

func judgeDead(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimDead) {
		return false, ""
	}
	allowed := k.contract.Client.Attempts
	if !k.contract.Client.Network.Retryable() {
		allowed = 1
	}
	if n := len(r.attempts); n > allowed {
		return true, fmt.Sprintf("it connected %d times in %s", n, seconds(r.ended))
	}
	return true, k.tooSoon(r, r.attempts)
}

// tooSoon is the first wait that is shorter than the contract's.
func (k *checker) tooSoon(r *run, tries []attempt) string {
	for i := 1; i < len(tries); i++ {
		least := k.contract.Client.Backoff.Wait(i-1, 0)
		if wait, ok := k.contract.Client.DefaultWaits[tries[i-1].reply.status]; ok && r.scenario.aim != aimDead {
			least = wait
		}
		if got := gap(tries, i); got < least-early {
			return fmt.Sprintf("wait %d was %s, where %s is the least", i, seconds(got), seconds(least))
		}
	}
	return ""
}

func judgeHint(_ *checker, r *run) (tried bool, seen string) {
	if !r.about(aimHint) || len(r.tries()) < 2 {
		return false, ""
	}
	tries := r.tries()
	until := tries[0].reply.until.Sub(r.began)
	if tries[1].at < until-early {
		return true, fmt.Sprintf("it came back after %s, where %s were asked for", seconds(gap(tries, 1)), seconds(until-tries[0].done))
	}
	return true, ""
}

func judgeLong(_ *checker, r *run) (tried bool, seen string) {
	switch tries := r.tries(); {
	case !r.about(aimLong):
		return false, ""
	case len(tries) > 1:
		return true, "it came back after " + seconds(gap(tries, 1))
	case r.killed:
		return true, "it was still waiting after " + seconds(r.ended-tries[0].done)
	}
	return true, ""
}

func judgeBackoff(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimDown, aimOnce) || len(r.tries()) < 2 {
		return false, ""
	}
	return true, k.tooSoon(r, r.tries())
}

// judgeJitter looks at the shortest waits: one that was held up by a busy
// machine says nothing.
func judgeJitter(k *checker, runs []*run) (tried int, seen string, of *run) {
	var waits []time.Duration
	for _, r := range runs {
		if r.about(aimOnce) && len(r.tries()) > 1 {
			waits, of = append(waits, gap(r.tries(), 1)), r
		}
	}
	if len(waits) < jitterRuns {
		return 0, "", nil
	}
	slices.Sort(waits)
	low, high := waits[0], waits[len(waits)-2]
	if high-low < k.jitterWidth()/10 {
		return len(waits), fmt.Sprintf("%d of %d first waits lie between %s and %s", len(waits)-1, len(waits), seconds(low), seconds(high)), of
	}
	return len(waits), "", nil
}

func judgeLastWait(k *checker, r *run) (tried bool, seen string) {
	tries := r.tries()
	if !r.about(aimDown) || len(tries) < 2 || r.killed {
		return false, ""
	}
	last := tries[len(tries)-1]
	if idle := r.ended - last.done; idle > max(lastWait, gap(tries, len(tries)-1)*7/10, k.slowestEnd()*3/2) {
		return true, fmt.Sprintf("it ended %s after its last answer", seconds(idle))
	}
	return true, ""
}

// slowestEnd is how long the program has taken at most to end once it had
// succeeded: what ending takes by itself, on this machine.
func (k *checker) slowestEnd() time.Duration {
	var slowest time.Duration
	for _, r := range k.runs {
		if n := len(r.attempts); n > 0 && r.exit == 0 && !r.killed && r.attempts[n-1].reply.ok {
			slowest = max(slowest, r.ended-r.attempts[n-1].done)
		}
	}
	return slowest
}

func judgeUnsafe(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimOnce, aimDown, aimNetwork, aimOdd, aimBig) || k.safe(r, &r.attempts[0]) {
		return false, ""
	}
	if n := len(r.tries()); n > 1 {
		return true, fmt.Sprintf("%s was sent %d times, without a key", r.attempts[0].method, n)
	}
	return true, ""
}

// keys are the different idempotency keys of tries.
func (k *checker) keys(tries []attempt) []string {
	var keys []string
	for i := range tries {
		if key := tries[i].header.Get(k.contract.Idempotency.Header); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func judgeSameKey(k *checker, r *run) (tried bool, seen string) {
	tries := r.tries()
	if !r.about(aimHint, aimOnce, aimDown, aimNetwork, aimOdd, aimBig) || len(tries) < 2 || k.keyOf(&tries[0]) == "" {
		return false, ""
	}
	if keys := k.keys(tries); len(keys) > 1 {
		for i := range keys {
			keys[i] = short(keys[i])
		}
		return true, fmt.Sprintf("%d tries had %d keys: %s", len(tries), len(keys), strings.Join(keys, ", "))
	}
	return true, ""
}

func judgeKeySent(k *checker, r *run) (tried bool, seen string) {
	if r != k.good || !slices.Contains(k.contract.Idempotency.Methods, k.first.method) {
		return false, ""
	}
	if o := k.operation(k.first); o != nil && o.Idempotency == "off" {
		return false, ""
	}
	if k.keyOf(k.first) == "" {
		return true, fmt.Sprintf("%s %s came without %s", k.first.method, k.first.uri, k.contract.Idempotency.Header)
	}
	return true, ""
}

func judgeSameRequest(k *checker, r *run) (tried bool, seen string) {
	tries := r.tries()
	if !r.about(aimHint, aimOnce, aimDown, aimNetwork, aimOdd, aimBig) || len(tries) < 2 {
		return false, ""
	}
	for i := range tries[1:] {
		again := &tries[i+1]
		if again.body != tries[0].body {
			return true, fmt.Sprintf("try %d had a body of %d bytes, the first one of %d", i+2, again.length, tries[0].length)
		}
		for _, name := range append(k.credentials(), "Content-Type", "Accept") {
			if was, is := tries[0].header.Get(name), again.header.Get(name); was != is {
				return true, fmt.Sprintf("try %d had another %s", i+2, name)
			}
		}
	}
	return true, ""
}

// credentials are the headers in which the contract has keys.
func (k *checker) credentials() []string {
	var names []string
	for _, s := range k.contract.Auth.Schemes {
		if s.In == "header" {
			names = append(names, s.Name)
		}
	}
	return names
}

func judgeOdd(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimOdd) {
		return false, ""
	}
	repeat := r.scenario.advice.Retryable() && k.repeatable(r, &r.attempts[0])
	switch {
	case repeat:
		return true, cameBack(r)
	case r.killed:
		return true, "it was still running after " + seconds(r.ended)
	case len(r.tries()) == 1 && r.exit == 0 && bytes.Equal(r.output, k.good.output):
		return true, "it took the answer for a success"
	}
	return true, ""
}

func judgeTold(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimDown, aimStop, aimDead, aimLong, aimRefused) || r.killed {
		return false, ""
	}
	if r.exit == 0 && bytes.Equal(r.output, k.good.output) {
		return true, "it ended with status 0, and wrote what it writes after a success"
	}
	return true, ""
}

func judgeID(_ *checker, r *run) (tried bool, seen string) {
	if !r.about(aimDown, aimStop, aimRefused) || r.killed {
		return false, ""
	}
	for _, a := range r.tries() {
		if r.tells(a.reply.id) {
			return true, ""
		}
	}
	return true, "no id of its failures is in what it wrote, as " + short(r.attempts[0].reply.id)
}

func judgeEnds(k *checker, r *run) (tried bool, seen string) {
	if len(r.attempts) == 0 || r.about(aimLong) {
		return false, ""
	}
	if r.about(aimDown, aimDead, aimRefused) && k.longestWaits() > k.config.Patience {
		return false, ""
	}
	if r.killed {
		return true, "it was still running after " + seconds(r.ended)
	}
	return true, ""
}

func judgeHome(k *checker, r *run) (tried bool, seen string) {
	if !r.about(aimRedirect) || len(r.strayed) == 0 {
		return false, ""
	}
	for i := range r.strayed {
		a := &r.strayed[i]
		if strings.Contains(a.uri, k.key) {
			return true, "the key is in the address that the other host was asked for"
		}
		for name, values := range a.header {
			if strings.Contains(strings.Join(values, "\n"), k.key) {
				return true, name + " went to the other host"
			}
		}
	}
	return true, ""
}

// judgeReuse finds programs that mostly open connections; a single one more says
// only that the program was held up.
func judgeReuse(_ *checker, runs []*run) (tried int, seen string, of *run) {
	opened := 0
	for _, r := range runs {
		tries := r.tries()
		if !r.about(aimHint, aimOnce, aimDown, aimBig) || len(tries) < 2 {
			continue
		}
		tried++
		if tries[0].connection == tries[len(tries)-1].connection {
			continue
		}
		opened++
		if of == nil || r.scenario.aim == aimBig {
			of = r
		}
	}
	if opened == 0 || 2*opened <= tried && of.scenario.aim != aimBig {
		return tried, "", nil
	}
	return tried, fmt.Sprintf("%d of %d calls opened another connection for their next try", opened, tried), of
}
