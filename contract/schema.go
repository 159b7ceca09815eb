package contract

import "encoding/json"

// SchemaID names the published JSON Schema of the format.
const SchemaID = "https://github.com/failwell/failwell/raw/main/contract/schema.json"

// Schema returns the JSON Schema (draft 2020-12) of the contract format, for
// editors. It is made from the tables that the parser reads by.
func Schema() []byte {
	f := documentSection().form()
	f["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	f["$id"] = SchemaID
	f["title"] = "failwell contract"
	out, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic(err) // the tables hold nothing that JSON cannot
	}
	return append(out, '\n')
}
