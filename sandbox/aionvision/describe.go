package aionvision

import "github.com/failwell/failwell/sandbox/stand"

// Describe says what the API asks of values beside their schemas, and of what the
// form is made: text is sure to be taken, an image when it can be decoded.
func (*api) Describe() map[string]stand.Description {
	text := map[string]any{
		"type": "string", "pattern": `^[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]+$`,
		"description": "A PNG, JPEG or GIF image, a PDF or text.",
	}
	const control = `\x00-\x1f\x7f-\x9f`
	title := map[string]any{"type": "string", "maxLength": maxTitle, "pattern": "^[^" + control + "]*$"}
	const tag = "[^," + control + "]{0,50}"
	tags := map[string]any{"type": "string", "pattern": "^" + tag + "(," + tag + "){0,39}$"}
	const inName = "[^" + control + `/\\]`
	form := stand.Form(map[string]any{
		"file": text, "title": title, "tags": tags,
		"auto_describe": map[string]any{"type": "boolean"}, "skip_duplicates": map[string]any{"type": "boolean"},
	}, "file")
	video := stand.JSON(map[string]any{
		"filename": map[string]any{"pattern": "^" + inName + "*[^" + control + `/\\. ]` + inName + "*$"},
	})
	key := stand.JSON(map[string]any{
		"name": stand.Printable(), "expires_at": map[string]any{"pattern": "^(20[3-9]|2[1-9]|[3-9])"}, // in the future
	})
	const kind = "(image|document|video|link)"
	return map[string]stand.Description{
		"files.upload":    {Bodies: form, Done: []int{200, 201}, Links: stand.To("/image_id", "id", "files.get", "files.update", "files.delete")},
		"files.list":      {Parameters: map[string]any{"media_types": map[string]any{"pattern": "^(" + kind + "(," + kind + ")*)?$"}}},
		"keys.create":     {Bodies: key, Done: []int{201}, Links: stand.To("/id", "id", "keys.deactivate")},
		"videos.initiate": {Bodies: video, Done: []int{201}, Links: stand.To("/media_id", "media_id", "videos.progress")},
		"analyses.retry":  {Done: []int{202}},
		"chat.create":     {Links: stand.To("/session_id", "id", "chat.get", "chat.send")},
	}
}
