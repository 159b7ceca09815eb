//go:build race

package sandbox_test

import "time"

// startBound: the race detector slows everything down.
const startBound = 200 * time.Millisecond
