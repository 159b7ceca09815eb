//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// plan is what the environment asks for.
type plan struct {
	point  Point
	left   atomic.Int64 // hits until it happens
	signal syscall.Signal
}

var armed = sync.OnceValue(func() *plan {
	p, err := parse(os.Getenv(Variable))
	if err != nil {
		// A campaign whose points never fire would prove nothing.
		panic(err)
	}
	return p
})

func parse(text string) (*plan, error) {
	if text == "" {
		return &plan{}, nil
	}
	name, rest, _ := strings.Cut(text, ":")
	count, action, _ := strings.Cut(rest, ":")
	p := &plan{point: Point(name), signal: syscall.SIGKILL}
	p.left.Store(1)
	if !p.point.known() {
		return nil, fmt.Errorf("%s: there is no point %q, see internal/failpoint", Variable, name)
	}
	if count != "" {
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s: %q is no number of a hit, write 1 or more", Variable, count)
		}
		p.left.Store(n)
	}
	switch action {
	case "", "kill":
	case "stall":
		p.signal = syscall.SIGSTOP
	default:
		return nil, fmt.Errorf("%s: %q is no action, write kill or stall", Variable, action)
	}
	return p, nil
}

func (p Point) known() bool {
	for _, x := range Points() {
		if x == p {
			return true
		}
	}
	return false
}

// Hit kills or stops the process if p is armed and this is the hit it waits for.
func Hit(p Point) {
	a := armed()
	if a.point != p || a.left.Add(-1) != 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "failpoint: %s, %s\n", p, a.signal)
	if err := syscall.Kill(os.Getpid(), a.signal); err != nil {
		panic(err)
	}
	if a.signal == syscall.SIGKILL {
		select {} // the signal may take a moment; nothing must happen in it
	}
	// Another thread may take it, and this one run on until that has stopped them all.
	time.Sleep(stopsWithin)
}

// stopsWithin is how long a point holds its goroutine after the signal to stop, which
// takes microseconds; a process that goes on again is that much later.
const stopsWithin = 20 * time.Millisecond
