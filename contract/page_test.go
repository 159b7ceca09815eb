package contract_test

import (
	"strings"
	"testing"

	"github.com/failwell/failwell/contract"
)

func TestPagesOfCodes(t *testing.T) {
	t.Parallel()
	c, err := contract.Parse("c.yaml", []byte(`failwell: 1
api: shop
reference: https://docs.example.com/errors/
envelopes: {standard: {body: {code: $code, type: $doc_url}}}
errors:
  card.declined: {status: 402, is: [payment_required]}
  Card-Declined: {status: 402}
  index: {status: 400, is: [request_malformed], doc_url: "https://elsewhere.example/400"}
  "ä/<b>": {status: 404, is: [resource_missing]}
  other: {status: 500, is: [internal, unavailable, rate_limited, permission_denied, key_unknown]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, code := range c.Codes {
		got = append(got, code.Slug+" "+code.DocURL)
	}
	want := `card-declined https://docs.example.com/errors/card-declined
Card-Declined-2 https://docs.example.com/errors/Card-Declined-2
index-2 https://elsewhere.example/400
---b- https://docs.example.com/errors/---b-
other https://docs.example.com/errors/other`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	body := c.Sample(c.MustCode("other")).Body
	if string(body) != `{"code":"other","type":"https://docs.example.com/errors/other"}` {
		t.Errorf("rendered as %s", body)
	}
}
