package server

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/failwell/failwell/contract"
)

func judgeAnswered(_ *checker, x *exchange) (bool, *fault) {
	if x.kind == kindWire {
		return false, nil
	}
	if x.err != nil {
		return true, seen(x.err.Error())
	}
	return true, nil
}

func promiseEnvelope(k *checker) promise {
	names := make([]string, 0, len(k.contract.Envelopes))
	for _, e := range k.contract.Envelopes {
		names = append(names, e.Name)
	}
	return k.at("envelopes", "Failures in one of the shapes "+strings.Join(names, ", ")+".")
}

// judges reports whether an exchange is a failure whose body can be judged.
func judges(x *exchange) bool {
	return x.err == nil && x.kind != kindHead && x.kind != kindWire && (x.failed || x.status >= http.StatusBadRequest)
}

func judgeEnvelope(k *checker, x *exchange) (bool, *fault) {
	if !judges(x) {
		return false, nil
	}
	return true, k.outside(x)
}

// outside tells what is there in place of an envelope.
func (k *checker) outside(x *exchange) *fault {
	if x.failure.Envelope != "" || len(x.failure.Items) > 0 {
		return nil
	}
	said := fmt.Sprintf("%s with %s", statusText(x.status), bodyText(x))
	f := seen(said)
	if code := k.meant(x); code != nil {
		f.promise = "a body in the shape " + code.Envelope.Name + ", as " + wire(code) + " has it"
		f.pos = code.Envelope.Pos
	}
	return f
}

// meant is the code that a failure should have had: the first that the request
// asks for, or the contract's for the status.
func (k *checker) meant(x *exchange) *contract.Code {
	if len(x.want) > 0 {
		code, _ := k.contract.For(x.want[0])
		return code
	}
	if row, ok := k.contract.Status(x.status); ok {
		return row.Code
	}
	return nil
}

func bodyText(x *exchange) string {
	kind := cmp.Or(x.header.Get("Content-Type"), "no Content-Type")
	if len(x.body) == 0 {
		return "an empty body (" + kind + ")"
	}
	return fmt.Sprintf("%s (%s)", cut(strings.Join(strings.Fields(string(x.body)), " "), 120), kind)
}

func wire(c *contract.Code) string { return cmp.Or(c.Wire, c.Name) }

func judgeWire(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindWire {
		return false, nil
	}
	switch {
	case x.err != nil:
		return true, seen(x.err.Error())
	case x.failed || x.status >= http.StatusBadRequest:
		f := k.outside(x)
		if _, promised := k.contract.Place("headers", "request_id"); promised && f == nil && k.id(x) == "" {
			f = seen(statusText(x.status) + " without " + k.contract.Headers.RequestID.Name)
		}
		return true, f
	}
	return x.request.raw != "", nil // the server has made sense of it
}

func promiseCodes(k *checker) promise {
	if k.contract.OpenCodes {
		p := k.at("open_codes", "")
		p.absent = "closed list of codes (it says open_codes)"
		return p
	}
	return k.at("errors", fmt.Sprintf("One of the %d codes of the catalogue.", len(k.contract.Codes)))
}

func judgeCode(_ *checker, x *exchange) (bool, *fault) {
	if !judges(x) || x.failure.Envelope == "" {
		return false, nil
	}
	if x.failure.Code == nil {
		return true, seen("the code " + cmp.Or(x.failure.WireCode, "is missing"))
	}
	return true, nil
}

// coded reports whether a failure has a code of the catalogue in an envelope.
func coded(x *exchange) bool { return judges(x) && x.failure.Envelope != "" && x.failure.Code != nil }

func judgeStatus(_ *checker, x *exchange) (bool, *fault) {
	if !coded(x) {
		return false, nil
	}
	code := x.failure.Code
	if code.Allows(x.status) || x.status >= 200 && x.status < 300 && slices.Contains(code.Envelope.Inside, x.status) {
		return true, nil
	}
	f := seen(wire(code) + " under " + statusText(x.status))
	f.promise, f.pos = wire(code)+" under "+statuses(code), code.Pos
	return true, f
}

