package redisstore_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/internal/servers"
	"github.com/failwell/failwell/store"
	"github.com/failwell/failwell/store/redisstore"
)

// refused opens a URL, which must fail with an error that names all words and
// no password.
func refused(t *testing.T, url string, kind error, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	s, err := redisstore.Open(ctx, url, redisstore.Options{})
	if err == nil {
		t.Errorf("%s was opened", url)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	var refusal *redisstore.Error
	if !errors.As(err, &refusal) || !errors.Is(err, kind) || refusal.Hint == "" {
		t.Errorf("%s: %v; want a redisstore.Error of kind %v with a hint", url, err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q is missing in: %v", url, word, err)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password is in: %v", err)
	}
}

func TestOpenRefusesURLs(t *testing.T) {
	t.Parallel()
	for url, word := range map[string]string{
		"":                                     "redis://HOST",
		"127.0.0.1:6379":                       "redis://HOST",
		"http://u:s3cret@h":                    "scheme",
		"redis://u:s3cret@h:99999":             "port",
		"redis://u:s3cret@h:x":                 "port",
		"redis://u:s3cret%@h":                  "%25",
		"redis://u:s3cret@h/x":                 "database",
		"redis://u:s3cret@h/-1":                "database",
		"redis://u:s3cret@h?nonsense=1":        "nonsense",
		"redis://u:s3cret@h?prefix=a{b":        "brace",
		"redis://u:s3cret@h?cluster=maybe":     "cluster=true",
		"redis://u:s3cret@h,i?cluster=false":   "several hosts",
		"redis://u:s3cret@h,i/3":               "database 0",
		"redis://u:s3cret@h/0?prefix=%zz":      "percent",
		"redis+unix://":                        "socket",
		"redis+unix:///tmp/s?cluster=true":     "socket",
		"redis://u:s3cret@h#x":                 "percent",
		"redis://u:s3cret@h?prefix=s3cret%7D%": "percent",
	} {
		refused(t, url, store.ErrInvalid, word)
	}
}

func TestOpenRefusesServers(t *testing.T) {
	t.Parallel()
	guarded := servers.Redis(t, servers.RedisOptions{Password: "other"})
	open := servers.Redis(t, servers.RedisOptions{Config: []string{"databases 2"}})
	member := servers.Redis(t, servers.RedisOptions{Cluster: true})
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := silent.Addr().String()
	if err := silent.Close(); err != nil {
		t.Fatal(err)
	}
	if silent, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, c := range []struct {
		name, url string
		words     []string
	}{
		{"no password", "redis://" + guarded.Addr(), []string{guarded.Addr(), "password", "USER:PASSWORD"}},
		{"a wrong password", "redis://:s3cret@" + guarded.Addr(), []string{guarded.Addr(), "user or the password"}},
		{"a database too many", open.URL() + "/7", []string{"no such database", "databases"}},
		{"no cluster", open.URL() + "?cluster=true", []string{"no cluster", "cluster=true"}},
		{"a node of a cluster", member.URL(), []string{"cluster=true"}},
		{"a cluster without slots", member.URL() + "?cluster=true", []string{member.Addr(), "not served"}},
		{"nothing", "redis://:s3cret@" + closed, []string{closed, "nothing listens"}},
		{"no socket", "redis+unix:///no/such/socket", []string{"/no/such/socket", "no such socket"}},
		{"an HTTP server", "redis://:s3cret@" + web.Listener.Addr().String(), []string{"no Redis", "host and port"}},
		{"a server without TLS", "rediss://" + open.Addr(), []string{open.Addr(), "TLS"}},
		{"nobody who answers", "redis://" + silent.Addr().String(), []string{"does not answer"}},
		{"an unknown name", "redis://no-such-host.invalid", []string{"no-such-host.invalid", "unknown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, c.url, store.ErrUnavailable, c.words...)
		})
	}
	t.Run("an expired context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := redisstore.Open(ctx, open.URL(), redisstore.Options{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestOpenWays(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t, servers.RedisOptions{Password: "p%/:@ß"})
	if _, err := r.Do("ACL", "SETUSER", "ann", "on", ">pw", "~*", "&*", "+@all"); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		r.URL(), "valkey://:p%25%2F%3A%40%C3%9F@" + r.Addr() + "/1", "redis://ann:pw@" + r.Addr() + "?db=2&prefix=",
		"redis+unix://ann:pw@" + r.Socket() + "?db=3", "unix://ann:pw@" + r.Socket(),
	} {
		s := open(t, url, redisstore.Options{})
		v, err := s.Swap(t.Context(), "k", 0, []byte(url), time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		if got, err := s.Get(t.Context(), "k"); err != nil || string(got.Value) != url || got.Version != v {
			t.Errorf("%s: %v, %v", url, got, err)
		}
		if !store.Shared(s) {
			t.Error("it is not shared")
		}
		if err := s.Delete(t.Context(), "k", v); err != nil {
			t.Error(err)
		}
	}
}
