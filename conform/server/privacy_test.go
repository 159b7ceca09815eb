package server

import (
	"net/http"
	"os/exec"
	"testing"

	"github.com/failwell/failwell/contract"
)

// What runtimes and databases say of the inside is seen; what people say to
// people is not taken for it.
func TestLeaks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		leak bool
	}{
		{"Traceback (most recent call last):\n  File \"/srv/x.py\", line 1", true},
		{`{"error":"File \"shop.py\", line 12, in create"}`, true},
		{"goroutine 7 [running]:\nmain.main()", true},
		{"TypeError: x is undefined\n    at create (file:///srv/shop.mjs:11:17)", true},
		{"Error\n    at Layer.handle (/usr/src/app/node_modules/router/layer.js:95:5)", true},
		{"java.lang.NullPointerException\n\tat com.shop.Items.create(Items.java:42)", true},
		{"undefined method for nil (items.rb:12:in `create')", true},
		{"at Shop.Items.Create() in C:\\src\\Items.cs:line 12", true},
		{"Fatal error in /var/www/html/items.php on line 3", true},
		{"cannot open /etc/shop/secrets.yaml", true},
		{"SELECT id, name FROM items WHERE id = 3", true},
		{"INSERT INTO items VALUES (1)", true},
		{"duplicate key value violates unique constraint", true},
		{"pq: syntax error at or near", true},
		{"dial tcp 10.0.3.7:5432: connect: connection refused", true},

		{"Please select a plan from the list.", false},
		{"Update your settings in the dashboard, then set a new key.", false},
		{"See https://app.shop.example/docs/errors for more.", false},
		{"The connection was refused. Try again.", false},
		{`{"type":"/problems/key-missing","instance":"/app/v1/items"}`, false},
		{"The file must have the ending .json or .py", false},
		{"item 12:30:05 is not valid at this time", false},
	} {
		x := &exchange{probe: &probe{request: request{path: "/app/v1/items"}}, status: 500, failed: true, header: http.Header{}, body: []byte(c.text)}
		applies, found := judgePrivate(nil, x)
		if !applies || (found != nil) != c.leak {
			t.Errorf("%q: found %+v", c.text, found)
		}
	}
}

// A shell gives back what was quoted, whatever is in it.
func TestQuoting(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", "it's", `a "b" $HOME \n %s`, "two\nlines", "`id`", "$(id)", "ü…"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	}
}

func TestCurl(t *testing.T) {
	t.Parallel()
	of := func(scheme contract.Scheme) *checker {
		c := &contract.Contract{Auth: contract.Auth{Schemes: []contract.Scheme{scheme}}}
		u, err := originOf("http://127.0.0.1:1/base/", c)
		if err != nil {
			t.Fatal(err)
		}
		return &checker{contract: c, origin: u, config: Config{Keys: map[string]string{"valid": "secret", "expired": "old"}}}
	}
	bearer := of(contract.Scheme{In: "header", Name: "Authorization", Prefix: "Bearer "})
	query := of(contract.Scheme{In: "query", Name: "api_key"})
	for _, c := range []struct {
		k    *checker
		q    request
		want string
	}{
		{bearer, request{method: "GET", path: "/a"}, `curl -s -i 'http://127.0.0.1:1/base/a'`},
		{bearer, request{method: "HEAD", path: "/a", key: "valid"}, `curl -s -i -I -H "Authorization: Bearer $KEY" 'http://127.0.0.1:1/base/a'`},
		{bearer, request{method: "GET", path: "/a", key: "expired"}, `curl -s -i -H "Authorization: Bearer $KEY_EXPIRED" 'http://127.0.0.1:1/base/a'`},
		{bearer, request{method: "GET", path: "/a", key: malformedKey}, `curl -s -i -H 'Authorization: Bearer failwell-check' 'http://127.0.0.1:1/base/a'`},
		{
			bearer, request{method: "PUT", path: "/a", body: `{"it's": 1}`, header: [][2]string{{"Content-Type", "application/json"}}},
			`curl -s -i -X PUT -H 'Content-Type: application/json' -d '{"it'\''s": 1}' 'http://127.0.0.1:1/base/a'`,
		},
		{query, request{method: "GET", path: "/a?b=1", key: "valid"}, `curl -s -i "http://127.0.0.1:1/base/a?b=1&api_key=$KEY"`},
		{query, request{method: "GET", path: "/a", key: malformedKey}, `curl -s -i 'http://127.0.0.1:1/base/a?api_key=failwell-check'`},
		{query, request{raw: "100%\r\n"}, `printf '100%%\r\n' | curl -s -m 5 telnet://127.0.0.1:1`},
	} {
		if got := c.k.curl(&c.q); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	if got := query.address(&request{path: "/a?b=1", key: "valid"}); got != "http://127.0.0.1:1/base/a?b=1&api_key=secret" {
		t.Errorf("address %s", got)
	}
}
