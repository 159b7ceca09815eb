package server

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/contract/condition"
)

// refusal makes a rule of what a contract answers to a condition.
func refusal(id, group, title string, idle func(*checker) string, what string, of ...func(*checker) condition.Condition) rule {
	return rule{
		id: id, group: group, title: title, severity: conform.Error, idle: idle,
		promise: func(k *checker) promise {
			texts := make([]string, 0, len(of))
			var pos contract.Position
			for i, condition := range of {
				code, status := k.contract.For(condition(k))
				if i == 0 {
					pos = code.Pos
				}
				texts = append(texts, named(status, code))
			}
			return promise{text: what + " is answered with " + strings.Join(slices.Compact(texts), " or ") + ".", pos: pos}
		},
		judge: each(func(k *checker, x *exchange) (bool, *fault) { return k.judgeRefusal(id, x) }),
	}
}

// named is a code under a status.
func named(status int, c *contract.Code) string { return strconv.Itoa(status) + " " + wire(c) }

func is(of condition.Condition) func(*checker) condition.Condition {
	return func(*checker) condition.Condition { return of }
}

// judgeRefusal looks whether a call was refused for the reason that there is.
func (k *checker) judgeRefusal(rule string, x *exchange) (bool, *fault) {
	if x.rule != rule || x.err != nil || k.hindered(x) || k.barred(x) || len(x.want) == 0 {
		return false, nil
	}
	var f *fault
	switch {
	case x.status < http.StatusBadRequest && !x.failed:
		f = seen(statusText(x.status) + ": it was not refused")
	case x.failure.Code == nil || x.failure.Envelope == "":
		// What else is wrong with it is for others to say.
		if k.statusFits(x) {
			return true, nil
		}
		f = seen(statusText(x.status) + " with " + bodyText(x))
	case k.means(x):
		return true, nil
	default:
		f = seen(x.outcome())
	}
	code, status := k.contract.For(x.want[0])
	f.promise, f.pos = named(status, code), code.Pos
	return true, f
}

// means reports whether a failure has a code for one of the conditions that are
// asked for.
func (k *checker) means(x *exchange) bool {
	code := x.failure.Code
	if code == nil {
		return false
	}
	return slices.ContainsFunc(x.want, func(of condition.Condition) bool {
		first, _ := k.contract.For(of)
		return code == first || code.Means(of)
	})
}

// statusFits reports whether an answer without a code that is known has at least
// the status that is promised.
func (k *checker) statusFits(x *exchange) bool {
	return slices.ContainsFunc(x.want, func(of condition.Condition) bool {
		_, status := k.contract.For(of)
		return status == x.status
	})
}

func needsKeyOf(state string) func(*checker) string {
	return func(k *checker) string {
		if k.key(state) == "" {
			return "needs --state-key " + state + "=KEY"
		}
		return ""
	}
}

