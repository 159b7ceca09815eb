package docs

import (
	"fmt"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
	"github.com/failwell/failwell/gen"
)

// catches show how programs tell the error from others, with the names that
// generated packages give it.
func catches(c *contract.Contract, x *contract.Code) []listing {
	golang, goPackage := gen.NamesInGo(c), gen.PackageName(c, "")
	typescript, python := gen.NamesInTypeScript(c, gen.Options{}), gen.NamesInPython(c, gen.Options{})
	goUse, tsUse, pyUse := "log.Print(e.RequestID, e.Friendly())", "console.error(error.requestId, error.friendlyMessage)", "print(error.request_id, error.friendly_message)"
	switch {
	case c.RetryFor(x, x.Status) == condition.AfterWait:
		goUse, tsUse, pyUse = "log.Print(e.RequestID, e.RetryAfter)", "console.error(error.requestId, error.retryAfter)", "print(error.request_id, error.retry_after)"
	case x.Envelope.Carries("fields"):
		goUse, tsUse, pyUse = "log.Print(e.RequestID, e.Fields)", "console.error(error.requestId, error.fields)", "print(error.request_id, error.fields)"
	}
	return []listing{
		{"go", "Go", fmt.Sprintf(`resp, err := client.Do(req)
if err := failwell.Check(resp, err); errors.Is(err, %s.%s) {
	var e *failwell.Error
	errors.As(err, &e)
	%s
}`, goPackage, golang[x.Name], goUse)},
		{"typescript", "TypeScript", fmt.Sprintf(`import { codes } from %q;

try {
  await call();
} catch (error) {
  if (!(error instanceof codes.%s)) throw error;
  %s;
}`, typescript.Package, typescript.Codes[x.Name], tsUse)},
		{"python", "Python", fmt.Sprintf(`from %s import codes

try:
    call()
except codes.%s as error:
    %s`, python.Package, python.Codes[x.Name], pyUse)},
	}
}
