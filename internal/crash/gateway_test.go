//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// binary is failwell with failpoints, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	name := filepath.Join(scratch, "failwell")
	return name, build(context.Background(), name)
})

func built(t *testing.T) string {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// open starts the server of a store, and ends it with the test.
func open(t *testing.T, kind string) *keeper {
	t.Helper()
	k, err := openKeeper(kind, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if k.remote() {
		t.Cleanup(func() {
			if err := k.close(); err != nil {
				t.Error(err)
			}
		})
	}
	return k
}

// serve starts a gateway.
func serve(t *testing.T, contract, store, upstream string, flags ...string) *process {
	t.Helper()
	if strings.Contains(contract, "\n") {
		name := filepath.Join(t.TempDir(), "contract.yaml")
		if err := os.WriteFile(name, []byte(contract), 0o600); err != nil {
			t.Fatal(err)
		}
		contract = name
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// A machine that runs every test at once is slow; that is not what is tested.
	flags = append([]string{"--store-timeout", "5s"}, flags...)
	g, err := newGateway(built(t), dir, contract, store, upstream, flags...)
	if err != nil {
		t.Fatal(err)
	}
	g.up(t)
	t.Cleanup(func() {
		if err := g.kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s:\n%s", g.url, strings.Join(slices.DeleteFunc(strings.Split(g.log.String(), "\n"), func(line string) bool {
				return strings.Contains(line, "request failed") // the test has seen those
			}), "\n"))
		}
	})
	return g
}

func (p *process) up(t *testing.T) {
	t.Helper()
	if err := p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (p *process) down(t *testing.T) {
	t.Helper()
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
}

func (p *process) newKey(t *testing.T, account, plan string) string {
	t.Helper()
	key, err := p.key(t.Context(), account, plan)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// reply is a response, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r *reply) String() string { return fmt.Sprintf("%d %v %s", r.status, r.header, r.body) }

// ask sends a request with a key and headers, in pairs.
func ask(ctx context.Context, method, url, key, body string, header ...string) (*reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return &reply{resp.StatusCode, resp.Header, string(text)}, err
}

func must(t *testing.T, method, url, key, body string, header ...string) *reply {
	t.Helper()
	r, err := ask(t.Context(), method, url, key, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
