package aionvision

import (
	"context"

	"github.com/failwell/failwell"
)

// tier is what a plan allows that its limits in the contract do not say.
type tier struct {
	image, video int64
	chunk        int64
	parallel     int
	retries      int
	batch        int
	// open is how many videos may be on their way at once: as many as uploads.
	open int
}

const (
	megabyte = 1_000_000
	// document is the longest document of any plan.
	maxDocument = 50 * megabyte
	// maxChunks of a video, as documented; its chunks grow where it needs more.
	maxChunks = 10_000
)

// tierOf is that of the caller's account. Where somebody else has let the call
// in, the plan is not known, and the contract's default holds.
func (h *api) tierOf(ctx context.Context) tier {
	plan := h.Contract.DefaultPlan
	if _, account := failwell.Caller(ctx); account != nil {
		for _, p := range h.Contract.Plans {
			if p.Name == account.Plan {
				plan = p
			}
		}
	}
	t := tiers(plan.Name)
	t.open = plan.Concurrency
	return t
}

// tiers are those of the site; the bounds of chunks, of parallel ones and of
// retries are the repository's, chunks scaled down by 160.
func tiers(plan string) tier {
	switch plan {
	case "free":
		return tier{image: 25 * megabyte, video: 1000 * megabyte, chunk: 64 << 10, parallel: 2, retries: 1, batch: 10}
	case "professional":
		return tier{image: 100 * megabyte, video: 5000 * megabyte, chunk: 128 << 10, parallel: 5, retries: 3, batch: 20}
	case "enterprise":
		return tier{image: 200 * megabyte, video: 10_000 * megabyte, chunk: 160 << 10, parallel: 10, retries: 5, batch: 50}
	}
	return tier{image: 50 * megabyte, video: 2000 * megabyte, chunk: 96 << 10, parallel: 3, retries: 2, batch: 20}
}
