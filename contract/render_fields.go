package contract

import "slices"

func (r *renderer) fieldSlot(dst []byte, o *op, field *FieldError) ([]byte, bool) {
	if field == nil {
		return r.absent(dst, o)
	}
	switch o.slot {
	case slotFieldName:
		if len(field.Path) == 0 && o.optional {
			return dst, false
		}
		return r.dotted(dst, field), true
	case slotFieldPath:
		start := len(dst)
		dst = append(dst, '[')
		for _, step := range field.Path {
			dst = append(appendStep(dst, step), ',')
		}
		return r.close(dst, start, ']', false)
	case slotFieldPointer:
		dst = r.quote(dst)
		for _, step := range field.Path {
			dst = append(dst, '/')
			dst = appendPointerStep(dst, step, r.esc)
		}
		return r.quote(dst), true
	case slotFieldMessage:
		return r.optionalString(dst, o, field.Message)
	case slotFieldCode:
		return r.optionalString(dst, o, field.Code)
	default:
		return r.optionalString(dst, o, field.In)
	}
}

// appendPointerStep escapes a step of a JSON pointer (RFC 6901 section 3).
func appendPointerStep(dst []byte, step string, esc escape) []byte {
	start := 0
	for i := range len(step) {
		var replacement string
		switch step[i] {
		case '~':
			replacement = "~0"
		case '/':
			replacement = "~1"
		default:
			continue
		}
		dst = esc.append(dst, step[start:i])
		dst = append(dst, replacement...)
		start = i + 1
	}
	return esc.append(dst, step[start:])
}

func (r *renderer) dotted(dst []byte, field *FieldError) []byte {
	dst = r.quote(dst)
	for i, step := range field.Path {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = r.esc.append(dst, step)
	}
	return r.quote(dst)
}

func (r *renderer) list(dst []byte, o *op) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '[')
	for i := range r.f.Fields {
		var said bool
		if dst, said = r.value(dst, o.leaf, &r.f.Fields[i]); said {
			dst = append(dst, ',')
		}
	}
	return r.close(dst, start, ']', o.optional)
}

// fieldMap writes one member per field name; a list as its value collects all
// messages of that field.
func (r *renderer) fieldMap(dst []byte, o *op) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '{')
	for i := range r.f.Fields {
		if r.seen(i) {
			continue
		}
		dst = append(r.dotted(dst, &r.f.Fields[i]), ':')
		dst = append(r.group(dst, o.leaf, i), ',')
	}
	return r.close(dst, start, '}', o.optional)
}

func (r *renderer) seen(i int) bool {
	for j := range i {
		if slices.Equal(r.f.Fields[j].Path, r.f.Fields[i].Path) {
			return true
		}
	}
	return false
}

// group writes the leaf of field i; an array as a leaf takes its siblings too.
func (r *renderer) group(dst []byte, leaf *op, i int) []byte {
	if leaf.kind != kindArray || len(leaf.ops) != 1 {
		dst, _ = r.value(dst, leaf, &r.f.Fields[i])
		return dst
	}
	start := len(dst)
	dst = append(dst, '[')
	for j := i; j < len(r.f.Fields); j++ {
		if !slices.Equal(r.f.Fields[j].Path, r.f.Fields[i].Path) {
			continue
		}
		dst, _ = r.value(dst, &leaf.ops[0], &r.f.Fields[j])
		dst = append(dst, ',')
	}
	dst, _ = r.close(dst, start, ']', false)
	return dst
}

// tree writes fields as nested objects. A field that lies on the way to
// another one cannot be told in a tree; it is left out.
func (r *renderer) tree(dst []byte, o *op) ([]byte, bool) {
	order := make([]int, 0, len(r.f.Fields))
	for i := range r.f.Fields {
		if !r.seen(i) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(r.f.Fields[a].Path, r.f.Fields[b].Path) })
	if len(order) == 0 && o.optional {
		return dst, false
	}
	return r.branch(dst, o.leaf, order, 0), true
}

func (r *renderer) branch(dst []byte, leaf *op, order []int, depth int) []byte {
	start := len(dst)
	dst = append(dst, '{')
	for i := 0; i < len(order); {
		path := r.f.Fields[order[i]].Path
		if len(path) <= depth {
			i++
			continue
		}
		j := i
		for j < len(order) && len(r.f.Fields[order[j]].Path) > depth && r.f.Fields[order[j]].Path[depth] == path[depth] {
			j++
		}
		dst = append(appendString(dst, path[depth]), ':')
		if len(path) == depth+1 && j == i+1 {
			dst = r.group(dst, leaf, order[i])
		} else {
			dst = r.branch(dst, leaf, order[i:j], depth+1)
		}
		dst = append(dst, ',')
		i = j
	}
	dst, _ = r.close(dst, start, '}', false)
	return dst
}
