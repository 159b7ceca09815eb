package contract

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestFixedDateIsTimeParse: whatever is read here, time.Parse reads as the same;
// and dates as servers write them are read here.
func TestFixedDateIsTimeParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62_135_596_800, 253_402_300_799).Draw(t, "at"), 0).UTC() // years 1 to 9999
		text := []byte(at.Format(httpDate))
		if got, ok := fixedDate(string(text)); !ok || !got.Equal(at) {
			t.Fatalf("%s: %v, %v", text, got, ok)
		}
		i := rapid.IntRange(0, len(text)-1).Draw(t, "place")
		text[i] = rapid.SampledFrom([]byte("0123456789 :,JanFebGMTSut+-")).Draw(t, "byte")
		got, ok := fixedDate(string(text))
		want, err := time.Parse(httpDate, string(text))
		if ok && (err != nil || !got.Equal(want)) {
			t.Fatalf("%s: %v, time.Parse says %v, %v", text, got, want, err)
		}
	})
}
