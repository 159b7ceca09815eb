// Command probe passes a point, so that a test can look at the machine code
// and see what happens to the process.
package main

import (
	"fmt"
	"os"

	"github.com/failwell/failwell/internal/failpoint"
)

//go:noinline
func edge() {
	failpoint.Hit(failpoint.Completing)
}

func main() {
	for range 5 {
		edge()
		if _, err := fmt.Fprintln(os.Stdout, "passed"); err != nil {
			os.Exit(1)
		}
	}
}
