package server

import (
	"cmp"
	"strings"

	"github.com/google/uuid"

	"github.com/failwell/failwell/conform"
	"github.com/failwell/failwell/contract"
)

func idRules() []rule {
	id := func(text string) func(*checker) promise {
		return func(k *checker) promise {
			return k.place("headers.request_id", strings.ReplaceAll(text, "$", k.contract.Headers.RequestID.Name))
		}
	}
	return []rule{
		{
			id: "request-id", group: groupIDs, title: "every answer carries a request id", severity: conform.Error,
			promise: id("$ on every response."), judge: each(judgeID),
		},
		{
			id: "request-id-form", group: groupIDs, title: "the id has the form that is promised", severity: conform.Warning,
			promise: func(k *checker) promise {
				return k.place("headers.request_id", k.contract.Headers.RequestID.Name+" as "+idForm(&k.contract.Headers.RequestID)+".")
			},
			judge: each(judgeIDForm),
		},
		{
			id: "request-id-unique", group: groupIDs, title: "no two requests have the same id", severity: conform.Error,
			promise: id("$ is different for every request."), judge: judgeIDUnique,
		},
		{
			id: "request-id-in-body", group: groupIDs, title: "the id in a body is that of the header", severity: conform.Error,
			promise: promiseIDInBody, judge: each(judgeIDInBody),
		},
		{
			id: "request-id-accepted", group: groupIDs, title: "an id of the caller's comes back", severity: conform.Warning,
			promise: func(k *checker) promise {
				return k.place("headers.request_id.format", k.contract.Headers.RequestID.Name+" from the caller, as "+idForm(&contract.RequestIDHeader{Format: k.contract.Headers.RequestID.Format})+", is taken over.")
			},
			judge: each(judgeOwnID), idle: needsKey,
		},
	}
}

func idForm(h *contract.RequestIDHeader) string {
	form := "1 to 128 of A-Z a-z 0-9 . _ ~ -"
	if h.Format == "uuid" {
		form = "a UUID"
	}
	if h.Prefix != "" {
		form = h.Prefix + " and " + form
	}
	return form
}

func (k *checker) id(x *exchange) string { return x.header.Get(k.contract.Headers.RequestID.Name) }

func judgeID(k *checker, x *exchange) (bool, *fault) {
	if x.err != nil || x.kind == kindWire {
		return false, nil
	}
	if k.id(x) == "" {
		return true, seen(statusText(x.status) + " without " + k.contract.Headers.RequestID.Name)
	}
	return true, nil
}

func judgeIDForm(k *checker, x *exchange) (bool, *fault) {
	id := k.id(x)
	if x.err != nil || id == "" || x.kind == kindOwnID {
		return false, nil
	}
	h := &k.contract.Headers.RequestID
	rest, ok := strings.CutPrefix(id, h.Prefix)
	if ok && h.Format == "uuid" {
		ok = len(rest) == 36 && uuid.Validate(rest) == nil
	}
	if !ok || rest == "" || len(id) > 128 || strings.Trim(rest, tokenCharacters) != "" {
		return true, seen(h.Name + ": " + cut(id, 60))
	}
	return true, nil
}

// judgeIDUnique leaves out answers that are given once more: they have the id of
// the call that was worked on, so that both lead to one record.
func judgeIDUnique(k *checker, all []*exchange) (tried int, broken []fault) {
	first := map[string]*exchange{}
	for _, x := range all {
		id := k.id(x)
		if x.err != nil || id == "" || x.kind == kindOwnID || x.kind == kindAgain || x.kind == kindAtOnce {
			continue
		}
		if before := first[id]; before != nil {
			twin := *x
			twin.before = before
			broken = append(broken, fault{x: &twin, seen: k.contract.Headers.RequestID.Name + ": " + cut(id, 60) + " once more"})
			tried++
			continue
		}
		first[id] = x
		tried++
	}
	if tried < 2 {
		return 0, nil
	}
	return tried, broken
}

func promiseIDInBody(k *checker) promise {
	for _, e := range k.contract.Envelopes {
		if e.Carries("request_id") {
			return promise{text: "The value of " + k.contract.Headers.RequestID.Name + " as the request id in the body.", pos: e.Pos}
		}
	}
	return promise{absent: "envelope that carries the request id"}
}

func judgeIDInBody(k *checker, x *exchange) (bool, *fault) {
	e := k.envelope(x)
	if !judges(x) || e == nil || !e.Carries("request_id") || k.id(x) == "" {
		return false, nil
	}
	// The failure has the body's id; the header's only where the body has none.
	if x.failure.RequestID == k.id(x) {
		return true, nil
	}
	f := seen(x.failure.RequestID + " in the body, " + k.id(x) + " in " + k.contract.Headers.RequestID.Name)
	f.pos = e.Pos
	return true, f
}

func judgeOwnID(k *checker, x *exchange) (bool, *fault) {
	if x.kind != kindOwnID || x.err != nil {
		return false, nil
	}
	if id := k.id(x); id != ownID {
		return true, seen(k.contract.Headers.RequestID.Name + ": " + cmp.Or(id, "none") + " in answer to " + ownID)
	}
	return true, nil
}

const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
