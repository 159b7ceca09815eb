//go:build !race

package sandbox_test

import "time"

const startBound = 20 * time.Millisecond
