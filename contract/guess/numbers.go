package guess

import "github.com/failwell/failwell/contract/condition"

// sqlStates are classes and codes of SQLSTATE (ISO 9075, PostgreSQL appendix A).
func sqlStates() map[string]condition.Condition {
	return map[string]condition.Condition{
		"23505": condition.ResourceConflict, "23503": condition.ResourceConflict, "23502": condition.ParameterMissing,
		"23514": condition.ValidationFailed, "22P02": condition.ParameterInvalid, "22001": condition.ParameterInvalid,
		"22003": condition.ParameterInvalid, "42501": condition.PermissionDenied, "42P01": condition.ResourceMissing,
		"42883": condition.ResourceMissing, "42703": condition.ParameterInvalid, "53300": condition.Overloaded,
		"57014": condition.UpstreamTimeout, "40001": condition.ResourceConflict, "40P01": condition.ResourceConflict,
		"28P01": condition.KeyUnknown, "08006": condition.StorageFailed, "08001": condition.StorageFailed, "42601": condition.FormatInvalid,
	}
}

// rpcCodes are the numbers of JSON-RPC 2.0 section 5.1, of its XML-RPC
// forerunner, and the range that implementations use for limits.
func rpcCodes() map[string]condition.Condition {
	return map[string]condition.Condition{
		"-32700": condition.FormatInvalid, "-32600": condition.RequestMalformed, "-32601": condition.RouteUnknown,
		"-32602": condition.ParameterInvalid, "-32603": condition.Internal, "-32005": condition.RateLimited,
	}
}

// grpcCodes are the numbers of google.rpc.Code.
func grpcCodes() map[string]condition.Condition {
	return map[string]condition.Condition{
		"1": condition.ClientTimeout, "2": condition.Internal, "3": condition.ParameterInvalid, "4": condition.UpstreamTimeout,
		"5": condition.ResourceMissing, "6": condition.ResourceConflict, "7": condition.PermissionDenied, "8": condition.RateLimited,
		"9": condition.ResourceConflict, "10": condition.ResourceConflict, "11": condition.ParameterInvalid,
		"12": condition.MethodNotAllowed, "13": condition.Internal, "14": condition.Unavailable, "15": condition.StorageFailed,
		"16": condition.KeyUnknown,
	}
}

// moreStatuses completes condition.OfStatus with statuses that frameworks,
// proxies and content networks use beside the registered ones.
func moreStatuses() map[int]condition.Condition {
	return map[int]condition.Condition{
		407: condition.KeyMissing, 414: condition.BodyTooLarge, 416: condition.ParameterInvalid,
		419: condition.KeyExpired, 420: condition.RateLimited, 424: condition.DependencyFailed, 430: condition.RateLimited,
		440: condition.KeyExpired, 451: condition.PermissionDenied, 494: condition.BodyTooLarge, 498: condition.KeyUnknown,
		499: condition.ClientTimeout, 509: condition.QuotaExhausted, 511: condition.KeyMissing, 520: condition.UpstreamUnreachable,
		521: condition.UpstreamUnreachable, 522: condition.UpstreamTimeout, 523: condition.UpstreamUnreachable,
		524: condition.UpstreamTimeout, 525: condition.UpstreamUnreachable, 526: condition.UpstreamUnreachable,
		527: condition.UpstreamUnreachable, 530: condition.UpstreamUnreachable, 598: condition.UpstreamTimeout,
		599: condition.UpstreamTimeout, 999: condition.PermissionDenied,
	}
}

// reasons are the reason phrases of RFC 9110 and their usual variants, lower
// case without blanks: texts that add nothing to the status.
func reasons() map[string]bool {
	m := map[string]bool{}
	for _, s := range []string{
		"badrequest", "unauthorized", "unauthorised", "paymentrequired", "forbidden", "notfound", "methodnotallowed",
		"notacceptable", "proxyauthenticationrequired", "requesttimeout", "conflict", "gone", "lengthrequired",
		"preconditionfailed", "payloadtoolarge", "contenttoolarge", "requestentitytoolarge", "uritoolong",
		"unsupportedmediatype", "rangenotsatisfiable", "expectationfailed", "imateapot", "misdirectedrequest",
		"unprocessableentity", "unprocessablecontent", "locked", "faileddependency", "tooearly", "upgraderequired",
		"preconditionrequired", "toomanyrequests", "requestheaderfieldstoolarge", "unavailableforlegalreasons",
		"internalservererror", "notimplemented", "badgateway", "serviceunavailable", "servicetemporarilyunavailable",
		"gatewaytimeout", "gatewaytimeout", "httpversionnotsupported", "insufficientstorage", "loopdetected",
		"error", "errors", "fail", "failed", "failure", "servererror", "exception", "unknownerror", "anerroroccurred", "server", "internalserver", "notok", "nok",
	} {
		m[s] = true
	}
	return m
}
