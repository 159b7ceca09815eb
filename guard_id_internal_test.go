package failwell

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestIDsSortByTime: an id is a UUIDv7 of its instant, and later ones are greater.
func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 123_999_999, time.UTC)
	last := ""
	for range 10_000 {
		id := idAt(at)
		if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("%s is of version %d, %v", id, id.Version(), id.Variant())
		}
		if seconds, nanos := id.Time().UnixTime(); seconds != at.Unix() || nanos != at.UnixMilli()%1000*1e6 {
			t.Fatalf("%s is of %d s and %d ns, want %v", id, seconds, nanos, at)
		}
		if id.String() <= last {
			t.Fatalf("%s comes after %s", id, last)
		}
		last = id.String()
		at = at.Add(time.Millisecond / 4000)
	}
	if one, other := idAt(at), idAt(at); one == other {
		t.Error("two ids of one instant are the same")
	}
}
