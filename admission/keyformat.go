package admission

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/failwell/failwell/contract"
)

// MaxCredential is the longest credential in bytes that is looked at. Anything
// longer is malformed whatever its content, and costs no more than that.
const MaxCredential = 1024

// startKept is how many characters after the prefix are kept for recognition.
const startKept = 4

const (
	base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexDigits    = "0123456789abcdef"
	base62Sum    = 6 // 62^6 > 2^32
	hexSum       = 8
)

// Syntax is what a credential looks like before anything is looked up.
type Syntax uint8

const (
	// Foreign has none of the contract's prefixes.
	Foreign Syntax = iota
	// Unreadable is empty, longer than MaxCredential, not UTF-8 or holds NUL.
	Unreadable
	// Mistyped begins as the contract's keys do, but its length, its alphabet
	// or its checksum is wrong: nobody was ever given such a key.
	Mistyped
	// WellFormed could have been issued here.
	WellFormed
)

func (s Syntax) String() string {
	switch s {
	case Foreign:
		return "foreign"
	case Unreadable:
		return "unreadable"
	case Mistyped:
		return "mistyped"
	case WellFormed:
		return "well-formed"
	}
	return "unknown syntax"
}

// CheckSyntax tells a typo from a guess without a lookup: a key ends in a
// CRC-32 (IEEE) of all that stands before it, as 6 digits of base62 or 8 of
// hex. It returns the environment that a well-formed key belongs to. Its cost
// does not depend on where a key is wrong, and is bounded by MaxCredential.
func CheckSyntax(f contract.KeyFormat, credential string) (s Syntax, environment string) {
	if len(credential) == 0 || len(credential) > MaxCredential || !readable(credential) {
		return Unreadable, ""
	}
	for _, e := range f.Environments {
		if len(credential) < len(e.Prefix) || credential[:len(e.Prefix)] != e.Prefix {
			continue
		}
		if sound(f, credential, len(e.Prefix)) {
			return WellFormed, e.Name // prefixes may overlap, so that all are tried
		}
		s = Mistyped
	}
	return s, ""
}

func readable(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}

// sound reports whether what follows the prefix has the length, the alphabet
// and the checksum of the format.
func sound(f contract.KeyFormat, key string, prefix int) bool {
	digits, width := alphabetOf(f)
	if len(key)-prefix != f.Length || f.Length <= width {
		return false
	}
	body := len(key) - width
	in := isBase62
	if len(digits) == len(hexDigits) {
		in = isHex
	}
	all := in
	for i := prefix; i < body; i++ {
		all &= digitSets[key[i]]
	}
	var want [hexSum]byte
	appendSum(want[:0], digits, width, checksum(key[:body]))
	return all == in && string(want[:width]) == key[body:]
}

// checksum goes byte by byte: crc32.Update would put each key on the heap.
func checksum(s string) uint32 {
	sum := ^uint32(0)
	for i := range len(s) {
		sum = crc32.IEEETable[byte(sum)^s[i]] ^ sum>>8
	}
	return ^sum
}

const (
	isBase62 byte = 1 << iota
	isHex
)

// digitSets tells of which alphabets a byte is a digit.
var digitSets = func() (sets [256]byte) {
	for _, b := range []byte(base62Digits) {
		sets[b] |= isBase62
	}
	for _, b := range []byte(hexDigits) {
		sets[b] |= isHex
	}
	return sets
}()

func alphabetOf(f contract.KeyFormat) (digits string, checksum int) {
	if f.Alphabet == "hex" {
		return hexDigits, hexSum
	}
	return base62Digits, base62Sum
}

// appendSum writes a checksum with its most significant digit first.
func appendSum(dst []byte, digits string, width int, sum uint32) []byte {
	var b [hexSum]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = digits[sum%uint32(len(digits))]
		sum /= uint32(len(digits))
	}
	return append(dst, b[:width]...)
}

// ErrEnvironment says that the contract has no such environment.
var ErrEnvironment = errors.New("no such environment")

// Mint makes a key for an environment of the contract; "" means the first one.
// At the shortest length that a contract allows, its random part holds 178 bits
// of base62 or 180 of hex.
func Mint(f contract.KeyFormat, environment string, random io.Reader) (string, error) {
	prefix, ok := prefixOf(f, environment)
	if !ok {
		return "", fmt.Errorf("%w: %q", ErrEnvironment, environment)
	}
	digits, width := alphabetOf(f)
	key := append(make([]byte, 0, len(prefix)+f.Length), prefix...)
	key, err := appendRandom(key, digits, f.Length-width, random)
	if err != nil {
		return "", err
	}
	return string(appendSum(key, digits, width, checksum(string(key)))), nil
}

func prefixOf(f contract.KeyFormat, environment string) (string, bool) {
	for i, e := range f.Environments {
		if e.Name == environment || environment == "" && i == 0 {
			return e.Prefix, true
		}
	}
	return "", false
}

// appendRandom adds n digits, each equally likely: of six random bits, values
// beyond the alphabet are thrown away rather than folded.
func appendRandom(dst []byte, digits string, n int, random io.Reader) ([]byte, error) {
	mask := byte(0x3f)
	if len(digits) == len(hexDigits) {
		mask = 0x0f
	}
	var pool [64]byte
	for n > 0 {
		if _, err := io.ReadFull(random, pool[:]); err != nil {
			return nil, fmt.Errorf("admission: no randomness for a key: %w", err)
		}
		for _, b := range pool {
			if b &= mask; int(b) < len(digits) && n > 0 {
				dst = append(dst, digits[b])
				n--
			}
		}
	}
	return dst, nil
}

// startOf is the part of a key that is kept so that people recognise it: the
// prefix and a few characters of keys issued here, and of others no more than
// a quarter.
func startOf(f contract.KeyFormat, key string) string {
	kept := 0
	for _, e := range f.Environments {
		if s, _ := CheckSyntax(contract.KeyFormat{Environments: []contract.Environment{e}, Alphabet: f.Alphabet, Length: f.Length}, key); s == WellFormed {
			kept = len(e.Prefix) + startKept
		}
	}
	if kept == 0 {
		kept = min(len(key)/4, 12)
	}
	for kept > 0 && !utf8.RuneStart(key[kept]) {
		kept--
	}
	return key[:kept]
}
