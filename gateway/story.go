package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/record"
)

// Story is all that is known of one request.
type Story struct {
	Record record.Record `json:"record"`
	// Decisions are the steps that it came to.
	Decisions []record.Decision `json:"decisions"`
	// Siblings are the other requests of the same call, the oldest first.
	Siblings []record.Record `json:"siblings"`
	// Others have the same id, which callers may choose.
	Others []record.Record `json:"others,omitempty"`
	// Error is what its contract says about it; nil for what went well.
	Error *StoryError `json:"error,omitempty"`
	// Curl makes the same request again, with the key taken from $KEY.
	Curl string `json:"curl"`
}

// StoryError is what a contract says of an error, in words for people.
type StoryError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Meaning string `json:"meaning,omitempty"`
	Cause   string `json:"cause,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// Fault says who has to act, Retry what a program may do.
	Fault string `json:"fault,omitempty"`
	Retry string `json:"retry,omitempty"`
}

// Tell finds a request by its id and tells all about it; nil where there is none
// with that id. c may be nil: then nothing is said about its error. base is where
// the API is.
func Tell(ctx context.Context, from record.Reader, c *contract.Contract, base, id string) (*Story, error) {
	found, err := from.Find(ctx, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	s := &Story{Record: found[0], Others: found[1:]}
	if s.Siblings, err = from.Siblings(ctx, &s.Record); err != nil {
		return nil, err
	}
	s.Decisions = s.Record.Decisions()
	s.Error = explained(&s.Record, c)
	s.Curl = repeat(&s.Record, c, base)
	return s, nil
}

func explained(r *record.Record, c *contract.Contract) *StoryError {
	if c == nil || r.Status < 400 {
		return nil
	}
	f := contract.Failure{Status: r.Status, Condition: r.Condition, Certain: true}
	code, known := c.Code(r.Code)
	if known {
		f.Code = code
	} else if decoded, ok := c.Decode(contract.Response{Status: r.Status, Body: []byte(r.Body)}, r.Ended); ok {
		f = decoded
	}
	x := c.ExplainFailure(&f)
	e := &StoryError{
		Code: x.Code, Message: x.Message, Meaning: x.Meaning, Cause: x.Cause, Remedy: x.Remedy, Fault: string(x.Fault), Retry: string(x.Retry),
	}
	if e.Code == "" {
		e.Code = x.Name
	}
	if known {
		e.Message = "" // made up, where the parameters are not at hand: the body has the real one
	}
	return e
}

// repeat is a command line that makes the request again. A body is asked for
// in a file, since none is kept.
func repeat(r *record.Record, c *contract.Contract, base string) string {
	path := (&url.URL{Path: r.Path}).EscapedPath()
	parts := []string{"curl", "-i"}
	if r.Method != http.MethodGet {
		parts = append(parts, "-X", quoted(r.Method))
	}
	parts = append(parts, quoted(strings.TrimSuffix(base, "/")+path))
	if c != nil && len(c.Auth.Schemes) > 0 {
		if s := c.Auth.Schemes[0]; s.In == "query" {
			parts[len(parts)-1] += `"?` + url.QueryEscape(s.Name) + `=$KEY"`
		} else {
			parts = append(parts, "-H", `"`+s.Name+": "+s.Prefix+`$KEY"`)
		}
	}
	if r.Idempotency.State != "" && c != nil {
		parts = append(parts, "-H", `"`+c.Idempotency.Header+`: $(uuidgen)"`)
	}
	if r.Sent != 0 {
		parts = append(parts, "-H", quoted("Content-Type: application/json"), "--data", "@body.json")
	}
	return strings.Join(parts, " ")
}

// quoted is one word for a shell, whatever is in it.
func quoted(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		plain = plain && (c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("/:._~%-", c) >= 0)
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
