package jobs

import (
	"slices"
	"strings"

	"github.com/failwell/failwell/sandbox/stand"
)

// inputs are the members that each product reads; others are no concern of it.
var inputs = map[string][]string{
	"translate":  {"srtContent", "srtUrl", "mediaUrl", "sourceLanguage", "targetLanguage"},
	"transcribe": {"mediaUrl", "sourceLanguage"},
	"voiceover":  {"mediaUrl", "srtUrl", "srtContent", "targetLanguage", "outputFormat"},
	"dub":        {"mediaUrl", "sourceLanguage", "targetLanguage", "outputFormat"},
}

// Describe says which addresses, languages and dates are taken for sure.
func (*api) Describe() map[string]stand.Description {
	address := func(files []string) map[string]any {
		ends := strings.ReplaceAll(strings.Join(files, "|"), ".", `\.`)
		return map[string]any{"pattern": `^https?://[a-z][a-z0-9]{0,20}\.(com|org|example)/[A-Za-z0-9/_-]{0,40}(` + ends + `)$`}
	}
	language := map[string]any{"enum": languages}
	all := map[string]any{"mediaUrl": address(mediaFiles), "srtUrl": address(subtitleFiles), "sourceLanguage": language, "targetLanguage": language}
	start := func(product string) stand.Description {
		members := map[string]any{}
		for name, schema := range all {
			if slices.Contains(inputs[product], name) {
				members[name] = schema
			}
		}
		return stand.Description{Bodies: stand.JSON(members), Done: []int{202}, Links: stand.To("/jobId", "jobId", "jobs.get")}
	}
	key := stand.JSON(map[string]any{
		"name": stand.Printable(), "expiresAt": map[string]any{"pattern": "^(20[3-9]|2[1-9]|[3-9])"}, // in the future
	})
	return map[string]stand.Description{
		"translate": start("translate"), "transcribe": start("transcribe"), "voiceover": start("voiceover"), "dub": start("dub"),
		"clients.create": {Done: []int{201}, Links: stand.To("/clientId", "clientId", "clients.get", "clients.update", "keys.create")},
		"keys.create":    {Bodies: key, Done: []int{201}, Links: stand.To("/keyId", "keyId", "keys.revoke")},
	}
}
