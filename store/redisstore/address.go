package redisstore

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultPrefix keeps what is ours apart on a server that others use as well.
const defaultPrefix = "failwell:"

const defaultPort = "6379"

// address is what a URL says.
type address struct {
	hosts              []string // host:port, or the one path of a socket
	socket, tls        bool
	cluster            bool
	username, password string
	db                 int
	prefix             string
}

// where names the server without saying the password.
func (a *address) where() string { return strings.Join(a.hosts, ",") }

// parseAddress reads a URL. Its errors repeat no part of it that could hold a
// password.
func parseAddress(text string) (address, error) {
	a := address{prefix: defaultPrefix}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return a, badURL("no redis:// in front", "write redis://HOST:PORT/DB")
	}
	switch strings.ToLower(scheme) {
	case "redis", "valkey":
	case "rediss", "valkeys":
		a.tls = true
	case "unix", "redis+unix", "valkey+unix":
		a.socket = true
	default:
		return a, badURL(fmt.Sprintf("the scheme %.20q is none of redis, rediss, valkey, valkeys, redis+unix", scheme), "write redis://HOST:PORT/DB")
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := a.readUser(authority[:i]); err != nil {
			return a, err
		}
		authority = authority[i+1:]
	}
	u, err := url.Parse(path)
	if err != nil || u.Fragment != "" {
		return a, badURL("what follows the host cannot be read", "percent-encode what is not a letter or a digit")
	}
	if a.socket {
		a.hosts = []string{authority + u.Path}
		if u.Path == "" {
			return a, badURL("it names no socket", "write redis+unix:///PATH/OF/THE/SOCKET?db=0")
		}
	} else if err := a.readHosts(authority, u.Path); err != nil {
		return a, err
	}
	if err := a.readQuery(u.RawQuery); err != nil {
		return a, err
	}
	if a.cluster && (a.db != 0 || a.socket) {
		return a, badURL("a cluster has database 0 only, and no socket", "leave the database out, or cluster=true")
	}
	return a, nil
}

func (a *address) readUser(info string) error {
	name, password, _ := strings.Cut(info, ":")
	var errs [2]error
	a.username, errs[0] = url.PathUnescape(name)
	a.password, errs[1] = url.PathUnescape(password)
	if errs[0] != nil || errs[1] != nil {
		return badURL("the user or the password cannot be read", "percent-encode what is not a letter or a digit, a % as %25")
	}
	return nil
}

func (a *address) readHosts(authority, path string) error {
	for host := range strings.SplitSeq(authority, ",") {
		name, port, err := net.SplitHostPort(host)
		if err != nil { // without a port
			name, port = strings.Trim(host, "[]"), defaultPort
		}
		if name == "" {
			name = "localhost"
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65_535 {
			return badURL(fmt.Sprintf("%.10q is no port", port), "write redis://HOST:PORT, with a port from 1 to 65535")
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, port))
	}
	a.cluster = len(a.hosts) > 1
	if path = strings.Trim(path, "/"); path != "" {
		return a.readDB(path)
	}
	return nil
}

func (a *address) readDB(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return badURL(fmt.Sprintf("%.20q is no number of a database", text), "write redis://HOST:PORT/0")
	}
	a.db = n
	return nil
}

func (a *address) readQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return badURL("the part after ? cannot be read", "percent-encode what is not a letter or a digit")
	}
	for name, values := range query {
		value := values[len(values)-1]
		switch name {
		case "prefix":
			if strings.ContainsAny(value, "{}") || len(value) > 64 {
				return badURL("the prefix has braces or more than 64 bytes", "choose a short one without { and }")
			}
			a.prefix = value
		case "db":
			if err := a.readDB(value); err != nil {
				return err
			}
		case "cluster":
			if a.cluster, err = strconv.ParseBool(value); err != nil {
				return badURL(fmt.Sprintf("cluster=%.10q is neither true nor false", value), "write cluster=true")
			}
		default:
			return badURL(fmt.Sprintf("%.20q is unknown after ?", name), "known are prefix, db and cluster")
		}
	}
	if !a.cluster && len(a.hosts) > 1 {
		return badURL("several hosts that are no cluster", "name one host, or leave out cluster=false")
	}
	return nil
}

func badURL(what, hint string) error {
	return &Error{Host: "the URL", What: what, Hint: hint, Err: errURL}
}
