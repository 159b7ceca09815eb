//go:build unix

package servers

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is whom servers run as: nil is who runs the test.
type account struct {
	name     string
	uid, gid uint32
}

// unprivileged is the first of the named users that the system has, if this
// process is root's; PostgreSQL refuses to run as root.
func unprivileged(names ...string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is this process's own user.
	}
	for _, name := range names {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("servers: the ids of user %s: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("servers: none of the users %s exists, and the server refuses to run as root", strings.Join(names, ", "))
}

// command runs as the account, in dir, without the variables of this process
// that a server or its tools would obey.
func (a *account) command(dir, program string, args ...string) *exec.Cmd {
	//nolint:noctx // servers are ended in order, not with a test's context.
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(append(os.Environ(), "LC_ALL=C", "HOME="+dir), func(v string) bool { return strings.HasPrefix(v, "PG") })
	// A group of its own: Ctrl-C in the terminal reaches the test, which ends it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return cmd
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("servers: handing a file to %s: %w", a.name, err)
	}
	return nil
}

// folder makes a temporary folder that the account owns and can reach: the
// usual place may lie in one that only root may enter.
func (a *account) folder(pattern string) (string, error) {
	var refused []string
	for _, place := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !a.reaches(place) {
			refused = append(refused, place)
			continue
		}
		dir, err := os.MkdirTemp(place, pattern)
		if err != nil {
			return "", fmt.Errorf("servers: a temporary folder: %w", err)
		}
		return dir, a.own(dir)
	}
	return "", fmt.Errorf("servers: user %s cannot enter any of %s; set TMPDIR to a folder that it can", a.name, strings.Join(refused, ", "))
}

func (a *account) reaches(dir string) bool {
	if a == nil {
		return true
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// verifierOf is what the server keeps of a password (RFC 5803), made in one round
// where it would take 4,096: tests open thousands of connections.
func verifierOf(password string) (string, error) {
	salt := []byte("failwell")
	salted, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	sign := func(text string) []byte {
		mac := hmac.New(sha256.New, salted)
		_, _ = mac.Write([]byte(text)) // it never fails
		return mac.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return "SCRAM-SHA-256$1:" + encode(salt) + "$" + encode(stored[:]) + ":" + encode(sign("Server Key")), nil
}

// copyTree copies a folder of plain files and folders for the account.
func copyTree(from, to string, a *account) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if entry.IsDir() {
			err = os.Mkdir(target, 0o700) //nolint:gosec // G122: both folders are this process's own
		} else {
			err = copyFile(path, target)
		}
		if err != nil {
			return err
		}
		return a.own(target)
	})
	if err != nil {
		return fmt.Errorf("servers: copying a cluster: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("servers: %w", err)
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
