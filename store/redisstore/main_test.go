package redisstore_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/failwell/failwell/internal/servers"
)

// shared is the server of all tests that do it no harm.
var shared servers.SharedRedis

var sharedCluster servers.SharedCluster

func TestMain(m *testing.M) {
	code := m.Run()
	if err := errors.Join(shared.Close(), sharedCluster.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
