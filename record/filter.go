package record

// role is what a term stands for.
type role uint8

// The roles. Those of single requests come first.
const (
	noTerm role = iota
	byID
	byTrace
	byHash
	byAccount
	byKey
	byCode
	byOperation
	byClass
)

var classNames = [...]string{"0", "1", "2", "3", "4", "5"}

// termOf is the hash of a text in a role, the same in every process: FNV-1a,
// and a finish that spreads it over all bits (the one of MurmurHash3).
func termOf(of role, s string) uint64 {
	h := (uint64(14695981039346656037) ^ uint64(of)) * 1099511628211
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// filter tells which terms a set may hold (a Bloom filter): with 10 bits and 7
// looks for each term, 1 in 120 of those that it does not hold seems to be there.
type filter []byte

const (
	bitsPerTerm = 10
	looks       = 7
)

func newFilter(terms []uint64) filter {
	f := make(filter, len(terms)*bitsPerTerm/8+1)
	for _, t := range terms {
		for i := range uint64(looks) {
			bit := (t + i*(t>>32|1)) % uint64(len(f)*8)
			f[bit/8] |= 1 << (bit % 8)
		}
	}
	return f
}

func (f filter) mayHold(t uint64) bool {
	if len(f) == 0 {
		return true
	}
	for i := range uint64(looks) {
		bit := (t + i*(t>>32|1)) % uint64(len(f)*8)
		if f[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

// mayMatch reports whether a block with the filter may have records that q means.
func (f filter) mayMatch(q *Query) bool {
	for _, c := range [...]struct {
		of   role
		text string
	}{
		{byID, q.ID}, {byTrace, q.Trace}, {byHash, q.Hash}, {byAccount, q.Account}, {byKey, q.Key}, {byCode, q.Code}, {byOperation, q.Operation},
	} {
		if c.text != "" && !f.mayHold(termOf(c.of, c.text)) {
			return false
		}
	}
	if q.Failed {
		return f.mayHold(termOf(byClass, "0")) || f.mayHold(termOf(byClass, "4")) || f.mayHold(termOf(byClass, "5"))
	}
	return true
}
