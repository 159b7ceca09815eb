package contract_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
)

// Each file under testdata/bad is named for its defect; beside it stand the
// beginnings of the faults that must be found, in order.
func TestBadContracts(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			_, err = contract.Parse("x.yaml", data)
			var faults contract.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("accepted: %v", err)
			}
			lines := strings.Split(strings.TrimSpace(string(want)), "\n")
			if len(faults) != len(lines) {
				t.Errorf("%d faults, want %d", len(faults), len(lines))
			}
			for i, line := range lines {
				if i < len(faults) && !strings.HasPrefix(faults[i].String(), "x.yaml:"+line) {
					t.Errorf("fault %d is\n%s\nwant\nx.yaml:%s", i, faults[i], line)
				}
			}
		})
	}
}

func TestDollarIsWrittenTwice(t *testing.T) {
	source := strings.NewReplacer("message: Bad.", "message: It costs $$5.").Replace(goodContract)
	c, err := contract.Parse("x.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.MessageOf(&contract.Failure{Code: c.MustCode("base")}); got != "It costs $5." {
		t.Errorf("got %q", got)
	}
}

const goodContract = `failwell: 1
api: good
envelopes: {standard: {body: {code: $code, message: $message}}}
errors:
  base: {status: 400, is: [request_malformed, key_unknown, permission_denied, resource_missing, feature_unavailable, rate_limited], message: Bad.}
  gone: {status: 500, is: [internal, unavailable], message: Broken.}
`

// Whatever the bytes are, parsing ends with a contract or with faults that
// have a place; and a contract that was accepted renders and reads back.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range append(files, "testdata/shop.yaml") {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := contract.Parse("x.yaml", data)
		if err != nil {
			var faults contract.Faults
			if !errors.As(err, &faults) || len(faults) == 0 || faults[0].Pos.Line < 0 {
				t.Fatalf("not a list of faults: %v", err)
			}
			return
		}
		for _, code := range c.Codes {
			failure := contract.Failure{Code: code, RequestID: "id", Time: noon}
			body, status, media := c.AppendError(nil, &failure)
			c.Decode(contract.Response{Status: status, Header: map[string][]string{"Content-Type": {media}}, Body: body}, noon)
		}
	})
}

// A decoder meets bodies that nobody meant for it.
func FuzzDecode(f *testing.F) {
	c := shop(f)
	for _, code := range c.Codes {
		body, status, _ := c.AppendError(nil, &contract.Failure{Code: code, RequestID: "id", Time: noon, Fields: []contract.FieldError{{Path: []string{"a", "0"}, Message: "m"}}})
		f.Add(status, body, "3")
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, wait string) {
		failure, ok := c.Decode(contract.Response{Status: status, Header: map[string][]string{"Retry-After": {wait}}, Body: body}, noon)
		if ok && failure.HasRetryAfter && (failure.RetryAfter < 0 || failure.RetryAfter > 20*365*24*time.Hour*10) {
			t.Fatalf("absurd wait %v", failure.RetryAfter)
		}
		if failure.Code != nil && failure.Certain && failure.Condition == "" {
			t.Fatalf("certain of nothing: %+v", failure)
		}
	})
}
