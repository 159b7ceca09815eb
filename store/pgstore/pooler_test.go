//go:build unix

package pgstore

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
)

// pooler stands before a server as PgBouncer does, as far as a client can see
// from its own session: the session is said to be another one. Several clients
// do not share connections, so what it cannot show is that news get lost.
func pooler(t *testing.T, server string) string {
	t.Helper()
	return serve(t, func(client net.Conn) {
		behind, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server)
		if err != nil {
			return
		}
		defer behind.Close()
		go func() {
			io.Copy(behind, client)
			behind.Close()
		}()
		// Messages are a type, a length that counts itself, and a body. In the
		// one of type K, the body begins with the session's process.
		head := make([]byte, 5)
		for {
			if _, err := io.ReadFull(behind, head); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
			if _, err := io.ReadFull(behind, body); err != nil {
				return
			}
			if head[0] == 'K' {
				binary.BigEndian.PutUint32(body, binary.BigEndian.Uint32(body)+1)
			}
			if _, err := client.Write(append(append([]byte{}, head...), body...)); err != nil {
				return
			}
		}
	})
}

// Behind a pooler nothing is left in a session that the next client would find,
// and nothing expected that the last one would have left.
func TestPooler(t *testing.T) {
	t.Parallel()
	server := shared.Get(t)
	url := strings.Replace(server.URL(), server.Addr(), pooler(t, server.Addr()), 1)
	s := mustOpen(t, url, Options{Schema: freshSchema(), MaxConns: 1})
	v, err := s.Swap(t.Context(), "k", 0, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	session := func() (statements int, seqscan string) {
		t.Helper()
		err := s.pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('enable_seqscan')", direct).
			Scan(&statements, &seqscan)
		if err != nil {
			t.Fatal(err)
		}
		return statements, seqscan
	}
	if statements, seqscan := session(); statements != 0 || seqscan != "on" {
		t.Fatalf("the session holds %d statements, enable_seqscan %s", statements, seqscan)
	}
	// Another session comes in between.
	if _, err := s.pool.Exec(t.Context(), "DISCARD ALL", direct); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), "k", v); err != nil {
		t.Fatal(err)
	}
	promises, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	broken(t, promises, "news reach other processes at once", "what is written is on disk")

	apart := mustOpen(t, url, Options{Schema: s.opts.Schema, ListenURL: server.URL()})
	e := listenTo(t.Context(), t, apart, "topic")
	eventually(t, "listening past the pooler", func() bool { return e.losses() == 1 })
	if err := s.Notify(t.Context(), "topic", "m"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heard", func() bool { return e.has("m") })
}

// Connected to the server itself, statements are kept and plans use indexes.
func TestNoPooler(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, shared.Get(t).URL(), Options{Schema: freshSchema(), MaxConns: 1})
	if _, err := s.Swap(t.Context(), "k", 0, nil, 0); err != nil {
		t.Fatal(err)
	}
	var statements int
	var seqscan string
	err := s.pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'WITH turn%'), current_setting('enable_seqscan')").
		Scan(&statements, &seqscan)
	if err != nil || statements != 1 || seqscan != "off" {
		t.Fatalf("%d statements are kept, enable_seqscan %s, %v", statements, seqscan, err)
	}
}