func refusalRules() []rule {
	body := func(k *checker) condition.Condition {
		return cmp.Or(k.contract.Validation.Body, condition.ValidationFailed)
	}
	missing := func(k *checker) condition.Condition { return cmp.Or(k.contract.Validation.Missing, body(k)) }
	parameter := func(k *checker) condition.Condition {
		return cmp.Or(k.contract.Validation.Parameter, condition.ParameterInvalid)
	}
	lacking := func(k *checker) condition.Condition { return cmp.Or(k.contract.Validation.Missing, parameter(k)) }
	list := []rule{
		refusal(ruleKeyMissing, groupKeys, "a missing key is told as such", nil, "A call without a key", is(condition.KeyMissing)),
		refusal(ruleKeyMalformed, groupKeys, "a key that can be none is told as such", nil, "What has not the form of a key",
			is(condition.KeyMalformed), is(condition.KeyUnknown)),
		refusal(ruleKeyUnknown, groupKeys, "a key that nobody issued is told as such", nil, "A key that nobody issued", is(condition.KeyUnknown)),
		{
			id: ruleKeyState, group: groupKeys, title: "why a key does not work any more is told", severity: conform.Error,
			promise: promiseStates, idle: func(k *checker) string {
				if k.altered() == "" && k.key("suspended") == "" && k.key("unpaid") == "" {
					return "needs --state-key, of keys that are expired, revoked and so on"
				}
				return ""
			},
			judge: each(func(k *checker, x *exchange) (bool, *fault) { return k.judgeRefusal(ruleKeyState, x) }),
		},
		refusal(ruleKeyDisclosure, groupKeys, "a state is told only to who has the whole key", func(k *checker) string {
			if k.altered() == "" {
				return "needs --state-key, of a key that is expired, revoked or deactivated"
			}
			return ""
		}, "A key of which one character is wrong", is(condition.KeyUnknown), is(condition.KeyMalformed)),
		refusal(rulePermission, groupKeys, "a missing permission is told as such", func(k *checker) string {
			if len(k.contract.Permissions) == 0 {
				return "the contract has no permissions"
			}
			return cmp.Or(needsKeyOf("read_only")(k), needsRefusals(k))
		}, "A key without the permission", is(condition.PermissionDenied)),
		refusal(ruleRoute, groupRequests, "an unknown path is told as such", nil, "A path that the API does not have", is(condition.RouteUnknown)),
		refusal(ruleMethod, groupRequests, "an unknown method is told as such", nil, "A method that a path does not have", is(condition.MethodNotAllowed)),
		refusal(ruleResource, groupRequests, "an unknown id is told as such", needsKey, "An id that nothing has", is(condition.ResourceMissing)),
		refusal(ruleBroken, groupRequests, "a body that cannot be read is told as such", needsRefusals, "A body that is no JSON, or a form that is none,",
			is(condition.FormatInvalid), is(condition.RequestMalformed)),
		refusal(ruleBodySize, groupRequests, "a body that is too large is told as such", needsRefusals, "A body that is longer than the operation takes", is(condition.BodyTooLarge)),
		refusal(ruleMedia, groupRequests, "another media type is told as such", needsRefusals, "A body of another media type", is(condition.MediaUnsupported)),
		refusal(ruleFieldMissing, groupRequests, "a missing member is told as such", needsRefusals, "A body without a required member", missing),
		refusal(ruleFieldInvalid, groupRequests, "a member of the wrong type is told as such", needsRefusals, "A member of the wrong type", body),
		{
			id: "field-named", group: groupRequests, title: "a refusal names the member that is at fault", severity: conform.Error,
			promise: promiseFields, judge: each(judgeField), idle: needsRefusals,
		},
		refusal(ruleParameterMissing, groupRequests, "a missing parameter is told as such", needsKey, "A call without a required parameter", lacking),
		refusal(ruleParameterInvalid, groupRequests, "a wrong parameter is told as such", needsKey, "A parameter that breaks its schema", parameter),
	}
	for i := range list {
		if list[i].group != groupKeys {
			continue
		}
		promised, idle := list[i].promise, list[i].idle
		list[i].promise = func(k *checker) promise {
			if len(k.contract.Auth.Schemes) == 0 {
				return promise{absent: "auth.schemes"}
			}
			return promised(k)
		}
		list[i].idle = func(k *checker) string {
			if k.keyed() == nil {
				return "no operation asks for a key"
			}
			if idle == nil {
				return ""
			}
			return idle(k)
		}
	}
	for i := range list {
		if list[i].id == ruleKeyDisclosure {
			list[i].judge = each(judgeDisclosure)
		}
	}
	// One resource may be told by a code of its own, which stands for no condition.
	for i := range list {
		if list[i].id == ruleResource {
			list[i].judge = each(judgeResource)
		}
	}
	return list
}

// judgeDisclosure looks whether a state is told to who has not the whole key.
func judgeDisclosure(k *checker, x *exchange) (bool, *fault) {
	applies, f := k.judgeRefusal(ruleKeyDisclosure, x)
	if f == nil || x.failure.Code == nil {
		return applies, f
	}
	for _, s := range states {
		if code, _ := k.contract.For(s.want); code == x.failure.Code {
			return true, f
		}
	}
	return true, nil // refused, for another reason
}

func promiseStates(k *checker) promise {
	texts := make([]string, 0, len(states))
	for _, s := range states {
		code, status := k.contract.For(s.want)
		texts = append(texts, fmt.Sprintf("%s: %d %s", s.name, status, wire(code)))
	}
	first, _ := k.contract.For(states[0].want)
	return promise{text: "Keys that do not work any more, by why: " + strings.Join(texts, ", ") + ".", pos: first.Pos}
}

// judgeResource takes any code under a status that means an absent thing.
func judgeResource(k *checker, x *exchange) (bool, *fault) {
	applies, f := k.judgeRefusal(ruleResource, x)
	if f != nil && x.failure.Code != nil && x.failure.Envelope != "" && len(x.failure.Code.Is) == 0 && x.status == http.StatusNotFound {
		return true, nil
	}
	return applies, f
}

func promiseFields(k *checker) promise {
	for _, e := range k.contract.Envelopes {
		if e.Carries("fields") || e.Carries("field") {
			return promise{text: "The member that is at fault, by its name.", pos: e.Pos}
		}
	}
	return promise{absent: "envelope that carries field errors"}
}

func judgeField(k *checker, x *exchange) (bool, *fault) {
	e := k.envelope(x)
	if x.field == "" || !coded(x) || e == nil || k.hindered(x) || !k.means(x) || !e.Carries("fields") && !e.Carries("field") {
		return false, nil
	}
	var named []string
	for _, f := range x.failure.Fields {
		if len(f.Path) > 0 && (f.Name() == x.field || f.Path[len(f.Path)-1] == x.field) {
			return true, nil
		}
		named = append(named, strconv.Quote(f.Name()))
	}
	f := seen("it names " + cmp.Or(strings.Join(named, ", "), "none"))
	f.promise, f.pos = strconv.Quote(x.field)+" as what is at fault", e.Pos
	return true, f
}

// jsonOf is a body of JSON; nil when it is none.
func jsonOf(body []byte) any {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		return nil
	}
	return v
}
