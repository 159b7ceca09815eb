//go:build linux

package main

import (
	"flag"
	"os"
	"testing"
)

// scratch is a folder that goes with the test binary.
var scratch string

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == roleUpstream {
		main()
		return
	}
	var err error
	if scratch, err = os.MkdirTemp("", "crash-test-"); err != nil {
		panic(err)
	}
	// Most of the time they wait for processes.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}
