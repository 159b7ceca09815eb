package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// A program is an envelope's template specialised to one code: what never
// changes is merged into byte segments, the rest are slots. Rendering walks it
// without reflection, maps or allocation.
type program struct {
	envelope  *Envelope
	mediaType string
	escape    escape
	body      []op
	headers   []headerProgram
}

type headerProgram struct {
	name  string
	value []op
}

type op struct {
	kind     kind
	slot     slot
	optional bool
	spread   bool
	// key is `"name":` for a member of an object.
	key    []byte
	lit    []byte
	param  *Param
	params []*Param
	texts  []*Text
	ops    []op
	// leaf is the element of a list, map or tree.
	leaf *op
}

type compiler struct {
	code *Code
	// placed are parameters with a slot of their own; $params leaves them out.
	placed map[string]bool
	// lists: the envelope lists field errors, so that parameters that stand
	// for one of them are only read, never written beside the list.
	lists  bool
	escape escape
}

func compile(code *Code, e *Envelope) (*program, error) {
	c := compiler{code: code, placed: map[string]bool{}, lists: e.Carries("fields"), escape: escapeJSON}
	e.walk(func(n *node) {
		if n.kind == kindSlot && n.slot == slotParam {
			c.placed[n.param] = true
		}
	})
	out := &program{envelope: e, mediaType: e.MediaType}
	root := e.body
	if root == nil {
		root = e.text
		c.escape = escapeNone
		if isXML(e.MediaType) {
			c.escape = escapeXML
		}
	}
	out.escape = c.escape
	var err error
	if out.body, err = c.compile(root); err != nil {
		return nil, err
	}
	c.escape = escapeNone
	for _, h := range e.Headers {
		value, err := c.compile(h.value)
		if err != nil {
			return nil, err
		}
		out.headers = append(out.headers, headerProgram{name: h.Name, value: value})
	}
	return out, nil
}

func (c *compiler) compile(n *node) ([]op, error) {
	o, keep, err := c.op(n)
	if err != nil || !keep {
		return nil, err
	}
	return []op{o}, nil
}

// op compiles one node; keep is false when it can never say anything.
func (c *compiler) op(n *node) (o op, keep bool, err error) {
	o = op{kind: n.kind, slot: n.slot, optional: n.optional, spread: n.spread}
	switch n.kind {
	case kindLiteral:
		o.lit, err = c.literal(n.literal)
		return o, true, err
	case kindSlot:
		return c.slot(o, n)
	case kindText, kindArray:
		return c.sequence(o, n)
	case kindObject:
		return c.object(o, n)
	case kindList, kindMap, kindTree:
		leaf, _, err := c.op(n.elem)
		o.leaf = &leaf
		return o, true, err
	}
	return o, false, fmt.Errorf("unknown part of a template at line %d", n.line)
}

func (c *compiler) literal(v any) ([]byte, error) {
	if c.escape != escapeJSON {
		s, ok := v.(string)
		if !ok {
			s = fmt.Sprint(v)
		}
		return []byte(s), nil // text of the template itself is written as it stands
	}
	if s, ok := v.(string); ok {
		return appendString(nil, s), nil
	}
	lit, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("a fixed part of the template: %w", err)
	}
	return lit, nil
}

// constant returns what a slot always is for this code.
func (c *compiler) constant(s slot) (string, bool) {
	switch s {
	case slotCode:
		return c.code.Wire, true
	case slotSubcode:
		return c.code.Subcode, true
	case slotType:
		return c.code.Type, true
	case slotTitle:
		return c.code.Title, true
	case slotDocURL:
		return c.code.DocURL, true
	case slotMeaning:
		return c.code.Meaning, true
	case slotRemedy:
		return c.code.Remedy, true
	case slotRetryable:
		return strconv.FormatBool(c.code.Retry.Retryable()), true
	}
	return "", false
}

var errCodeNotSent = errors.New("the envelope needs $code, but the code is not sent")

// constantOp compiles a slot whose value is known already.
func (c *compiler) constantOp(o op, n *node, s string) (op, bool, error) {
	switch {
	case s == "" && n.optional:
		return o, false, nil
	case s == "" && n.slot == slotCode:
		return o, false, errCodeNotSent
	case s == "":
		return o, false, fmt.Errorf("the envelope needs $%s, which the code does not have", nameOfSlot(n.slot))
	}
	o.kind = kindLiteral
	if n.slot == slotRetryable || n.slot == slotCode && c.code.Numeric || c.escape != escapeJSON {
		o.lit = c.escape.append(nil, s)
	} else {
		o.lit = appendString(nil, s)
	}
	return o, true, nil
}

func (c *compiler) slot(o op, n *node) (op, bool, error) {
	if s, ok := c.constant(n.slot); ok {
		return c.constantOp(o, n, s)
	}
	switch n.slot {
	case slotParam:
		for _, x := range c.code.Params {
			if x.Name == n.param {
				o.param = x
			}
		}
		if o.param == nil {
			if n.optional {
				return o, false, nil
			}
			return o, false, fmt.Errorf("the envelope needs $params.%s, which the code does not declare", n.param)
		}
	case slotParams:
		for _, x := range c.code.Params {
			told := c.lists && (x.From == factField || x.From == factIssue)
			if !c.placed[x.Name] && !told {
				o.params = append(o.params, x)
			}
		}
		if len(o.params) == 0 && (n.optional || n.spread) {
			return o, false, nil
		}
	case slotMessage:
		o.texts = c.code.Messages
	case slotFriendly:
		o.texts = c.code.Friendly
	}
	return o, true, nil
}

func nameOfSlot(s slot) string {
	for name, x := range slotNames {
		if x == s {
			return name
		}
	}
	return ""
}

func (c *compiler) sequence(o op, n *node) (op, bool, error) {
	outer := c.escape
	for _, part := range n.parts {
		if n.kind == kindText && part.kind == kindLiteral {
			s, _ := part.literal.(string)
			lit := []byte(s)
			if outer == escapeJSON {
				lit = appendEscaped(nil, s)
			}
			o.ops = append(o.ops, op{kind: kindLiteral, lit: lit})
			continue
		}
		sub, keep, err := c.op(part)
		if err != nil {
			return o, false, err
		}
		if n.kind == kindText && sub.kind == kindLiteral && outer == escapeJSON && keep && len(sub.lit) > 1 && sub.lit[0] == '"' {
			sub.lit = sub.lit[1 : len(sub.lit)-1] // a constant inside a text has no quotes of its own
		}
		sub.optional = sub.optional || n.kind == kindText && n.optional
		if keep {
			o.ops = append(o.ops, sub)
		}
	}
	return o, true, nil
}

func (c *compiler) object(o op, n *node) (op, bool, error) {
	for _, m := range n.members {
		sub, keep, err := c.op(m.node)
		if err != nil {
			return o, false, err
		}
		if !keep {
			continue
		}
		if !sub.spread {
			sub.key = append(appendString(nil, m.key), ':')
		}
		if sub.kind == kindLiteral {
			lit := append(append(sub.key, sub.lit...), ',')
			if last := len(o.ops) - 1; last >= 0 && o.ops[last].kind == kindLiteral {
				o.ops[last].lit = append(o.ops[last].lit, lit...)
				continue
			}
			sub = op{kind: kindLiteral, lit: lit}
		}
		o.ops = append(o.ops, sub)
	}
	return o, true, nil
}
