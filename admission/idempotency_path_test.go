package admission

import (
	"net/url"
	"strings"
	"testing"
)

func TestSamePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/v1/items":       "/v1/items",
		"/v1/%69tems":     "/v1/items",
		"/a%2db%7Ec%2E_x": "/a-b~c._x",
		"/a%2fb":          "/a%2Fb", // a separator that is data
		"/a%3ab":          "/a%3Ab", // reserved: a service may tell it from ":"
		"/a:b":            "/a:b",
		"/%c3%a9":         "/%C3%A9",
		"/%2561":          "/%2561", // decoded once, not twice
		"/%":              "/%",
		"/%4":             "/%4",
		"/%zz%41":         "/%zzA",
	} {
		if got := samePath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// FuzzSamePath: the form is one, and means what the path means.
func FuzzSamePath(f *testing.F) {
	for _, path := range []string{"/a%2Fb", "/%61%", "/%%36%31"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		same := samePath(path)
		want, err := url.PathUnescape(path)
		if err != nil {
			return // the server has refused it
		}
		got, err := url.PathUnescape(same)
		if err != nil || got != want {
			t.Fatalf("%q became %q, which means %q instead of %q, %v", path, same, got, want, err)
		}
		if again := samePath(same); again != same {
			t.Fatalf("%q became %q, and then %q", path, same, again)
		}
		if strings.Count(same, "/") != strings.Count(path, "/") {
			t.Fatalf("%q became %q: other segments", path, same)
		}
	})
}
