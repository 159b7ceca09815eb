//go:build unix

package pgstore

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
)

// broken wants exactly the named promises not to be kept, whatever the machine's
// speed is.
func broken(t *testing.T, promises []store.Promise, names ...string) {
	t.Helper()
	want := make(map[string]bool)
	for _, name := range names {
		want[name] = true
	}
	for _, p := range promises {
		if p.Name == "" || p.Found == "" || p.Weaker == "" || p.Remedy == "" {
			t.Errorf("an empty field in %+v", p)
		}
		if strings.HasPrefix(p.Name, "a decision fits") {
			continue
		}
		if p.Kept == want[p.Name] {
			t.Errorf("%s: kept %t, found %s", p.Name, p.Kept, p.Found)
		}
		delete(want, p.Name)
	}
	for name := range want {
		t.Errorf("no promise is called %q", name)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings map[string]string
		broken   []string
	}{
		"as it comes": {},
		"careless": {
			settings: map[string]string{
				"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "max_connections": "12",
			},
			broken: []string{
				"what is written is on disk", "writes survive a crash of the server", "a crash in the middle of a page damages nothing",
				"space of old versions is used again", "there are connections for every process",
			},
		},
		"standby that is not waited for": {
			settings: map[string]string{"synchronous_standby_names": "*", "synchronous_commit": "local"},
			broken:   []string{"writes survive a failover"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustOpen(t, servers.Postgres(t, servers.PostgresOptions{Settings: c.settings}).URL(), Options{})
			promises, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			broken(t, promises, c.broken...)
			if !store.Shared(s) {
				t.Error("it is not shared")
			}
		})
	}
}
