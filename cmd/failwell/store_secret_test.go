package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestStoreNamesHideSecrets(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]string{
		"memory:":                                     "memory:",
		"pebble:/a@b?c":                               "pebble:/a@b?c",
		"redis://h:1/2":                               "redis://h:1/2",
		"redis://:hunter2@h:1,i:2?prefix=x":           "redis://@h:1,i:2?prefix=x",
		"redis://u:hunter2@h/0":                       "redis://u@h/0",
		"redis://u:hunt%zz@er2@h/0":                   "redis://u@h/0",
		"postgres://u@h/d?password=hunter2&schema=s":  "postgres://u@h/d?schema=s",
		"postgres://u:a:b@h/d?sslpassword=hunter2":    "postgres://u@h/d",
		"redis://u:hunt?er2@h/0":                      "redis://u@h/0",
		"redis://u:hunt?er2=1@h/0?db=1":               "redis://u@h/0?db=1",
		"redis://u:a@h/0?prefix=b@c":                  "redis://u@h/0?prefix=b@c",
		"redis:u:hunter2@h":                           "redis:...",
		"host=h user=u password='hunter 2'":           "host=...",
		"hunter2@h":                                   "...",
		"some.db":                                     "some.db",
		"redis+unix:///run/redis.sock?db=1&prefix=ab": "redis+unix:///run/redis.sock?db=1&prefix=ab",
	} {
		if got := storeName(place); got != want {
			t.Errorf("%s is shown as %s, want %s", place, got, want)
		}
	}
}

func TestHushedTakesSecretsOutOfErrors(t *testing.T) {
	t.Parallel()
	base := errors.New("refused")
	for _, place := range []string{
		"redis://u:hunter2@h/0", "redis://:hunter2@h", "postgres://h/d?password=hunter2", "redis://u:hunt%65r2@h",
	} {
		err := hushed(hinted(fmt.Errorf("dial %s: password hunter2 and hunt%%65r2: %w", place, base), "try again"), place)
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hunt%65r2") && strings.Contains(place, "%65") {
			t.Errorf("%s: %v", place, err)
		}
		var h *hintError
		if !errors.Is(err, base) || !errors.As(err, &h) {
			t.Errorf("%s: the cause or the hint is lost in %v", place, err)
		}
	}
	for _, place := range []string{"redis://u:hunter/2@h", "redis://u:hunter?2@h", "redis://u:hunter#2@h"} {
		if err := hushed(errors.New(`"hunter" is no port`), place); strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", place, err)
		}
	}
	if err := hushed(base, "redis://h"); !errors.Is(err, base) || err.Error() != "refused" {
		t.Errorf("an error without secrets became %v", err)
	}
}
