package server

import (
	"github.com/failwell/failwell/conform"
)

// Groups of rules, in the order of a report.
const (
	groupShape       = "shape"
	groupIDs         = "request ids"
	groupHeaders     = "headers"
	groupPrivacy     = "privacy"
	groupKeys        = "keys"
	groupRequests    = "requests"
	groupIdempotency = "idempotency"
	groupLimits      = "limits"
)

// Ids of rules that probes name.
const (
	ruleKeyMissing       = "key-missing"
	ruleKeyMalformed     = "key-malformed"
	ruleKeyUnknown       = "key-unknown"
	ruleKeyState         = "key-state"
	ruleKeyDisclosure    = "key-disclosure"
	rulePermission       = "permission"
	ruleRoute            = "route-unknown"
	ruleMethod           = "method-unknown"
	ruleBroken           = "body-malformed"
	ruleBodySize         = "body-too-large"
	ruleMedia            = "media-type-refused"
	ruleFieldMissing     = "field-missing"
	ruleFieldInvalid     = "field-invalid"
	ruleParameterMissing = "parameter-missing"
	ruleParameterInvalid = "parameter-invalid"
	ruleResource         = "resource-missing"
	ruleKeySyntax        = "idempotency-key-syntax"
	ruleKeyRequired      = "idempotency-key-required"
)

// rules are all that there are, in the order in which they are reported.
func rules() []rule {
	list := []rule{
		{
			id: "answered", group: groupShape, title: "every request gets a whole answer", severity: conform.Error,
			promise: func(k *checker) promise { return k.at("errors", "An answer to every request, also where it fails.") },
			judge:   each(judgeAnswered),
		},
		{
			id: "envelope", group: groupShape, title: "a failure comes in an envelope of the contract", severity: conform.Error,
			promise: promiseEnvelope, judge: each(judgeEnvelope),
		},
		{
			id: "wire-envelope", group: groupShape, title: "a request that is no HTTP gets an envelope", severity: conform.Warning,
			promise: promiseEnvelope, judge: each(judgeWire),
		},
		{
			id: "code-known", group: groupShape, title: "its code is in the catalogue", severity: conform.Error,
			promise: promiseCodes, judge: each(judgeCode),
		},
		{
			id: "code-status", group: groupShape, title: "a code comes under its own status", severity: conform.Error,
			promise: func(k *checker) promise {
				return k.at("errors", "Each code under the status that the catalogue gives it.")
			},
			judge: each(judgeStatus),
		},
		{
			id: "code-operation", group: groupShape, title: "a code comes from operations that have it", severity: conform.Warning,
			promise: promiseOperations, judge: each(judgeOperation),
		},
		{
			id: "members", group: groupShape, title: "the body holds what its code promises", severity: conform.Error,
			promise: func(k *checker) promise {
				return k.at("envelopes", "The members of the code's envelope, of their types, and the parameters that the code requires.")
			},
			judge: each(judgeMembers),
		},
		{
			id: "status-in-body", group: groupShape, title: "a status in the body is that of the answer", severity: conform.Error,
			promise: promiseStatusInBody, judge: each(judgeStatusInBody),
		},
		{
			id: "media-type", group: groupShape, title: "the Content-Type is that of the envelope", severity: conform.Error,
			promise: promiseMediaType, judge: each(judgeMediaType),
		},
	}
	list = append(list, idRules()...)
	list = append(list, headerRules()...)
	list = append(list, privacyRules()...)
	list = append(list, refusalRules()...)
	list = append(list, idempotencyRules()...)
	list = append(list, limitRules()...)
	return append(list, useUpRules()...)
}
