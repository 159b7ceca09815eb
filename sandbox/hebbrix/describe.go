package hebbrix

import "github.com/failwell/failwell/sandbox/stand"

// Describe says what the API asks of values beside their schemas, and of what the
// form is made.
func (*api) Describe() map[string]stand.Description {
	// Nobody has to name a collection unless they ask to be held to it.
	unasked := map[string]any{"X-Hebbrix-Require-Collection": map[string]any{"const": false}}
	pages := map[string]any{"cursor": map[string]any{"pattern": cursorForm.String()}}
	importance := map[string]any{"minimum": 0, "maximum": 1}
	collection := stand.JSON(map[string]any{"name": stand.Filled()})
	memory := stand.JSON(map[string]any{"content": stand.Filled(), "importance": importance}, "content")
	file := map[string]any{"type": "string", "format": "binary", "minLength": 1}
	named := map[string]any{"file": map[string]any{
		"contentType": "text/plain",
		"headers": map[string]any{"Content-Disposition": map[string]any{
			"schema": map[string]any{"type": "string", "example": `form-data; name="file"; filename="notes.txt"`},
		}},
	}}
	text := map[string]any{"description": "Text, as all in a form is."}
	return map[string]stand.Description{
		"collections.create": {Bodies: collection, Done: []int{201}, Links: stand.To("/id", "id", "collections.get", "collections.update", "collections.delete")},
		"collections.list":   {Parameters: pages},
		"collections.update": {Bodies: collection},
		"memories.create": {
			Bodies: memory, Parameters: unasked, Done: []int{201, 202},
			Links: stand.To("/results/0/id", "id", "memories.get", "memories.update", "memories.delete"),
		},
		"memories.list":       {Parameters: map[string]any{"cursor": pages["cursor"], "X-Hebbrix-Require-Collection": unasked["X-Hebbrix-Require-Collection"]}},
		"memories.update":     {Bodies: stand.JSON(map[string]any{"content": stand.Filled(), "importance": importance})},
		"memories.delete_all": {Done: []int{200}},
		"documents.upload": {
			Bodies: stand.Form(map[string]any{"file": file, "category": text, "tags": text}, "file"), Parts: named, Parameters: unasked, Done: []int{201},
			Links: stand.To("/document/id", "id", "documents.get", "documents.chunks", "documents.delete"),
		},
		"search":          {Bodies: stand.JSON(map[string]any{"query": stand.Filled()}), Parameters: unasked},
		"entities.create": {Bodies: stand.JSON(map[string]any{"name": map[string]any{"pattern": `[\p{L}\p{N}]`}}), Done: []int{201}},
	}
}
