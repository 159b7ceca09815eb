package contract

import (
	"slices"
	"strings"
)

// lineTypes are in use for values of JSON, one on a line; none is registered.
var lineTypes = []string{"application/x-ndjson", "application/jsonl", "application/ndjson", "application/json-lines", "application/jsonlines"}

// IsEvents reports whether a body with a Content-Type is a stream of server-sent
// events (WHATWG HTML section 9.2).
func IsEvents(contentType string) bool { return essence(contentType) == "text/event-stream" }

// IsLines reports whether a body with a Content-Type is a stream of JSON values,
// one on a line (NDJSON, JSON Lines).
func IsLines(contentType string) bool { return slices.Contains(lineTypes, essence(contentType)) }

// essence is a media type without its parameters.
func essence(contentType string) string {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(mediaType))
}
