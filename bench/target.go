package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// The names of the targets. Ratios are to the yardstick; again is the same
// program a second time, so that its ratios show what chance alone does.
const (
	yardstick = "bare ReverseProxy"
	again     = "the same again"
)

// starter brings a target up for a mode. Its process answers soon afterwards.
type starter func(ctx context.Context, b *bench, m mode, listen string) (*process, error)

func starters() map[string]starter {
	return map[string]starter{
		"bare": startBare, "control": startBare, "nginx": startNginx, "failwell": startGateway, "unrecorded": startUnrecorded,
	}
}

func allTargets() []string { return []string{"bare", "control", "nginx", "failwell", "unrecorded"} }

func titleOf(target string) string {
	switch target {
	case "bare":
		return yardstick
	case "control":
		return again
	case "unrecorded":
		return "failwell, no records"
	}
	return target
}

func startBare(ctx context.Context, b *bench, m mode, listen string) (*process, error) {
	argv := []string{filepath.Join(b.dir, "bareproxy"), "-listen", listen, "-upstream", "http://" + b.upstream}
	if m.refuses() {
		argv = append(argv, "-answer", strconv.Itoa(m.status))
	}
	return start(ctx, b.dir, "bare", nil, argv...)
}

//go:embed nginx.conf.tmpl
var nginxTemplate string

// nginxConf fills the template: with a Body it is the upstream, with Keys it
// does the nearest thing to a gateway's keys and limits.
type nginxConf struct {
	Dir, Listen, Upstream, Body string
	Workers                     int
	Keys                        []string
	Rate, Burst                 int
}

func startNginx(ctx context.Context, b *bench, m mode, listen string) (*process, error) {
	c := nginxConf{Listen: listen, Upstream: b.upstream, Workers: 2, Rate: m.rate, Burst: m.burst()}
	if m.keyed || m.refuses() {
		c.Keys = b.keys
	}
	return b.nginx(ctx, "nginx", c)
}

// startUpstream answers everything with 1 KiB of JSON.
func startUpstream(ctx context.Context, b *bench, listen string) (*process, error) {
	const size, frame = 1024, len(`{"data":""}`)
	body := `{"data":"` + strings.Repeat("x", size-frame) + `"}`
	return b.nginx(ctx, "upstream", nginxConf{Listen: listen, Body: body, Workers: 1})
}

func (b *bench) nginx(ctx context.Context, name string, c nginxConf) (*process, error) {
	c.Dir = filepath.Join(b.dir, name)
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	t, err := template.New("nginx").Parse(nginxTemplate)
	if err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	var text strings.Builder
	if err := t.Execute(&text, c); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	file := filepath.Join(c.Dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	return start(ctx, b.dir, name, nil, nginxBinary(), "-p", c.Dir, "-e", filepath.Join(c.Dir, "error.log"), "-c", file)
}

// nginxBinary finds nginx where Debian puts it, which is not on every PATH.
func nginxBinary() string {
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if file := filepath.Join(folder, "nginx"); executable(file) {
			return file
		}
	}
	return "nginx"
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// freeAddress is a loopback address that nobody listens on at the moment.
func freeAddress(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return address, nil
}
