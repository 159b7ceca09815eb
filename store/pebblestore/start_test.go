package pebblestore

import (
	"fmt"
	"path/filepath"
	"testing"
)

// BenchmarkStart measures what a start costs until the first write is durable.
func BenchmarkStart(b *testing.B) {
	start := func(b *testing.B, dir string) *Store {
		b.Helper()
		s, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	first := func(b *testing.B, s *Store, i int) {
		b.Helper()
		if _, err := s.Swap(b.Context(), fmt.Sprintf("first%d", i), 0, make([]byte, 512), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("new", func(b *testing.B) {
		dir, i := b.TempDir(), 0
		for b.Loop() {
			s := start(b, filepath.Join(dir, fmt.Sprint(i)))
			first(b, s, i)
			i++
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	for _, records := range []int{0, 20_000, 200_000} {
		b.Run(fmt.Sprintf("with %d records", records), func(b *testing.B) {
			dir := b.TempDir()
			s, err := Open(dir, Options{NoSync: true})
			if err != nil {
				b.Fatal(err)
			}
			for i := range records {
				if _, err := s.Swap(b.Context(), fmt.Sprint(i), 0, make([]byte, 512), 0); err != nil {
					b.Fatal(err)
				}
			}
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				s = start(b, dir)
				first(b, s, i)
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
