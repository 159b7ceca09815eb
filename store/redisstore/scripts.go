package redisstore

import (
	_ "embed" // the scripts

	"github.com/redis/rueidis"
)

// What the scripts of the store answer beside a version.
const (
	answerConflict = 0
	answerAbsent   = -1
	answerForeign  = -2
)

var (
	//go:embed lua/swap.lua
	swapSource string
	//go:embed lua/delete.lua
	deleteSource string
	//go:embed lua/sweep.lua
	sweepSource string
	//go:embed lua/clock.lua
	clockSource string

	//go:embed lua/rates.lua
	ratesSource string
	//go:embed lua/counters.lua
	countersSource string
	//go:embed lua/take.lua
	takeSource string
	//go:embed lua/settle.lua
	settleSource string
	//go:embed lua/settle_end.lua
	settleEndSource string

	takeScript   = rueidis.NewLuaScript(ratesSource + countersSource + takeSource)
	settleScript = rueidis.NewLuaScript(settleSource + countersSource + settleEndSource)
	swapScript   = rueidis.NewLuaScript(swapSource)
	deleteScript = rueidis.NewLuaScript(deleteSource)
	sweepScript  = rueidis.NewLuaScript(sweepSource)
	clockScript  = rueidis.NewLuaScript(clockSource)
)
