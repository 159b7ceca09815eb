package contract_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
)

func TestOneIDForTwoOperationsNamesBoth(t *testing.T) {
	t.Parallel()
	_, err := contract.Parse("c.yaml", []byte(bare()+"operations:\n  GET /a: {id: x}\n  POST /b: {id: x}\n"))
	if want := `POST /b has the operation id "x", which GET /a has already, at line`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
