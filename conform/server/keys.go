package server

import (
	"crypto/rand"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// Names of keys.
const (
	validKey = "valid"
	otherKey = "other"
	// unknownKey, malformedKey and alteredKey are made by the check.
	unknownKey   = "unknown"
	malformedKey = "malformed"
	alteredKey   = "altered"
)

// states are the keys that are refused for what they are.
var states = []struct {
	name string
	want condition.Condition
	is   string
}{
	{"expired", condition.KeyExpired, "a key that has expired"},
	{"revoked", condition.KeyRevoked, "a key that was revoked"},
	{"deactivated", condition.KeyDeactivated, "a key that is switched off"},
	{"suspended", condition.AccountSuspended, "a key of a suspended account"},
	{"unpaid", condition.PaymentRequired, "a key of an account that has to pay"},
}

// KeyNames are the keys that a check can be given.
func KeyNames() []string {
	names := make([]string, 0, 3+len(states))
	names = append(names, validKey, otherKey, "read_only")
	for _, s := range states {
		names = append(names, s.name)
	}
	return names
}

// key is the key of that name; those that the check makes are always the same
// within a run, so that a command line with them can be repeated.
func (k *checker) key(name string) string {
	switch name {
	case unknownKey:
		return unknownOf(k.contract)
	case malformedKey:
		return unheard
	case alteredKey:
		return k.altered()
	}
	return k.config.Keys[name]
}

// unknownOf is a key in the contract's form that nobody has issued: prefix,
// digits, and a CRC-32 (IEEE) of all that in the last 6 digits of base62 or 8 of
// hex, so that it is not taken for a typo where typos are told apart.
func unknownOf(c *contract.Contract) string {
	form := c.Auth.Key
	if len(form.Environments) == 0 {
		return unheard + "-unknown-key"
	}
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits, width := base62, 6
	if form.Alphabet == "hex" {
		digits, width = "0123456789abcdef", 8
	}
	var b strings.Builder
	b.WriteString(form.Environments[len(form.Environments)-1].Prefix)
	for i := range form.Length - width {
		b.WriteByte(digits[(i*7+3)%len(digits)])
	}
	sum := crc32.ChecksumIEEE([]byte(b.String()))
	tail := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		tail[i] = digits[sum%uint32(len(digits))]
		sum /= uint32(len(digits))
	}
	return b.String() + string(tail)
}

// altered is a key of a state that must be told to nobody who lacks one
// character of it; "" when no such key is given.
func (k *checker) altered() string {
	for _, s := range states {
		key := k.config.Keys[s.name]
		if len(key) < 8 {
			continue
		}
		at := len(key) / 2
		other := byte('0')
		if key[at] == other {
			other = '1'
		}
		return key[:at] + string(other) + key[at+1:]
	}
	return ""
}

// variable is the name of the shell variable that stands for a key.
func variable(name string) string {
	if name == validKey {
		return "KEY"
	}
	return "KEY_" + strings.ToUpper(name)
}

// freshKey is an idempotency key that was never used.
func freshKey() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // it never fails
	return unheard + "-" + hex.EncodeToString(b[:])
}