// statuses are all under which a code may come.
func statuses(c *contract.Code) string {
	list := []string{statusText(c.Status)}
	add := func(s string) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	for _, m := range c.Is {
		if m.Status != 0 {
			add(statusText(m.Status))
		}
	}
	for _, r := range c.Others {
		if r.From == r.To {
			add(statusText(r.From))
		} else {
			add(fmt.Sprintf("%d to %d", r.From, r.To))
		}
	}
	return strings.Join(list, " or ")
}

func promiseOperations(k *checker) promise {
	for _, c := range k.contract.Codes {
		if len(c.Operations) > 0 {
			return promise{text: "Codes that belong to some operations come from no other.", pos: c.Pos}
		}
	}
	return promise{absent: "code that belongs to some operations only"}
}

func judgeOperation(_ *checker, x *exchange) (bool, *fault) {
	if !coded(x) || x.operation == nil {
		return false, nil
	}
	list := x.failure.Code.Operations
	if len(list) == 0 || slices.Contains(list, x.operation.ID) {
		return len(list) > 0, nil
	}
	f := seen(wire(x.failure.Code) + " from " + x.operation.ID)
	f.promise, f.pos = wire(x.failure.Code)+" from "+strings.Join(list, ", ")+" only", x.failure.Code.Pos
	return true, f
}

func judgeMembers(k *checker, x *exchange) (bool, *fault) {
	if !coded(x) {
		return false, nil
	}
	code := x.failure.Code
	schema := k.schemas.errors[code]
	if otherStatus(x) || !code.Allows(x.status) { // said by the rules about that
		return false, nil
	}
	if schema == nil || x.failure.Envelope != code.Envelope.Name {
		return false, nil // not JSON, or the shape of another code, which decodes all the same
	}
	body := jsonOf(x.body)
	if body == nil {
		return false, nil
	}
	if err := schema.Validate(body); err != nil {
		f := seen(faults(err))
		f.promise, f.pos = "the shape "+code.Envelope.Name+" as "+wire(code)+" fills it", code.Envelope.Pos
		return true, f
	}
	return true, nil
}

func promiseStatusInBody(k *checker) promise {
	for _, e := range k.contract.Envelopes {
		if e.Carries("status") {
			return promise{text: "The status of the answer in its body.", pos: e.Pos}
		}
	}
	return promise{absent: "envelope that carries the status"}
}

func judgeStatusInBody(k *checker, x *exchange) (bool, *fault) {
	e := k.envelope(x)
	if !judges(x) || e == nil || !e.Carries("status") {
		return false, nil
	}
	if otherStatus(x) {
		f := seen(statusText(x.status) + " with " + bodyText(x))
		f.pos = e.Pos
		return true, f
	}
	return true, nil
}

// otherStatus reports whether the body names another status than the answer has.
func otherStatus(x *exchange) bool {
	return slices.ContainsFunc(x.failure.Why, func(why string) bool { return strings.Contains(why, "another status") })
}

// envelope is the one that a failure came in.
func (k *checker) envelope(x *exchange) *contract.Envelope {
	for _, e := range k.contract.Envelopes {
		if e.Name == x.failure.Envelope {
			return e
		}
	}
	return nil
}

func promiseMediaType(k *checker) promise {
	var kinds []string
	for _, e := range k.contract.Envelopes {
		if !slices.Contains(kinds, e.MediaType) {
			kinds = append(kinds, e.MediaType)
		}
	}
	return k.at("envelopes", "Failures as "+strings.Join(kinds, " or ")+".")
}

func judgeMediaType(k *checker, x *exchange) (bool, *fault) {
	e := k.envelope(x)
	if !judges(x) || e == nil {
		return false, nil
	}
	got, _, err := mime.ParseMediaType(x.header.Get("Content-Type"))
	want, _, wrong := mime.ParseMediaType(e.MediaType)
	if err == nil && wrong == nil && got == want {
		return true, nil
	}
	f := seen(cmp.Or(x.header.Get("Content-Type"), "no Content-Type"))
	f.promise, f.pos = e.MediaType, e.Pos
	return true, f
}
