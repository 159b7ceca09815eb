package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/failwell/failwell/gateway"
	"github.com/failwell/failwell/internal/servers"
)

// sample is text that a field of each type takes, and how a flag would hold it.
func sample(t *testing.T, field reflect.StructField, n int) (string, reflect.Value) {
	t.Helper()
	switch field.Type {
	case reflect.TypeFor[string]():
		s := fmt.Sprintf("value-%d", n)
		return s, reflect.ValueOf(s)
	case reflect.TypeFor[[]string]():
		s := fmt.Sprintf("value-%d", n)
		return s, reflect.ValueOf([]string{s})
	case reflect.TypeFor[time.Duration]():
		return fmt.Sprintf("%ds", n+1), reflect.ValueOf(time.Duration(n+1) * time.Second)
	case reflect.TypeFor[int]():
		return strconv.Itoa(n + 1), reflect.ValueOf(n + 1)
	case reflect.TypeFor[gateway.Bytes]():
		return fmt.Sprintf("%dKiB", n+1), reflect.ValueOf(gateway.Bytes(n+1) << 10)
	}
	t.Fatalf("setting %s has type %s, which no source can fill; teach setField and this test", field.Name, field.Type)
	return "", reflect.Value{}
}

// TestOneTableOfSettings walks the struct: flags, variables and the file are the
// same settings under the same names, a flag wins over a variable and a variable
// over the file.
func TestOneTableOfSettings(t *testing.T) {
	t.Parallel()
	for i, field := range reflect.VisibleFields(reflect.TypeFor[gateway.Settings]()) {
		flag := field.Tag.Get("name")
		name := strings.ReplaceAll(flag, "-", "_")
		variable := "FAILWELL_" + strings.ToUpper(name)
		if flag == "" || field.Tag.Get("yaml") != name || field.Tag.Get("env") != variable || field.Tag.Get("help") == "" {
			t.Errorf("%s: flag %q, yaml %q, env %q, help %q do not belong together", field.Name, flag, field.Tag.Get("yaml"), field.Tag.Get("env"), field.Tag.Get("help"))
			continue
		}
		inFile, fileValue := sample(t, field, 10*i)
		inVariable, variableValue := sample(t, field, 10*i+1)
		_, flagValue := sample(t, field, 10*i+2)
		for _, c := range []struct {
			file, variable, flag bool
			want                 reflect.Value
		}{
			{false, false, false, reflect.Zero(field.Type)},
			{true, false, false, fileValue},
			{true, true, false, variableValue},
			{false, true, false, variableValue},
			{true, true, true, flagValue},
			{true, false, true, flagValue},
		} {
			var text string
			if c.file {
				text = name + ": " + inFile + "\n"
			}
			var flags gateway.Settings
			if c.flag {
				reflect.ValueOf(&flags).Elem().Field(i).Set(flagValue)
			}
			got, err := gateway.ReadSettings("gateway.yaml", []byte(text), flags, func(v string) string {
				if c.variable && v == variable {
					return inVariable
				}
				return ""
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if v := reflect.ValueOf(got).Field(i); !reflect.DeepEqual(v.Interface(), c.want.Interface()) {
				t.Errorf("%s: got %v, want %v with %+v", name, v, c.want, c)
			}
		}
	}
}

func TestSettingsFile(t *testing.T) {
	t.Parallel()
	nothing := func(string) string { return "" }
	got, err := gateway.ReadSettings("gateway.yaml", []byte("upstream:\n  - http://a\n  - http://b\ntimeout: 5s\nmax_body: 2 MiB\n"), gateway.Settings{}, nothing)
	if err != nil || len(got.Upstreams) != 2 || got.Timeout != 5*time.Second || got.MaxBody != 2<<20 {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]string{
		"listen: x\nupstreams: [http://a]\n": `gateway.yaml:2: there is no setting "upstreams", did you mean "upstream"?`,
		"tls-cert: x\n":                      `gateway.yaml:1: there is no setting "tls-cert", did you mean "tls_cert"?`,
		"colour: red\n":                      `there is no setting "colour", there are access_log, adaptive_limit, admin,`,
		"timeout: fast\n":                    `gateway.yaml:1: timeout: "fast" is no duration, write for example 30s`,
		"\nmax_body: much\n":                 `gateway.yaml:2: max_body: "much" is no size`,
		"max_connections: many\n":            `gateway.yaml:1: max_connections: "many" is no number, write for example 20000`,
		"listen: [a, b]\n":                   "gateway.yaml:1: listen takes one value",
		"upstream: {a: b}\n":                 "gateway.yaml:1: upstream takes a list of values",
		"listen: a\nlisten: b\n":             "gateway.yaml:2: listen is set twice",
		"- a\n":                              "settings are lines of the form name: value",
		"a: [\n":                             "gateway.yaml:2: not YAML: did not find expected node content, check indentation",
		"a: 1\nb: 2\n":                       "gateway.yaml:2: there is no setting \"b\"",
		"store:\n":                           "gateway.yaml:1: store takes one value",
	} {
		if _, err := gateway.ReadSettings("gateway.yaml", []byte(text), gateway.Settings{}, nothing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := gateway.ReadSettings("", nil, gateway.Settings{}, func(v string) string {
		return map[string]string{"FAILWELL_TIMEOUT": "soon"}[v]
	}); err == nil || !strings.HasPrefix(err.Error(), "FAILWELL_TIMEOUT: ") {
		t.Errorf("%v", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*gateway.Settings)
		want   string
	}{
		"no contract":    {func(s *gateway.Settings) { s.Contract = "" }, "contract is missing"},
		"no upstream":    {func(s *gateway.Settings) { s.Upstreams = nil }, "upstream is missing"},
		"no scheme":      {func(s *gateway.Settings) { s.Upstreams = []string{"localhost:3000"} }, "no scheme that can be used"},
		"no host":        {func(s *gateway.Settings) { s.Upstreams = []string{"http:///x"} }, "names no host"},
		"password":       {func(s *gateway.Settings) { s.Upstreams = []string{"http://u:secret@h"} }, "holds a password"},
		"query":          {func(s *gateway.Settings) { s.Upstreams = []string{"http://h?q"} }, "has a query"},
		"half of TLS":    {func(s *gateway.Settings) { s.TLSCert = "x" }, "belong together"},
		"half of admin":  {func(s *gateway.Settings) { s.AdminTLSKey = "x" }, "admin_tls_cert and admin_tls_key belong together"},
		"credentials":    {func(s *gateway.Settings) { s.Credentials = "maybe" }, "choose one of strip, pass"},
		"foreign":        {func(s *gateway.Settings) { s.Foreign = "maybe" }, "choose one of pass, translate"},
		"adaptive":       {func(s *gateway.Settings) { s.AdaptiveLimit = "yes" }, "choose one of off, on"},
		"limits":         {func(s *gateway.Settings) { s.Limits = "loose" }, "choose one of exact, leased"},
		"log level":      {func(s *gateway.Settings) { s.LogLevel = "loud" }, "choose one of debug, info, warn, error"},
		"trusted proxy":  {func(s *gateway.Settings) { s.TrustedProxies = []string{"my-proxy"} }, "neither an address nor a range"},
		"negative":       {func(s *gateway.Settings) { s.Timeout = -1 }, "timeout cannot be negative"},
		"no connections": {func(s *gateway.Settings) { s.MaxConnections = -1 }, "max_connections cannot be negative"},
		"small head":     {func(s *gateway.Settings) { s.MaxHeader = 100 }, "max_header cannot be below"},
		"admin nonsense": {func(s *gateway.Settings) { s.Admin = "here" }, "is no address"},
	} {
		s := gateway.Settings{Contract: "heppu", Upstreams: []string{"http://127.0.0.1:1"}}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		c.change(&s)
		err := s.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
	both := gateway.Settings{LogLevel: "loud"}
	if err := both.Check(); strings.Count(fmt.Sprint(err), "\n") != 2 {
		t.Errorf("not all at once: %v", err)
	}
	spans := gateway.Settings{Contract: "heppu", Upstreams: []string{"http://127.0.0.1:1"}, Timeout: -1, StoreTimeout: -1, DrainTimeout: -1, RecordsKeep: -1}
	const want = "timeout cannot be negative\nstore_timeout cannot be negative\ndrain_timeout cannot be negative\nrecords_keep cannot be negative"
	for range 20 {
		if err := spans.Check(); fmt.Sprint(err) != want {
			t.Fatalf("in another order each time: %v", err)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]gateway.Bytes{"0": 0, "10": 10, "10B": 10, "64KiB": 64 << 10, "2 MiB": 2 << 20, "1GiB": 1 << 30, "5kB": 5000, "3MB": 3e6, "1GB": 1e9} {
		var b gateway.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: %d %v", text, b, err)
		}
		again, err := b.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back gateway.Bytes
		if err := back.UnmarshalText(again); err != nil || back != b {
			t.Errorf("%s: written as %s and read as %d, %v", text, again, back, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "9999999999GiB", "MiB"} {
		var b gateway.Bytes
		if b.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken for %d", text, b)
		}
	}
}

func TestReloadedCertificate(t *testing.T) {
	t.Parallel()
	g := overTLS(t, protocol)
	serial := func() string {
		resp, err := g.client.Get(g.url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	cert, key := servers.Certificate(t)
	s := g.settings
	s.TLSCert, s.TLSKey = cert, key
	if err := g.Reload(s); err != nil {
		t.Fatal(err)
	}
	g.client.CloseIdleConnections()
	if serial() == before {
		t.Error("the old certificate is still served")
	}
	if err := os.WriteFile(filepath.Clean(cert), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(s); err == nil || !strings.Contains(err.Error(), "tls_cert") {
		t.Errorf("a broken certificate: %v", err)
	}
}
