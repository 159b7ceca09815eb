package compat

// Unpromised lists what a contract says without promising it, as "Type.Field",
// with the reason why a change of it is no finding. Whatever else a contract
// holds is compared.
func Unpromised() map[string]string {
	const (
		people  = "text for people; programs must not read it"
		derived = "follows from what is compared"
		folded  = "a default; what it leads to is compared where it applies"
		inside  = "between the gateway and the service behind it"
	)
	return map[string]string{
		"Contract.Title": people, "Contract.Document": people, "Contract.Support": people, "Contract.Notes": people, "Contract.Friendly": people,
		"Contract.Reference":         "where people read about codes",
		"Contract.File":              "where the contract is kept",
		"Contract.OpenAPI":           "where operations come from; they themselves are compared",
		"Contract.Scenarios":         "tests of the API, not promises to its callers",
		"Code.Title":                 people,
		"Code.Slug":                  "the address of a page for people",
		"Code.DocURL":                "the address of a page for people",
		"Code.Meaning":               people,
		"Code.Cause":                 people,
		"Code.Remedy":                people,
		"Code.Friendly":              people,
		"Code.Since":                 people,
		"Code.Beyond":                "says who documents the code, not whether it may come",
		"Param.Example":              people,
		"Param.Doc":                  people,
		"StatusRow.Name":             people,
		"StatusRow.Meanings":         people,
		"StatusRow.Beyond":           "says who documents the status",
		"Envelope.Requires":          "a check of the contract itself",
		"When.Statuses":              derived + ": the envelope of each code",
		"When.Conditions":            derived + ": the envelope of each code",
		"When.Codes":                 derived + ": the envelope of each code",
		"RequestIDHeader.Documented": "says who documents the header",
		"Feature.Title":              people,
		"Plan.Title":                 people,
		"Plan.Price":                 "what a plan costs is no matter of failures",
		"Plan.Credits":               people + "; the quota is compared",
		"Balance.Title":              people,
		"LimitRules.Algorithm":       folded,
		"LimitRules.Scope":           folded,
		"ClientRules.Log":            people,
		"ClientRules.Advice":         people,
		"Validation.Body":            folded,
		"Validation.Parameter":       folded,
		"Operation.Summary":          people,
		"Operation.Sample":           "an example for people and checks",
		"Operation.Reconcile":        inside,
		"Note":                       people, "Scenario": "tests of the API, not promises to its callers",
	}
}
