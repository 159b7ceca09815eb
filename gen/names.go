package gen

import (
	"github.com/failwell/failwell/contract"
)

// PackageName is what generated packages are called unless somebody says
// otherwise: the contract's api, its words joined by sep.
func PackageName(c *contract.Contract, sep string) string { return Options{}.name(c, sep) }
