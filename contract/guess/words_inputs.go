package guess

import "github.com/failwell/failwell/contract/condition"

// inputRules are about what a call brings along.
func inputRules() []rule {
	return []rule{
		{condition.ParameterMissing, 98, "idempoten* _ missing|required", ""},
		{condition.ParameterMissing, 98, "missing|required|requires _ idempoten*", ""},
		{condition.ParameterMissing, 92, "missing|absent _ " + argument + "|required|value|query|input|data|header|body", ""},
		{condition.ParameterMissing, 92, "required|mandatory " + argument + "|value|query|header|input|key", ""},
		{condition.ParameterMissing, 92, argument + " _ missing|required|empty|blank|absent|mandatory", ""},
		{condition.ParameterMissing, 80, "not null|blank|empty", ""},
		{condition.ParameterMissing, 95, "required|mandatory _ not found|present", "400"},
		{condition.ParameterMissing, 94, "required request|query|body|path|form|url parameter|param|part|header|body|cookie|field", ""},
		{condition.ParameterMissing, 92, argument + "|header __ not present|provided|supplied|specified", "400 422 2xx 0"},

		{condition.ParameterInvalid, 86, "invalid|bad|wrong|illegal|incorrect|unsupported|unknown|undefined|unrecognized|unrecognised|unexpected|disallowed _ " + named + "|value|values|option|filter|range|date|email|phone|currency|country|amount|address|cursor|limit|sort|page|offset|language|timezone|zip|version|enum|id|uuid|identifier|name|domain|model|symbol|coordinates|locale", "400 404 406 409 422 2xx 0"},
		{condition.ParameterInvalid, 86, named + "|value _ invalid|unsupported|unknown|unrecognized|illegal|incorrect|wrong|range|not", "400 404 406 409 422 2xx 0"},
		{condition.ParameterInvalid, 86, "out of range|bounds", ""},
		{condition.ParameterInvalid, 80, "outside of|the", "400 422"},
		{condition.ParameterInvalid, 94, "no such column|field|property|attribute|parameter|argument", "400"},
		{condition.ParameterInvalid, 78, "too long|short|small|big|high|low|old|far", "400 422 2xx 0"},
		{condition.ParameterInvalid, 84, "mutually exclusive", ""},
		{condition.ParameterInvalid, 82, "invalid type|choice", ""},
		{condition.ParameterInvalid, 82, "type mismatch", ""},
		{condition.ParameterInvalid, 84, "typemismatch", ""},
		{condition.ParameterInvalid, 66, "invalid|bad|illegal argument*", ""},
		{condition.ParameterInvalid, 66, argument + " error|exception", "400 422 2xx 0"},
		{condition.ParameterInvalid, 97, "unknown name", ""},
		{condition.ParameterInvalid, 84, "unsupported grant|response type", ""},
		{condition.ParameterInvalid, 84, "invalid scope|redirect", "400"},
		{condition.ParameterInvalid, 84, "redirect uri mismatch", ""},

		{condition.ValidationFailed, 82, "validation*", ""},
		{condition.ValidationFailed, 80, "record|form|input|data|model invalid", ""},
		{condition.ValidationFailed, 76, "unprocessable*", ""},
		{condition.ValidationFailed, 80, "invalid input|data|entity|record|attributes|fields", ""},
		{condition.ValidationFailed, 70, "schema", "400 422"},

		{condition.FormatInvalid, 95, "invalid|malformed|bad|broken|unparseable|incorrect json|xml|syntax|jsonp|yaml|ndjson", ""},
		{condition.FormatInvalid, 95, "invalid|malformed|bad|broken _ json|xml", ""},
		{condition.FormatInvalid, 95, "json|xml|yaml _ parse|syntax|invalid|decode|malformed|error|parsing|parsed|decoding|valid", ""},
		{condition.FormatInvalid, 95, "pars*|decod*|deserializ* _ json|xml|body|payload|request", "400 422 415 2xx 0"},
		{condition.FormatInvalid, 90, "body|payload|request _ pars*|decod*|malformed|deserializ*|unreadable", "400 422"},
		{condition.FormatInvalid, 92, "not _ valid|well json|formed", ""},
		{condition.FormatInvalid, 85, "failed|unable to read|parse|decode _ request|body|message", "400"},
		{condition.FormatInvalid, 90, "parse error|exception|failure|failed", "400 422 2xx 0"},
		{condition.FormatInvalid, 90, "parseerror", "400 422 2xx 0"},
		{condition.FormatInvalid, 90, "syntax error", "400 422 2xx 0"},
		{condition.FormatInvalid, 90, "unexpected token|character|end", "400 422 2xx 0"},
		{condition.FormatInvalid, 90, "message not readable", ""},
		{condition.FormatInvalid, 88, "serialization", "400"},
		{condition.FormatInvalid, 82, "invalid format|encoding", "400"},
		{condition.FormatInvalid, 85, "problems parsing", ""},

		{condition.RequestMalformed, 45, "bad request", ""},
		{condition.RequestMalformed, 45, "badrequest*", ""},
		{condition.RequestMalformed, 45, "invalid request*", ""},
		{condition.RequestMalformed, 45, "invalidrequest*", ""},
		{condition.RequestMalformed, 60, "malformed request|header|url|uri", ""},

		{condition.ConfirmationMismatch, 92, "confirm* _ mismatch|required|invalid|missing|match", ""},

		{condition.BodyTooLarge, 90, "entity|payload|body|request|file|content|document|message|image|attachment|upload|header|headers|uri|url|media|video|data|header _ too large|big", ""},
		{condition.BodyTooLarge, 90, "uri|url|header|headers|message|content|body|prompt|input too long", "400 413 414 431"},
		{condition.BodyTooLarge, 90, "payloadtoolarge*", ""},
		{condition.BodyTooLarge, 78, "too large", "400 413 414 431"},
		{condition.BodyTooLarge, 88, "file|body|payload|content|request|upload|attachment size|length _ exceed*|limit*|too|larger|over", ""},
		{condition.BodyTooLarge, 88, "exceed* _ size|length", "400 413 422"},
		{condition.BodyTooLarge, 85, "max*|maximum _ size|length _ exceed*", ""},
		{condition.BodyTooLarge, 85, "context length", ""},

		{condition.MediaUnsupported, 90, "unsupported media|mime|content|file|format|image|video|audio|extension|encoding|filetype", ""},
		{condition.MediaUnsupported, 90, "invalid|wrong|bad|unknown|missing content type|encoding", ""},
		{condition.MediaUnsupported, 90, "content type|encoding _ not|must|invalid|unsupported|missing", ""},
		{condition.MediaUnsupported, 88, "media type", "400 406 415 422"},
		{condition.MediaUnsupported, 85, "file type|format|extension _ not|unsupported|invalid", ""},
		{condition.MediaUnsupported, 75, "not acceptable", ""},
		{condition.MediaUnsupported, 92, "unsupported|corrupt|corrupted|undecodable _ data|file|audio|video|image|media", "400 415 422"},
		{condition.MediaUnsupported, 88, "invalid mime|file type", ""},

		{condition.ChunkRejected, 90, "chunk|chunks", "400 409 422 2xx"},
		{condition.ChunkRejected, 88, "invalid part", ""},
	}
}
