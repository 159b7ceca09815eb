package contract

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

func (m *match) slot(n *node, v jsonValue, field *FieldError) bool {
	switch n.slot {
	case slotCode:
		return m.readCode(v)
	case slotStatus:
		return m.readStatus(v)
	case slotTimestamp:
		return m.readTimestamp(v)
	case slotRetryAfter, slotRetryAfterMillis:
		return m.readWait(n.slot, v)
	case slotRetryable:
		return v.kind() == jsonTrue || v.kind() == jsonFalse
	case slotParams:
		for name, value := range v.members() {
			m.params = append(m.params, Value{name, value.any()})
		}
		return v.kind() == jsonObject
	case slotParam:
		if v.kind() != jsonNull {
			m.params = append(m.params, Value{n.param, v.any()})
		}
		return true
	case slotFieldPath:
		if v.kind() != jsonArray || field == nil {
			return false
		}
		for step := range v.items() {
			if !readStep(step, field) {
				return false
			}
		}
		return true
	}
	s, ok := v.string()
	if !ok {
		return v.kind() == jsonNull
	}
	m.exact++
	return m.readString(n.slot, s, field)
}

func (m *match) readString(of slot, s string, field *FieldError) bool {
	switch of {
	case slotSubcode:
		m.subcode = s
	case slotType:
		m.typ = s
	case slotTitle:
		m.title = s
	case slotMessage:
		m.message = s
	case slotRequestID:
		m.requestID = s
	case slotField:
		m.field = s
	case slotFieldName:
		if field != nil && s != "" {
			field.Path = strings.Split(s, ".")
		}
	case slotFieldPointer:
		if field != nil {
			field.Path = splitPointer(s)
		}
	case slotFieldMessage:
		if field != nil {
			field.Message = s
		}
	case slotFieldCode:
		if field != nil {
			field.Code = s
		}
	case slotFieldIn:
		if field != nil {
			field.In = s
		}
	default: // constants of the code, such as $meaning: nothing to learn
	}
	return true
}

func (m *match) readCode(v jsonValue) bool {
	switch v.kind() {
	case jsonString:
	case jsonNumber:
		m.numeric = true
	default:
		return false
	}
	m.code, m.coded = v.plain(), true
	m.exact++
	return true
}

func (m *match) readStatus(v jsonValue) bool {
	n, err := strconv.Atoi(v.plain())
	if err != nil {
		return false
	}
	m.status = n
	m.exact++
	return true
}

func (m *match) readTimestamp(v jsonValue) bool {
	at, ok := readInstant(v.any(), m.contract.Timestamp)
	if ok {
		m.at = at
	}
	return ok
}

func readInstant(v any, format TimeFormat) (time.Time, bool) {
	switch x := v.(type) {
	case json.Number:
		n, err := x.Int64()
		if err != nil || n < 0 || n > 1<<53 {
			return time.Time{}, false
		}
		if format == EpochMillis {
			return time.UnixMilli(n).UTC(), true
		}
		return time.Unix(n, 0).UTC(), true
	case string:
		layout := time.RFC3339Nano
		if format == HTTPDate {
			layout = httpDate
		}
		at, err := time.Parse(layout, x)
		return at.UTC(), err == nil
	}
	return time.Time{}, false
}

func (m *match) readWait(of slot, v jsonValue) bool {
	number, ok := v.number()
	if !ok {
		return v.kind() == jsonNull
	}
	n, err := number.Float64()
	unit := time.Second
	if of == slotRetryAfterMillis {
		unit = time.Millisecond
	}
	if err != nil || n < 0 || n*float64(unit) > float64(maxWait) {
		return true // an absurd wait is no wait
	}
	m.wait, m.waits = time.Duration(n*float64(unit)), true
	return true
}
