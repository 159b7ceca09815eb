package heppu

import "github.com/failwell/failwell/sandbox/stand"

// Describe says what is a matter of meaning, and so of another code than the
// contract's schemas.
func (*api) Describe() map[string]stand.Description {
	agent := stand.JSON(map[string]any{"name": stand.Filled(), "systemPrompt": stand.Filled()})
	return map[string]stand.Description{
		"agents.create": {
			Bodies: agent, Done: []int{201},
			Links: stand.To("/data/id", "agentId", "agents.get", "agents.update", "agents.delete"),
		},
		"agents.update": {Bodies: agent},
		"keys.create": {
			Bodies: stand.JSON(map[string]any{"name": stand.Printable()}), Done: []int{201},
			Links: stand.To("/data/id", "keyId", "keys.revoke"),
		},
		"calls.create": {Done: []int{201}, Links: stand.To("/data/id", "callId", "calls.get")},
	}
}
