package guess

import "github.com/failwell/failwell/contract/condition"

// keyRules are about who calls.
func keyRules() []rule {
	return []rule{
		{condition.KeyExpired, 97, credential + "|auth|login|oauth|authorization|license _ expired|expire|expires", ""},
		{condition.KeyExpired, 97, "expired _ " + credential + "|login|auth|license", ""},
		{condition.KeyExpired, 95, "expiredtoken*", ""},

		{condition.KeyRevoked, 96, "revoked", ""},
		{condition.KeyRevoked, 94, credential + " _ invalidated|blacklisted|withdrawn|deleted", ""},

		{condition.KeyDeactivated, 96, credential + " _ disabled|inactive|deactivated|suspended|blocked|locked|deactive|paused", ""},
		{condition.KeyDeactivated, 96, "disabled|inactive|deactivated|suspended|blocked _ " + credential, ""},

		{condition.KeyMalformed, 96, "malformed|misformatted _ " + credential + "|authorization|auth", ""},
		{condition.KeyMalformed, 96, credential + "|authorization|header _ malformed", "401 403 400"},
		{condition.KeyMalformed, 96, "invalid " + credential + " format|structure|encoding", ""},
		{condition.KeyMalformed, 97, credential + " format|structure|length _ invalid|wrong|incorrect|not", ""},
		{condition.KeyMalformed, 96, credential + " is not a|an __ character|characters|hexadecimal|alphanumeric", "400 401 403"},
		{condition.KeyMalformed, 95, "invalid|bad|malformed|improper _ authorization|auth header|scheme|format|type", ""},
		{condition.KeyMalformed, 90, "incomplete signature", ""},
		{condition.KeyMalformed, 92, "not a valid|well jwt|formed", "401 403"},

		{condition.KeyMissing, 96, "missing|no|without|absent|empty|omitted|requires _ " + credential + "|authorization|authentication", "400 401 403 407 2xx 0"},
		{condition.KeyMissing, 96, "missingauth*", ""},
		{condition.KeyMissing, 95, "not|didnt|must|should pass|send|supply|provide|include|specify|attach _ " + credential + "|authentication|authorization", "400 401 403 407 2xx 0"},
		{condition.KeyMissing, 92, "must|need|to log|login|sign|authenticate", "401 403"},
		{condition.KeyMissing, 84, "not authenticated", ""},
		{condition.KeyMissing, 95, "resolve _ key|apikey|token", "401"},
		{condition.KeyMissing, 95, "api key|token|credentials|apikey _ missing|required|absent|empty|needed", ""},
		{condition.KeyMissing, 95, credential + "|authorization|authentication|header _ missing|absent|empty", "401 403"},
		{condition.KeyMissing, 95, "authentication|auth|authorization|login|signin|credentials|token|key required|needed|missing", ""},
		{condition.KeyMissing, 95, "authentication|auth|authorization|login|credentials is|are|was|were required|needed|missing", ""},
		{condition.KeyMissing, 94, credential + "|authentication|authorization|header _ not provided|supplied|present|specified|set|sent|given|included|passed", ""},
		{condition.KeyMissing, 93, "not authed", ""},
		{condition.KeyMissing, 93, "not logged|signed in", ""},
		{condition.KeyMissing, 93, "must be logged|signed|authenticated", ""},
		{condition.KeyMissing, 92, "not provided|supplied|include|included|provide|supply|specified _ " + credential + "|authentication|authorization|api", ""},
		{condition.KeyMissing, 92, "didnt|did provide _ key", ""},
		{condition.KeyMissing, 88, "anonymous", "401 403"},
		{condition.KeyMissing, 90, "please log|sign|authenticate in", "401 403"},

		{condition.KeyUnknown, 94, "invalid|incorrect|wrong|bad|unknown|unrecognized|unrecognised|illegal|inexistent|fake _ " + credential + "|auth|authentication|authorization|login|authenticate|username|password|signature", "400 401 403 404 498 2xx 0 5xx"},
		{condition.KeyUnknown, 94, "api|access _ key|token|apikey _ invalid|incorrect|wrong|unknown|not valid|found|recognized|recognised|exist", ""},
		{condition.KeyUnknown, 92, credential + " _ invalid|incorrect|wrong|unknown|unverified|mismatch", "401 403 2xx 0 400 5xx"},
		{condition.KeyUnknown, 92, credential + "|signature _ match|valid|recognized|recognised|verified|verify|verification|rejected", "401 403"},
		{condition.KeyUnknown, 90, "invalidtoken*", ""},
		{condition.KeyUnknown, 93, credential + " _ not exist|exists|found|recognized", "401 403"},
		{condition.KeyUnknown, 90, "security header|error", ""},
		{condition.KeyUnknown, 97, "wrong|incorrect|invalid credentials|password", "401 403"},
		{condition.KeyUnknown, 97, "not|didnt _ valid|correct|proper _ " + credential, "401 403 2xx 0 400"},
		{condition.KeyUnknown, 92, "invalid|incorrect|wrong __ api|access key|token", "401 403"},
		{condition.KeyUnknown, 90, "signature _ not|mismatch|invalid", ""},
		{condition.KeyUnknown, 80, "auth|authentication|authenticate|login|signin _ failed|failure|error|fail|unsuccessful|invalid|denied|exception", ""},
		{condition.KeyUnknown, 80, "could|couldnt|unable|cannot|failed|failure _ authenticate|validate|verify|authenticated|verified", "401 403"},
		{condition.KeyUnknown, 80, "not _ authenticated", ""},
		{condition.KeyUnknown, 60, "unauthenticated", ""},
		{condition.KeyUnknown, 80, "unauthorized access|client|request", "401"},
		{condition.KeyUnknown, 80, "authorization failed|error|denied", "401"},
		{condition.KeyUnknown, 58, "unauthorized|unauthorised", ""},
		{condition.KeyUnknown, 72, "not authorized|authorised", "401"},
		{condition.KeyUnknown, 90, "invalid client|grant", ""},
		{condition.KeyUnknown, 92, "unrecognized client|account", ""},
	}
}
