package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is where a running gateway leaves the token of its admin listener,
// by the address that it listens on: below XDG_RUNTIME_DIR, or the user's cache
// folder where there is none. Only the user who runs the gateway can read it.
func TokenFile(adminAddr string) (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the admin token: %w", err)
		}
		dir = cache
	}
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(strings.Replace(adminAddr, "localhost", "127.0.0.1", 1)))
	return filepath.Join(dir, "failwell", "admin-"+name+".token"), nil
}

// ReadToken returns the token of the gateway whose admin listener is at an
// address of this machine. It fails when no gateway of this user runs there.
func ReadToken(adminAddr string) (string, error) {
	file, err := TokenFile(adminAddr)
	if err != nil {
		return "", err
	}
	token, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no gateway of this user has its admin listener at %s (looked for %s)", adminAddr, file)
	}
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}

// leaveToken makes a token and puts it into its file, at once and whole. remove
// takes it away, unless another gateway has put its own there since.
func leaveToken(adminAddr string) (token string, remove func() error, err error) {
	file, err := TokenFile(adminAddr)
	if err != nil {
		return "", nil, err
	}
	token = rand.Text() + rand.Text() // 260 bits
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("admin token: %w", err)
	}
	if err := private(dir); err != nil {
		return "", nil, err
	}
	temporary, err := os.CreateTemp(dir, ".token-") // 0600
	if err != nil {
		return "", nil, fmt.Errorf("admin token: %w", err)
	}
	_, err = temporary.WriteString(token + "\n")
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("admin token: %w", err), os.Remove(temporary.Name()))
	}
	return token, func() error {
		if now, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(now)) != token {
			return nil //nolint:nilerr // it is gone, or somebody else's
		}
		return os.Remove(file)
	}, nil
}

// private refuses a folder in which others could read or replace the token.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("admin token: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("admin token: %s is open to others, make it a folder of mode 0700", dir)
	}
	return nil
}
