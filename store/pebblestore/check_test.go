package pebblestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/failwell/failwell/store/pebblestore"
)

func TestCheckSeesWhatIsNotSynced(t *testing.T) {
	t.Parallel()
	for _, loose := range []bool{false, true} {
		s := mustOpen(t, t.TempDir(), pebblestore.Options{NoSync: loose})
		promises, err := s.Check(t.Context())
		if err != nil || len(promises) != 2 {
			t.Fatalf("%+v, %v", promises, err)
		}
		if got := strings.Contains(promises[0].Found, "do not wait"); got != loose {
			t.Errorf("NoSync %v: %+v", loose, promises[0])
		}
		for _, p := range promises {
			if p.Name == "" || p.Found == "" || p.Kept != (p.Weaker == "") || p.Kept != (p.Remedy == "") {
				t.Errorf("%+v is not said as it should", p)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExistingMakesNoStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "typo")
	_, err := pebblestore.Open(dir, pebblestore.Options{Existing: true})
	if !errors.Is(err, pebblestore.ErrNotStore) || !strings.Contains(err.Error(), "there is no store here") {
		t.Errorf("got %v", err)
	}
	if _, err := pebblestore.Inspect(dir); !errors.Is(err, pebblestore.ErrNotStore) {
		t.Errorf("inspect: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
	s := mustOpen(t, dir, pebblestore.Options{})
	if promises, err := pebblestore.Inspect(dir); err != nil || len(promises) != 2 {
		t.Errorf("inspect while it is open: %+v, %v", promises, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, pebblestore.Options{Existing: true})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
