package store

import (
	"fmt"
	"time"
)

const (
	// MaxKey is the greatest length of a key in bytes.
	MaxKey = 1 << 10
	// MaxValue is the greatest length of a value in bytes.
	MaxValue = 1<<20 + 1<<16
	// MaxPage is how many bytes of values drivers put on a page of Scan before
	// they end it early; the record that passes the bound is still on it.
	MaxPage = 8 << 20
)

// SizeError is the error for a key or a value over its bound. It satisfies
// errors.Is with ErrTooLarge.
type SizeError struct {
	What string // "key", "value" or "page"
	Size int    // bytes
	Max  int    // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("store: %s of %d bytes, at most %d are allowed", e.What, e.Size, e.Max)
}

// Is reports whether target is ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

// CheckKey tells whether key is within the contract. It is for drivers, so that
// all of them refuse alike.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(key) > MaxKey:
		return &SizeError{What: "key", Size: len(key), Max: MaxKey}
	}
	return nil
}

// CheckSwap tells whether the arguments of Swap are within the contract. It is
// for drivers.
func CheckSwap(key string, value []byte, ttl time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	switch {
	case len(value) > MaxValue:
		return &SizeError{What: "value", Size: len(value), Max: MaxValue}
	case ttl < 0:
		return fmt.Errorf("%w: negative time to live %v", ErrInvalid, ttl)
	}
	return nil
}

// CheckScan tells whether the limit of Scan is within the contract. It is for
// drivers.
func CheckScan(limit int) error {
	if limit < 1 {
		return fmt.Errorf("%w: scan limit %d, at least 1 is needed", ErrInvalid, limit)
	}
	return nil
}

// Deadline is when a record written at now with ttl expires, in milliseconds of
// Unix time rounded up; 0 if ttl is 0. A record is live while the clock's
// UnixMilli is less. It is for drivers.
func Deadline(now time.Time, ttl time.Duration) int64 {
	if ttl == 0 {
		return 0
	}
	at := now.Add(ttl)
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}

// Expires is a Deadline as Record shows it.
func Expires(deadline int64) time.Time {
	if deadline == 0 {
		return time.Time{}
	}
	return time.UnixMilli(deadline).UTC()
}
