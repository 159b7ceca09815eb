package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/failwell/failwell/store"
)

// Error says what the server refused or why it was not reached, and what to do
// about it. It never holds a password. Except for a URL that cannot be read it
// satisfies errors.Is with store.ErrUnavailable.
type Error struct {
	Host string // of the server, or all that were named
	What string // what is the matter, in words
	Hint string // what to do
	Err  error  // the cause underneath, or nil
}

func (e *Error) Error() string {
	return fmt.Sprintf("redis %s: %s; %s", e.Host, e.What, e.Hint)
}

// Unwrap gives store.ErrUnavailable and the cause.
func (e *Error) Unwrap() []error {
	switch {
	case errors.Is(e.Err, errURL):
		return []error{store.ErrInvalid}
	case e.Err == nil:
		return []error{store.ErrUnavailable}
	}
	return []error{store.ErrUnavailable, e.Err}
}

var (
	errURL   = errors.New("unreadable URL")
	errNoTLS = errors.New("tls: no answer to the handshake")
)

// refusals are the first words of a server's errors, in words of ours.
var refusals = map[string]struct{ what, hint string }{
	"NOAUTH":      {"it wants a password", "put it into the URL: redis://USER:PASSWORD@HOST, percent-encoded"},
	"WRONGPASS":   {"it refuses the user or the password", "correct them in the URL; a % in a password is written %25"},
	"NOPERM":      {"its user may not do this", "allow it the commands of the package's documentation with ACL SETUSER"},
	"READONLY":    {"it is a replica and takes no writes", "name the primary; after a failover, wait until the name or the cluster leads there"},
	"LOADING":     {"it is still reading its data", "wait until it has started"},
	"OOM":         {"its memory is full (maxmemory)", "give it more memory, or remove what does not belong to failwell"},
	"MISCONF":     {"it refuses writes since it could not save the last ones", "look at its log and its disk, mostly there is no space left"},
	"CLUSTERDOWN": {"parts of its cluster are not served", "start the missing nodes, or let a replica take over"},
	"TRYAGAIN":    {"it is moving the key to another node", "nothing, it passes"},
	"MOVED":       {"it is a node of a cluster", "add cluster=true to the URL"},
	"ASK":         {"it is a node of a cluster that is moving slots", "add cluster=true to the URL"},
	"CROSSSLOT":   {"it is a proxy of a cluster that breaks up scripts", "name the nodes themselves, with cluster=true in the URL"},
	"WRONGTYPE":   {"a key under the prefix holds what failwell did not write", "give failwell a prefix or a database of its own, ?prefix=NAME"},
	"BUSY":        {"it is busy with somebody's script", "end that with SCRIPT KILL"},
	"NOREPLICAS":  {"too few replicas are connected (min-replicas-to-write)", "start the replicas"},
	"MASTERDOWN":  {"it is a replica that has lost its primary", "name the primary"},
	"UNKILLABLE":  {"it is busy with a script that has written", "wait, or restart it"},
	"DENIED":      {"it is in protected mode", "set a password on the server and put it into the URL"},
	"NOPROTO":     {"it speaks an older protocol", "use Redis 6.2 or later, or any Valkey"},
}

// plain are the beginnings of errors that have no code, in the order in which
// they are tried.
var plain = []struct{ text, what, hint string }{
	{"max number of clients", "it has no connection left (maxclients)", "raise maxclients, or end what holds them"},
	{"DB index", "it has no such database", "choose one below its setting databases"},
	{"unknown command", "it does not know a command that is needed", "use Redis 6.2 or later, or any Valkey, and rename no commands"},
	{"AUTH ", "it has no password set, the URL has one", "take it out of the URL, or set requirepass on the server"},
	{"This instance", "it is no cluster", "leave cluster=true, and all hosts but one, out of the URL"},
	{"SELECT is not", "a cluster has database 0 only", "leave the database out of the URL"},
	{"value is not", "a key under the prefix holds what failwell did not write", "give failwell a prefix or a database of its own, ?prefix=NAME"},
}

// failed converts what the client says, once.
func (l *link) failed(err error) error {
	switch {
	case errors.Is(err, rueidis.ErrClosing) && l.closing.Load():
		return store.ErrClosed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("redis %s: no answer in time: %w", l.hosts, err)
	}
	return convert(l.hosts, err)
}

func convert(host string, err error) error {
	e := &Error{Host: host, Err: err}
	if refused, ok := rueidis.IsRedisErr(err); ok {
		e.What, e.Hint = refusal(refused.Error())
		return e
	}
	var dns *net.DNSError
	var unknown interface{ CertificateInvalid() }
	switch text := err.Error(); {
	case errors.Is(err, rueidis.ErrNoSlot):
		e.What, e.Hint = refusals["CLUSTERDOWN"].what, refusals["CLUSTERDOWN"].hint
	case errors.As(err, &dns):
		e.What, e.Hint = "its name is unknown", "correct the host in the URL, or the name service"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.What, e.Hint = "nothing listens there", "start the server, or correct host and port in the URL"
	case errors.Is(err, os.ErrNotExist):
		e.What, e.Hint = "there is no such socket", "start the server, or correct the path in the URL"
	case errors.Is(err, os.ErrPermission):
		e.What, e.Hint = "the socket may not be used", "allow it with unixsocketperm"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errCrowded):
		e.What, e.Hint = "it does not answer", "look at its load and its log, and at the network between"
	case errors.As(err, &unknown), strings.Contains(text, "x509:"):
		e.What, e.Hint = "its certificate is not trusted: "+text, "name a host that it is made out to, or add its authority"
	case strings.Contains(text, "tls:"):
		e.What, e.Hint = "it does not speak TLS as expected: "+text, "write redis: for a port without TLS, rediss: for one with"
	case strings.Contains(text, "message type"), strings.Contains(text, "unexpected"):
		e.What, e.Hint = "what listens there is no Redis", "correct host and port in the URL, or rediss: if the port has TLS"
	default:
		e.What, e.Hint = "the connection broke: "+text, "look at its log and at the network between; the next call connects again"
	}
	return e
}

// refusal finds the words for a server's error. Its own text is shown only where
// there are none, cut off, since it may repeat what was sent.
func refusal(text string) (what, hint string) {
	code, _, _ := strings.Cut(text, " ")
	if r, ok := refusals[code]; ok {
		return r.what, r.hint
	}
	text = strings.TrimPrefix(text, "ERR ")
	for _, r := range plain {
		if strings.HasPrefix(text, r.text) {
			return r.what, r.hint
		}
	}
	return fmt.Sprintf("it refuses: %.200s", text), "look at its log and its settings; failwell store check says which ones count"
}

// foreign is the error for a key that holds something that is no record.
func (l *link) foreign(key string) error {
	r := refusals["WRONGTYPE"]
	return &Error{Host: l.hosts, What: fmt.Sprintf("%s: %.100q", r.what, key), Hint: r.hint}
}
