package record

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// What the store holds, by key. NAME is the instant at which the block begins,
// turned round so that the newest comes first, the recorder, and a number:
//
//	record/b/NAME      the body of a block: its records
//	record/t/NAME      its head, as long as it is not in the index
//	record/h/NAME      its head, once it is
//	record/i/PP/GROUP  for one of 256 parts of the hashes, in which blocks they are
//	record/g/GROUP     the blocks of a group, which have been indexed together
//	record/a/AT/NODE   counts of one step of time
const (
	bodyPrefix  = Prefix + "b/"
	tailPrefix  = Prefix + "t/"
	headPrefix  = Prefix + "h/"
	indexPrefix = Prefix + "i/"
	groupPrefix = Prefix + "g/"
	countPrefix = Prefix + "a/"
)

// Prefix begins the key of everything that a Log keeps in a store.
const Prefix = "record/"

// turned is an instant as names begin with it: later ones sort first.
func turned(at int64) string { return fmt.Sprintf("%016x", math.MaxInt64-at) }

func turnedBack(name string) (at int64, ok bool) {
	if len(name) < 16 {
		return 0, false
	}
	n, err := strconv.ParseInt(name[:16], 16, 64)
	return math.MaxInt64 - n, err == nil && n >= 0
}

func nameOf(at int64, node string, number uint64) string {
	return turned(at) + "/" + node + "/" + strconv.FormatUint(number, 36)
}

// nodeOf is the recorder in a name.
func nodeOf(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	node, _, _ := strings.Cut(rest, "/")
	return node
}

func partPrefix(term uint64) string { return fmt.Sprintf("%s%02x/", indexPrefix, term>>56) }
