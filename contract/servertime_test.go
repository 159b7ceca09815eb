package contract_test

import (
	"testing"
	"time"

	"github.com/failwell/failwell/contract"
)

func TestServerTime(t *testing.T) {
	t.Parallel()
	ours, theirs := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for name, c := range map[string]struct {
		header map[string][]string
		want   time.Time
	}{
		"no header":    {nil, ours},
		"no value":     {map[string][]string{"Date": {}}, ours},
		"IMF-fixdate":  {map[string][]string{"Date": {"Sun, 06 Nov 1994 08:49:37 GMT"}}, theirs},
		"RFC 850":      {map[string][]string{"Date": {"Sunday, 06-Nov-94 08:49:37 GMT"}}, theirs},
		"asctime":      {map[string][]string{"Date": {"Sun Nov  6 08:49:37 1994"}}, theirs},
		"any case":     {map[string][]string{"date": {"Sun, 06 Nov 1994 08:49:37 GMT"}}, theirs},
		"not a date":   {map[string][]string{"Date": {"yesterday"}}, ours},
		"other header": {map[string][]string{"Expires": {"Sun, 06 Nov 1994 08:49:37 GMT"}}, ours},
	} {
		if got := contract.ServerTime(c.header, ours); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
