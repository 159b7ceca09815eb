package contract

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Errors of [ReadFile]; compare with errors.Is.
var (
	ErrDirectory = errors.New("a directory is no contract")
	ErrDevice    = errors.New("a device is no contract")
)

// ReadFile reads the file of a contract or of an OpenAPI document, which may be
// a pipe, but not a device: many have no end. It reads one byte more than the
// 8 MiB that such a file may have, so that those who parse it can tell.
func ReadFile(file fs.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	switch {
	case info.IsDir():
		return nil, ErrDirectory
	case info.Mode()&(fs.ModeDevice|fs.ModeCharDevice) != 0:
		return nil, ErrDevice
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return data, nil
}

func readFrom(files fs.FS, name string) ([]byte, error) {
	file, err := files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	return ReadFile(file)
}
