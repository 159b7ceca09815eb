package aionvision

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/failwell/failwell"
	"github.com/failwell/failwell/contract/condition"
)

const (
	// maxPixels is the most that an image may have: what a good camera takes. They
	// take up to 200 MB in memory, at eight bytes each.
	maxPixels = 25_000_000
	// atOnce is how many images are decoded at a time.
	atOnce = 2
)

// picture is what an image turned out to be.
type picture struct {
	format        string
	width, height int
	description   string
}

// decoder of a format that is understood.
type decoder struct {
	config func([]byte) (image.Config, error)
	image  func([]byte) (image.Image, error)
}

func decoderOf(mediaType string) (d decoder, ok bool) {
	switch mediaType {
	case "image/png":
		return decoder{
			func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return png.Decode(bytes.NewReader(b)) },
		}, true
	case "image/jpeg":
		return decoder{
			func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(b)) },
		}, true
	case "image/gif": // its first frame: any number of others may follow
		return decoder{
			func(b []byte) (image.Config, error) { return gif.DecodeConfig(bytes.NewReader(b)) },
			func(b []byte) (image.Image, error) { return gif.Decode(bytes.NewReader(b)) },
		}, true
	}
	return decoder{}, false
}

// kindOf tells from the bytes what a file is, and from its name and its declared
// type what it should have been.
func kindOf(data []byte, name, declared string) (kind, mediaType string, err error) {
	mediaType, _, _ = strings.Cut(http.DetectContentType(data), ";")
	declared, _, _ = mime.ParseMediaType(declared)
	claimed := strings.HasPrefix(declared, "image/") || slices.Contains([]string{".png", ".jpg", ".jpeg", ".gif"}, strings.ToLower(path.Ext(name)))
	_, known := decoderOf(mediaType)
	switch {
	case known:
		return isImage, mediaType, nil
	case strings.HasPrefix(mediaType, "image/"), strings.HasPrefix(mediaType, "video/"):
		return "", mediaType, failwell.FromCondition(condition.MediaUnsupported, nil).With("media_type", mediaType)
	case claimed:
		return "", mediaType, unprocessed("the file is not a PNG, JPEG or GIF image", nil)
	case mediaType == "application/pdf", mediaType == "text/plain" && isText(data):
		return isDocument, mediaType, nil
	}
	return "", mediaType, failwell.FromCondition(condition.MediaUnsupported, nil).With("media_type", mediaType)
}

// binary are the characters that http.DetectContentType finds in no text. It
// looks at the beginning only.
const binary = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1c\x1d\x1e\x1f"

func isText(data []byte) bool { return utf8.Valid(data) && !bytes.ContainsAny(data, binary) }

func unprocessed(reason string, cause error) error {
	return failwell.FromCondition(condition.ProcessingFailed, cause).With("reason", reason)
}

// look decodes an image. What its head announces is checked before anything is
// made of that size.
func (h *api) look(ctx context.Context, data []byte, mediaType string) (*picture, error) {
	d, _ := decoderOf(mediaType)
	config, err := d.config(data)
	if err != nil {
		return nil, unprocessed("the head of the image is damaged", err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return nil, unprocessed(fmt.Sprintf("the image has more than %d pixels, or none", maxPixels), nil)
	}
	select {
	case h.decoding <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.decoding }()
	decoded, err := d.image(data)
	if err != nil {
		return nil, unprocessed("the image is damaged", err)
	}
	p := &picture{format: strings.TrimPrefix(mediaType, "image/"), width: config.Width, height: config.Height}
	p.description = fmt.Sprintf("A %s %s image of %d by %d pixels, mostly %s.", orientation(config), p.format, p.width, p.height, tint(decoded))
	return p, nil
}

func orientation(c image.Config) string {
	switch {
	case c.Width > c.Height:
		return "landscape"
	case c.Width < c.Height:
		return "portrait"
	}
	return "square"
}

// samples is how many points are looked at in each direction.
const samples = 16

// tint names the colour of an image, by the mean of points on a grid.
func tint(of image.Image) string {
	var r, g, b uint64
	bounds := of.Bounds()
	for y := range samples {
		for x := range samples {
			cr, cg, cb, _ := of.At(bounds.Min.X+x*bounds.Dx()/samples, bounds.Min.Y+y*bounds.Dy()/samples).RGBA()
			r, g, b = r+uint64(cr), g+uint64(cg), b+uint64(cb)
		}
	}
	const full = samples * samples * 0xffff
	most, least := max(r, g, b), min(r, g, b)
	switch {
	case most-least < full/8 && most < full/4:
		return "black"
	case most-least < full/8 && least > full*3/4:
		return "white"
	case most-least < full/8:
		return "grey"
	case r == most && g > full/2 && g > 2*b:
		return "yellow"
	case r == most:
		return "red"
	case g == most:
		return "green"
	}
	return "blue"
}
