package guess_test

import (
	"fmt"

	"github.com/failwell/failwell/contract/guess"
)

func ExampleRead() {
	response, err := guess.ParseRaw([]byte(`HTTP/1.1 429 Too Many Requests
Content-Type: application/json
X-Request-Id: req_81f0

{"error":{"code":"rate_limit_exceeded","message":"Slow down. Try again in 1.5 seconds."}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	failure := guess.Read(response, now)
	fmt.Println(failure.Condition, failure.Code, failure.RequestID)
	fmt.Println(failure.Retry, failure.RetryAfter, failure.Certain)
	// Output:
	// rate_limited rate_limit_exceeded req_81f0
	// after_wait 1.5s true
}
