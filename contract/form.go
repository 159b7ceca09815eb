package contract

// The media types of forms (HTML, RFC 7578).
const (
	URLEncoded = "application/x-www-form-urlencoded"
	Multipart  = "multipart/form-data"
)

// IsForm reports whether a body of a media type is a form.
func IsForm(mediaType string) bool { return mediaType == URLEncoded || mediaType == Multipart }
