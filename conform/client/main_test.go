package client

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// TestMain lets the test's binary be the program that is checked.
func TestMain(m *testing.M) {
	if file, ok := os.LookupEnv("CHECKED_TRANSPORT"); ok {
		os.Exit(transport(file, os.Getenv("CHECKED_METHOD")))
	}
	if flaw, ok := os.LookupEnv("CHECKED_PROGRAM"); ok {
		p := &program{flaw: flaw, method: cmp.Or(os.Getenv("CHECKED_METHOD"), "POST"), key: fmt.Sprint(rand.Uint64())}
		os.Exit(p.run())
	}
	// What is checked mostly waits; more of it may wait at once than there are cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
