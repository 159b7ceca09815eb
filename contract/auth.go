package contract

// Auth says how a caller proves who it is. No Schemes: every operation is public.
type Auth struct {
	Schemes []Scheme
	Key     KeyFormat
}

// Scheme is one place where a key may stand.
type Scheme struct {
	// In is "header" or "query".
	In string
	// Name of the header or query parameter.
	Name string
	// Prefix before the key, for example "Bearer "; compared without case.
	Prefix string
}

// KeyFormat is the form of keys that failwell issues for this contract.
type KeyFormat struct {
	Environments []Environment
	// Alphabet is "base62" or "hex".
	Alphabet string
	// Length counts the characters after the prefix, checksum included.
	Length int
}

// Environment is a kind of key, for example live and test.
type Environment struct{ Name, Prefix string }
