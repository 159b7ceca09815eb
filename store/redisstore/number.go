package redisstore

import (
	"encoding/binary"
	"math"
)

// appendNumber appends n as the scripts read numbers.
func appendNumber(b []byte, n int64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
}
