package contract

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
)

func (s *schemer) slot(n *node) part {
	sometimes := part{typed("string"), true, !n.optional}
	switch n.slot {
	case slotCode, slotSubcode, slotType, slotTitle, slotDocURL, slotMeaning, slotRemedy, slotRetryable:
		return s.constant(n)
	case slotMessage:
		return s.told(n, func(code *Code) []*Text { return code.Messages })
	case slotFriendly:
		return s.told(n, func(code *Code) []*Text { return code.Friendly })
	case slotStatus:
		return part{s.statuses(), true, true}
	case slotTimestamp:
		return part{instantForm(s.contract.Timestamp), true, !n.optional}
	case slotRetryAfter, slotRetryAfterMillis:
		if n.optional {
			return part{typed("integer", keyword{"minimum", 0}), true, false}
		}
		return part{ordered{{"type", []string{"integer", "null"}}, {"minimum", 0}}, true, true}
	case slotParam:
		return s.param(n)
	case slotParams:
		properties, required := s.params()
		out := typed("object", keyword{"properties", properties})
		if len(required) > 0 {
			out = append(out, keyword{"required", required})
		}
		return part{out, !n.optional || len(properties) > 0, !n.optional || len(required) > 0}
	case slotFieldPath:
		return part{typed("array", keyword{"items", steps()}), true, true}
	case slotFieldPointer:
		return part{typed("string"), true, true}
	case slotNone, slotRequestID, slotField, slotFieldName, slotFieldMessage, slotFieldCode, slotFieldIn:
	}
	return sometimes
}

// constant is a slot that each code fills with a word of its own.
func (s *schemer) constant(n *node) part {
	out := part{always: !s.open}
	var words []any
	for _, code := range s.codes {
		c := compiler{code: code}
		word, _ := c.constant(n.slot)
		if word == "" {
			out.always = false
			continue
		}
		out.ever = true
		var value any = word
		switch {
		case n.slot == slotRetryable:
			value = word == "true"
		case n.slot == slotCode && code.Numeric:
			value = json.Number(word)
		}
		if !slices.Contains(words, value) {
			words = append(words, value)
		}
	}
	out.always = out.always || !n.optional
	switch {
	case n.slot == slotTitle, n.slot == slotMeaning, n.slot == slotRemedy: // for people, who rephrase
		out.schema = typed("string")
	case n.slot == slotDocURL:
		out.schema = typed("string", keyword{"format", "uri-reference"})
	case s.open && n.slot != slotRetryable:
		out.ever = true
		out.schema = ordered{{"examples", words}}
	case len(words) == 1:
		out.schema = ordered{{"const", words[0]}}
	default:
		out.schema = ordered{{"enum", words}}
	}
	return out
}

// told is a message: any text, and always there where some template needs
// nothing to be filled in.
func (s *schemer) told(n *node, of func(*Code) []*Text) part {
	out := part{typed("string"), true, true}
	for _, code := range s.codes {
		plain := slices.ContainsFunc(of(code), func(t *Text) bool { return len(t.Names()) == 0 })
		out.always = out.always && plain
	}
	out.always = out.always && !s.open || !n.optional
	return out
}

// statuses are those under which the codes may be sent.
func (s *schemer) statuses() ordered {
	var list []int
	ranged := s.open
	for _, code := range s.codes {
		list = append(list, code.Status)
		for _, m := range code.Is {
			list = append(list, code.StatusOf(m.Condition))
		}
		for _, r := range code.Others {
			if r.From == r.To {
				list = append(list, r.From)
			}
			ranged = ranged || r.From != r.To
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	switch {
	case ranged:
		return typed("integer", keyword{"minimum", 100}, keyword{"maximum", 599})
	case len(list) == 1:
		return ordered{{"const", list[0]}}
	}
	return ordered{{"enum", list}}
}

// instantForm is how an instant or a wait looks.
func instantForm(format TimeFormat) ordered {
	switch format {
	case EpochSeconds, EpochMillis, DeltaSeconds, DeltaMillis:
		return typed("integer")
	case HTTPDate:
		return typed("string")
	case RFC3339, RFC3339Milli:
	}
	return typed("string", keyword{"format", "date-time"})
}

// param is one parameter; codes that declare it otherwise are told apart.
func (s *schemer) param(n *node) part {
	out := part{always: true}
	var forms []ordered
	known := map[string]int{}
	for _, code := range s.codes {
		x := code.param(n.param)
		if x == nil {
			out.always = false
			continue
		}
		out.ever = true
		out.always = out.always && x.Required
		kind, told := paramSchema(x)
		text, err := json.Marshal(kind)
		at, again := known[string(text)]
		switch {
		case err != nil || !again:
			known[string(text)] = len(forms)
			forms = append(forms, append(kind, told...))
		case !reflect.DeepEqual(forms[at], append(kind, told...)):
			forms[at] = kind // the same thing, told in several ways
		}
	}
	if !out.always && !n.optional {
		out.ever, out.always = true, true
		forms = append(forms, typed("null"))
	}
	out.schema = anyOf(forms)
	return out
}

// params are the parameters without a place of their own, by name.
func (s *schemer) params() (properties ordered, required []string) {
	var names []string
	for _, code := range s.codes {
		for _, x := range code.Params {
			told := s.lists && (x.From == factField || x.From == factIssue)
			if !s.placed[x.Name] && !told && !slices.Contains(names, x.Name) {
				names = append(names, x.Name)
			}
		}
	}
	for _, name := range names {
		x := s.param(&node{param: name, optional: true})
		properties = append(properties, keyword{name, x.schema})
		if x.always && !s.open {
			required = append(required, name)
		}
	}
	return properties, required
}

// paramSchema is the type of a parameter, and what people are told of it.
func paramSchema(x *Param) (kind, told ordered) {
	switch x.Type {
	case TypeTime:
		kind = instantForm(x.Format)
	case TypeString:
		kind = typed("string")
		if x.Prefix != "" {
			kind = append(kind, keyword{"pattern", "^" + quoteForPattern(x.Prefix)})
		}
	case TypeInteger, TypeNumber, TypeBoolean, TypeObject, TypeArray:
		kind = typed(string(x.Type))
	case TypeAny:
	}
	if x.Doc != "" {
		told = append(told, keyword{"description", x.Doc})
	}
	if example, ok := exampleOf(x); ok {
		told = append(told, keyword{"examples", []any{example}})
	}
	return slices.Clip(kind), told
}

// exampleOf is the parameter's example with the JSON type that it is sent with.
func exampleOf(x *Param) (any, bool) {
	if x.Example == "" {
		return nil, false
	}
	switch x.Type {
	case TypeString:
		return x.Prefix + x.Example, true
	case TypeInteger, TypeNumber:
		if _, err := strconv.ParseFloat(x.Example, 64); err == nil {
			return json.Number(x.Example), true
		}
	case TypeBoolean, TypeObject, TypeArray, TypeAny:
		if json.Valid([]byte(x.Example)) {
			return json.RawMessage(x.Example), true
		}
	case TypeTime:
	}
	return nil, false
}
