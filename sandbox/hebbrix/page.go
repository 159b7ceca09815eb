package hebbrix

import (
	"cmp"
	"encoding/json"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// place is where a value stands among others of its kind: newest first.
type place struct {
	at time.Time
	id string
}

func (p place) compare(q place) int {
	return cmp.Or(q.at.Compare(p.at), cmp.Compare(p.id, q.id))
}

// cursor names a place, as the instant in microseconds and the id.
func (p place) cursor() string {
	return strconv.FormatInt(p.at.UnixMicro(), 10) + "." + p.id
}

// cursorForm is a regular expression of cursors; none is an empty one.
var cursorForm = regexp.MustCompile(`^([0-9]{1,16}\.[A-Za-z0-9_]{0,64})?$`)

func readCursor(text string) (p place, ok bool) {
	at, id, _ := strings.Cut(text, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	return place{time.UnixMicro(micros).UTC(), id}, err == nil && cursorForm.MatchString(text)
}

// page is what the API makes of a list.
type page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
	HasMore    bool    `json:"has_more"`
	TotalCount int     `json:"total_count"`
}

// cut takes the page out of a list that the query asks for: behind a cursor, or
// after as many as older clients skip.
func cut[T any](query url.Values, all []T, where func(T) place) (page[T], error) {
	slices.SortFunc(all, func(a, b T) int { return where(a).compare(where(b)) })
	from := min(whole(json.Number(query.Get("skip")), 0), len(all))
	if text := query.Get("cursor"); text != "" { // an empty one is sent by clients that have none
		last, ok := readCursor(text)
		if !ok {
			return page[T]{}, refuse("cursor", "is not one that this API gave out")
		}
		from, _ = slices.BinarySearchFunc(all, last, func(v T, p place) int {
			if where(v).compare(p) <= 0 {
				return -1
			}
			return 1
		})
	}
	out := page[T]{Items: orNone(all[from:min(from+whole(json.Number(query.Get("limit")), pageSize), len(all))]), TotalCount: len(all)}
	if end := from + len(out.Items); end < len(all) {
		next := where(all[end-1]).cursor()
		out.NextCursor, out.HasMore = &next, true
	}
	return out, nil
}

// pageSize is how much is on a page when nobody says.
const pageSize = 50

// given tells a member that is null from one that is not there.
type given[T any] struct {
	set   bool
	value T
}

// UnmarshalJSON implements json.Unmarshaler.
func (g *given[T]) UnmarshalJSON(text []byte) error {
	g.set = true
	return json.Unmarshal(text, &g.value) //nolint:wrapcheck // encoding/json, which called, says where
}

// noMetadata is what stands for metadata that nobody gave.
var noMetadata = json.RawMessage("{}")

// metadata keeps what was sent to the last digit; nothing and null are {}.
func metadata(text json.RawMessage) json.RawMessage {
	if len(text) == 0 || string(text) == "null" {
		return noMetadata
	}
	return text
}

// whole reads an integer that the contract has accepted: 10.0 and 1e1 are ten for
// JSON Schema as well.
func whole(n json.Number, otherwise int) int {
	f, err := n.Float64()
	if err != nil {
		return otherwise
	}
	return int(min(f, math.MaxInt32))
}
