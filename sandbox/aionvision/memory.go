package aionvision

import (
	"sync/atomic"
	"time"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

// budget bounds what uploads hold in memory together.
type budget struct {
	limit int64
	used  atomic.Int64
}

const (
	// memoryLimit has room for two of the longest uploads.
	memoryLimit = 256 << 20
	// memoryWait is what a caller is told to wait: uploads over loopback take less.
	memoryWait = time.Second
)

// enter takes room for n bytes, until leave.
func (b *budget) enter(n int64) error {
	if used := b.used.Add(n); used > b.limit {
		b.used.Add(-n)
		return failwell.FromCondition(condition.Overloaded, nil).With("limit", b.limit).With("used", used-n).WithRetryAfter(memoryWait)
	}
	return nil
}

func (b *budget) leave(n int64) { b.used.Add(-n) }
