package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/failwell/failwell/store"
)

// Of all who saw the key absent, one may write it.
func Example() {
	ctx := context.Background()
	var memory store.Memory
	version, err := memory.Swap(ctx, "lease/42", 0, []byte("worker a"), time.Minute)
	fmt.Println(version != 0, err)
	_, err = memory.Swap(ctx, "lease/42", 0, []byte("worker b"), time.Minute)
	fmt.Println(errors.Is(err, store.ErrConflict))
	fmt.Println(memory.Delete(ctx, "lease/42", version), memory.Close())
	// Output:
	// true <nil>
	// true
	// <nil> <nil>
}
