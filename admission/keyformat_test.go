package admission

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/failwell/failwell/contract"
)

var keyFormats = map[string]contract.KeyFormat{
	"base62": {
		Environments: []contract.Environment{{Name: "live", Prefix: "acme_"}, {Name: "test", Prefix: "acme_test_"}},
		Alphabet:     "base62", Length: 36,
	},
	"hex": {Environments: []contract.Environment{{Name: "live", Prefix: "ak-"}}, Alphabet: "hex", Length: 53},
}

func TestMintedKeysAreWellFormed(t *testing.T) {
	t.Parallel()
	for name, f := range keyFormats {
		for _, e := range f.Environments {
			key, err := Mint(f, e.Name, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(key, e.Prefix) || len(key) != len(e.Prefix)+f.Length {
				t.Errorf("%s: %q does not have the form", name, key)
			}
			if s, environment := CheckSyntax(f, key); s != WellFormed || environment != e.Name {
				t.Errorf("%s: %q is %v of %q, want well-formed of %q", name, key, s, environment, e.Name)
			}
			if start := startOf(f, key); start != key[:len(e.Prefix)+4] {
				t.Errorf("%s: start of %q is %q", name, key, start)
			}
		}
	}
}

// TestChecksumIsStable pins the format: keys that people hold must stay valid.
func TestChecksumIsStable(t *testing.T) {
	t.Parallel()
	zero := bytes.NewReader(make([]byte, 1024))
	for name, want := range map[string]string{
		"base62": "acme_000000000000000000000000000000" + "0wD6cj",
		"hex":    "ak-" + strings.Repeat("0", 45) + "52118c5a",
	} {
		got, err := Mint(keyFormats[name], "", zero)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestOneWrongCharacterIsATypo is what a CRC promises: any change within 32
// bits is seen.
func TestOneWrongCharacterIsATypo(t *testing.T) {
	t.Parallel()
	for _, f := range keyFormats {
		rapid.Check(t, func(t *rapid.T) {
			key, err := Mint(f, "", rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			digits, _ := alphabetOf(f)
			at := rapid.IntRange(len(f.Environments[0].Prefix), len(key)-1).Draw(t, "at")
			digit := digits[rapid.IntRange(0, len(digits)-1).Draw(t, "digit")]
			if key[at] == digit {
				return
			}
			wrong := key[:at] + string(digit) + key[at+1:]
			if s, _ := CheckSyntax(f, wrong); s != Mistyped {
				t.Fatalf("%q made of %q is %v", wrong, key, s)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	t.Parallel()
	f := keyFormats["base62"]
	key, err := Mint(f, "test", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  string
		want Syntax
	}{
		"empty":            {"", Unreadable},
		"NUL":              {key[:20] + "\x00" + key[21:], Unreadable},
		"invalid UTF-8":    {"acme_\xff\xfe", Unreadable},
		"2 MB":             {"acme_" + strings.Repeat("a", 2<<20), Unreadable},
		"1 over the bound": {strings.Repeat("a", MaxCredential+1), Unreadable},
		"at the bound":     {strings.Repeat("a", MaxCredential), Foreign},
		"another API's":    {"sk_live_4242424242", Foreign},
		"cut":              {key[:len(key)-1], Mistyped},
		"a blank after":    {key + " ", Mistyped},
		"prefix only":      {"acme_", Mistyped},
		"other case":       {strings.ToLower(key[:len(key)-1]) + "A", Mistyped},
	} {
		if got, _ := CheckSyntax(f, c.key); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Mint(keyFormats["hex"], "staging", rand.Reader); !errors.Is(err, ErrEnvironment) {
		t.Errorf("unknown environment: %v", err)
	}
	if _, err := Mint(keyFormats["hex"], "live", strings.NewReader("too little")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends: %v", err)
	}
}

// TestDigitsAreEquallyLikely: chi-squared over 310,000 digits stays under the
// value that chance exceeds once in 10^9.
func TestDigitsAreEquallyLikely(t *testing.T) {
	t.Parallel()
	const n = 310_000
	digits, err := appendRandom(nil, base62Digits, n, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expected := float64(n) / float64(len(base62Digits))
	var chi float64
	for _, d := range []byte(base62Digits) {
		off := float64(bytes.Count(digits, []byte{d})) - expected
		chi += off * off / expected
	}
	if chi > 142 || math.IsNaN(chi) {
		t.Errorf("chi-squared with 61 degrees of freedom is %.1f", chi)
	}
}

func TestStartOfImportedKeys(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"abc": "", "hunter2!": "hu", "日本語日本語": "日", strings.Repeat("x", 100): strings.Repeat("x", 12),
	} {
		if got := startOf(keyFormats["base62"], key); got != want {
			t.Errorf("start of %q is %q, want %q", key, got, want)
		}
	}
}

func FuzzKeySyntax(f *testing.F) {
	key, err := Mint(keyFormats["base62"], "test", rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key)
	f.Add("acme_test_")
	f.Add("ak-" + strings.Repeat("0", 53))
	f.Add("\x00\xff")
	f.Fuzz(func(t *testing.T, credential string) {
		for _, format := range keyFormats {
			s, environment := CheckSyntax(format, credential)
			prefix, known := prefixOf(format, environment)
			switch s {
			case WellFormed:
				if !known || len(credential) != len(prefix)+format.Length {
					t.Fatalf("%q cannot be a key of %q", credential, environment)
				}
			case Mistyped, Foreign, Unreadable:
				if environment != "" {
					t.Fatalf("%v key has environment %q", s, environment)
				}
			default:
				t.Fatalf("%q: %v", credential, s)
			}
		}
		if s, _ := CheckSyntax(keyFormats["base62"], credential); s != Unreadable {
			if start := startOf(keyFormats["base62"], credential); !strings.HasPrefix(credential, start) {
				t.Fatalf("%q does not start with %q", credential, start)
			}
		}
	})
}

func BenchmarkCheckSyntax(b *testing.B) {
	f := keyFormats["base62"]
	key, err := Mint(f, "test", rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := CheckSyntax(f, key); s != WellFormed {
			b.Fatal(s)
		}
	}
}
