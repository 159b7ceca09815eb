package server

import (
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/failwell/failwell/contract"
)

// Forms are made from schemas, and broken in one field.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mediaType, schema string
		want              map[string]string
		without           string
		wrong, long       string
	}{
		"urlencoded": {
			mediaType: contract.URLEncoded,
			schema:    `{"type":"object","required":["text"],"properties":{"text":{"type":"string","maxLength":9},"stars":{"type":"integer"}}}`,
			want:      map[string]string{"text": "check"}, without: "text", wrong: "stars", long: "text",
		},
		"multipart": {
			mediaType: contract.Multipart,
			schema:    `{"type":"object","required":["photo","size"],"properties":{"photo":{"type":"string","format":"binary","maxLength":100},"size":{"type":"integer","minimum":7}}}`,
			want:      map[string]string{"photo": "check", "size": "7"}, without: "photo", wrong: "size",
		},
		"as OpenAPI 3.1 has files": {
			mediaType: contract.Multipart,
			schema:    `{"type":"object","required":["file"],"properties":{"file":{"type":"string","contentMediaType":"text/csv"},"kind":{"enum":["a","b"],"type":"string"}}}`,
			want:      map[string]string{"file": "check"}, without: "file", wrong: "kind",
		},
		"as FastAPI has files": {
			mediaType: contract.Multipart,
			schema:    `{"type":"object","required":["file"],"properties":{"file":{"type":"string","contentMediaType":"application/octet-stream"},"n":{"type":"number"}}}`,
			want:      map[string]string{"file": "check"}, without: "file", wrong: "n",
		},
		"a picture": {mediaType: contract.Multipart, schema: `{"type":"object","required":["p"],"properties":{"p":{"type":"string","contentMediaType":"image/png"}}}`},
		"several files": {
			mediaType: contract.Multipart,
			schema:    `{"type":"object","required":["file"],"properties":{"file":{"type":"array","minItems":2,"items":{"type":"string","format":"binary"}},"json":{"type":"string","pattern":"^[{]"}}}`,
			want:      map[string]string{"file": "check, check"}, without: "file", wrong: "json",
		},
		"several values": {
			mediaType: contract.URLEncoded,
			schema:    `{"type":"object","required":["tag"],"properties":{"tag":{"type":"array","minItems":2,"items":{"type":"integer"}},"n":{"type":"integer"}}}`,
			want:      map[string]string{"tag": "1, 1"}, without: "tag", wrong: "n",
		},
		"a list":           {mediaType: contract.Multipart, schema: `{"type":"object","required":["l"],"properties":{"l":{"type":"array"}}}`},
		"nothing required": {mediaType: contract.URLEncoded, schema: `{"type":"object","properties":{"a":{"type":"string"}}}`},
		"JSON":             {mediaType: "application/json", schema: `{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var source any
			if err := json.Unmarshal([]byte(c.schema), &source); err != nil {
				t.Fatal(err)
			}
			o := &contract.Operation{ID: "o", Method: "POST", Path: "/", MediaTypes: []string{c.mediaType}, Form: source}
			s, err := compileSchemas(&contract.Contract{Operations: []*contract.Operation{o}})
			if err != nil {
				t.Fatal(err)
			}
			f := s.form(o)
			if (f == nil) != (c.want == nil) {
				t.Fatalf("the form is %v", f)
			}
			if f == nil {
				return
			}
			if diff := cmp.Diff(c.want, parsedForm(t, f)); diff != "" {
				t.Error(diff)
			}
			if bad, field := s.formWithout(o, f); bad == nil || field != c.without {
				t.Errorf("without %q, want %q", field, c.without)
			} else if _, there := parsedForm(t, bad)[field]; there {
				t.Errorf("%s is there", field)
			}
			if bad, field := s.formWrong(o, f); bad == nil || field != c.wrong || parsedForm(t, bad)[field] != unheard {
				t.Errorf("wrong is %q, want %q", field, c.wrong)
			}
			if bad, field, length := s.formLong(o, f); field != c.long || bad != nil && len(parsedForm(t, bad)[field]) != length {
				t.Errorf("too long is %q, want %q", field, c.long)
			}
			if c.mediaType == contract.Multipart {
				if _, err := read(f.contentType(), f.torn()); err == nil {
					t.Errorf("a torn form is whole: %s", f.torn())
				}
			}
		})
	}
}

func parsedForm(t *testing.T, f *form) map[string]string {
	t.Helper()
	out, err := read(f.contentType(), f.body())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read is how a server reads a form.
func read(contentType, body string) (map[string]string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	if kind == contract.URLEncoded {
		values, err := url.ParseQuery(body)
		for name, all := range values {
			out[name] = strings.Join(all, ", ")
		}
		return out, err
	}
	form, err := multipart.NewReader(strings.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		return nil, err
	}
	for name, values := range form.Value {
		out[name] = values[0]
	}
	for name, files := range form.File {
		texts := make([]string, len(files))
		for i := range files {
			file, err := files[i].Open()
			if err != nil {
				return nil, err
			}
			text := make([]byte, files[i].Size)
			if _, err := file.Read(text); err != nil {
				return nil, err
			}
			texts[i] = string(text)
		}
		out[name] = strings.Join(texts, ", ")
	}
	return out, nil
}
