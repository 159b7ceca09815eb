package failwell

import (
	"net/url"
	"time"
)

// MaxBody is how many bytes of a failure's body are looked at and kept.
const MaxBody = 64 << 10

// Attempt is one try of a call.
type Attempt struct {
	// At is when it began, Duration how long it took until the response's
	// headers, and for a failure its body, were there.
	At       time.Time
	Duration time.Duration
	// Status is 0 when no response came.
	Status int
	// Code is the code as sent, else the name of the condition.
	Code      string
	Condition Condition
	RequestID string
	// Reason says in a few words what went wrong.
	Reason string
	// Wait is how long the client waited after it; 0 for the last one.
	Wait time.Duration
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "http"
	}
	return u.Host
}
