package contract_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/failwell/failwell/contract"
)

// endless is a pipe or a device that never ends.
type endless struct {
	fstest.MapFS

	read int64
}

func (e *endless) Open(name string) (fs.File, error) {
	f, err := e.MapFS.Open(name)
	return &endlessFile{f, e}, err
}

type endlessFile struct {
	fs.File

	of *endless
}

func (f *endlessFile) Read(p []byte) (int, error) {
	if f.of.read += int64(len(p)); f.of.read > 64<<20 {
		return 0, io.ErrUnexpectedEOF
	}
	clear(p)
	return len(p), nil
}

func TestReadingHasAnEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode fs.FileMode
		want string
		is   error
	}{
		"file":      {0, "the contract is longer than 8 MiB", nil},
		"pipe":      {fs.ModeNamedPipe, "the contract is longer than 8 MiB", nil},
		"device":    {fs.ModeDevice | fs.ModeCharDevice, "", contract.ErrDevice},
		"directory": {fs.ModeDir, "", contract.ErrDirectory},
	} {
		files := &endless{MapFS: fstest.MapFS{"c": {Mode: c.mode}}}
		_, err := contract.ReadFrom(files, "c", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: got %v", name, err)
		}
		if files.read > 32<<20 {
			t.Errorf("%s: %d bytes were read", name, files.read)
		}
	}
}
