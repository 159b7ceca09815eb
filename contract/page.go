package contract

import (
	"strconv"
	"strings"
)

// settlePages names each code's page in a generated reference, and gives codes
// without a documentation link of their own a link to it.
func (p *parser) settlePages(c *Contract) {
	taken := map[string]bool{"index": true, "guide": true, "assets": true}
	for _, code := range c.Codes {
		base := slug(code.Name)
		code.Slug = base
		// Some file systems know no case.
		for n := 2; taken[strings.ToLower(code.Slug)]; n++ {
			code.Slug = base + "-" + strconv.Itoa(n)
		}
		taken[strings.ToLower(code.Slug)] = true
		if c.Reference != "" && code.DocURL == "" {
			code.DocURL = strings.TrimSuffix(c.Reference, "/") + "/" + code.Slug
		}
	}
}

// slug writes a name with characters that need no escaping in a path, and no
// dots, which would look like an extension.
func slug(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}
