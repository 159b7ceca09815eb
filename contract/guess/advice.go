package guess

import (
	"strings"
	"time"

	"github.com/failwell/failwell/contract/condition"
)

// longestWait is the longest hint that turns a spent quota into a wait.
const longestWait = 24 * time.Hour

// advise derives the retry advice from the condition, the hint and what the
// response says outright.
func (x *reading) advise(c condition.Condition, wait time.Duration, hinted bool) condition.Retry {
	entry, _ := condition.Lookup(c)
	retry := entry.Retry
	switch {
	case c == condition.Unknown && x.status >= 500:
		retry = condition.Backoff
	case c == condition.ResourceConflict && x.passing():
		retry = condition.Backoff
	case c == condition.QuotaExhausted && hinted && wait <= longestWait:
		retry = condition.AfterWait
	case x.status == 501:
		retry = condition.Never
	case c == condition.ProcessingFailed && x.status == 503, x.status == 503 && retry == condition.Never && family(c) == "server":
		retry = condition.Backoff
	}
	if retry == condition.Backoff && hinted {
		retry = condition.AfterWait
	}
	if again, said := x.outright(); said {
		switch {
		case again && !retry.Retryable():
			retry = condition.Backoff
			if hinted {
				retry = condition.AfterWait
			}
		case !again && retry.Retryable():
			retry = condition.Never
		}
	}
	return retry
}

// passing holds for conflicts that end by themselves: locks, work in progress.
func (x *reading) passing() bool {
	for _, token := range append(tokenise(x.code.text), tokenise(x.message.text)...) {
		switch token {
		case "lock", "locked", "progress", "processing", "aborted", "concurrent", "concurrently", "deadlock", "serialize", "serialization", "busy":
			return true
		}
	}
	return x.status == 423
}

// outright reads booleans that say whether to retry.
func (x *reading) outright() (again, said bool) {
	for _, name := range x.head.names {
		if strings.HasSuffix(name, "should-retry") || strings.HasSuffix(name, "retryable") || strings.HasSuffix(name, "can-retry") {
			switch strings.ToLower(x.head.first(name)) {
			case "true", "1", "yes":
				return true, true
			case "false", "0", "no":
				return false, true
			}
		}
	}
	for _, s := range x.scopes {
		n := s.n.get("retryable", "isretryable", "canretry", "shouldretry", "istransient", "transient", "retriable", "isretriable", "retry", "temporary")
		if n.is(kindBool) || n.is(kindString) {
			switch strings.ToLower(n.text) {
			case "true":
				return true, true
			case "false":
				return false, true
			}
		}
	}
	return false, false
}
