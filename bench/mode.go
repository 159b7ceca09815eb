package main

import "fmt"

// mode is what every target is asked to do while it is loaded.
type mode struct {
	name  string
	title string
	path  string
	// keyed requests carry one of the keys in turn.
	keyed bool
	// status is what nearly all answers have.
	status int
	// rate is what each key may call per second, and at once.
	rate int
}

const (
	neverReached = 5000 // per key and second; the load is far below it
	soonReached  = 1
)

func allModes() []mode {
	return []mode{
		{
			name: "plain", title: "Plain: every request goes to the upstream, nothing is asked of the caller",
			path: "/open", status: 200, rate: neverReached,
		},
		{
			name: "keys", title: "Keys and limits: 100 keys, each with a rate limit that is never reached",
			path: "/v1/item", keyed: true, status: 200, rate: neverReached,
		},
		{
			name: "429", title: "429: 100 keys, each far over its limit",
			path: "/v1/item", keyed: true, status: 429, rate: soonReached,
		},
		{
			name: "401", title: "401: requests without a key",
			path: "/v1/item", status: 401, rate: neverReached,
		},
	}
}

func modeNamed(name string) (mode, error) {
	for _, m := range allModes() {
		if m.name == name {
			return m, nil
		}
	}
	return mode{}, fmt.Errorf("no mode is called %q, there are plain, keys, 429, 401", name)
}

// refuses reports whether answers come from the target itself.
func (m mode) refuses() bool { return m.status >= 400 }

// burst is what a key may call at once: limits that are meant to be reached allow
// no burst, so that they are reached at once.
func (m mode) burst() int {
	if m.rate == soonReached {
		return 0
	}
	return m.rate
}
