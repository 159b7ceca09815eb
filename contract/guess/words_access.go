package guess

import "github.com/failwell/failwell/contract/condition"

// accessRules are about what a caller may do, and what it costs.
func accessRules() []rule {
	return []rule{
		{condition.PermissionDenied, 90, "unauthorized scope|scopes|permission", ""},
		{condition.PermissionDenied, 72, "unauthorized|unauthorised", "403"},
		{condition.PermissionDenied, 80, "permission|permissions|privilege|privileges|rights", ""},
		{condition.PermissionDenied, 74, "forbidden", ""},
		{condition.PermissionDenied, 78, "access|action|operation _ denied|forbidden|restricted|blocked|rejected|prohibited", ""},
		{condition.PermissionDenied, 60, "request denied|forbidden|rejected|prohibited", ""},
		{condition.PermissionDenied, 78, "accessdenied*", ""},
		{condition.PermissionDenied, 92, "insufficient|missing|no|lacks|required|requires|invalid|wrong|inadequate _ scope|scopes|permission|permissions|privilege|privileges|role|roles|rights|authority", "401 403 404 400 2xx 0"},
		{condition.PermissionDenied, 92, "insufficient scope|scopes|permission|permissions|privilege|privileges|role|rights|access", ""},
		{condition.PermissionDenied, 68, "not _ authorized|authorised|permitted", ""},
		{condition.PermissionDenied, 62, "not allowed", "401 403 400 2xx"},
		{condition.PermissionDenied, 80, "unauthorized client|operation|access", "400 403 404 2xx 0"},
		{condition.PermissionDenied, 80, "authorization failed|error|denied", "400 403 404 2xx 0"},
		{condition.PermissionDenied, 80, "authz*", ""},
		{condition.PermissionDenied, 85, "not|dont have|has|had _ access|permission|permissions", ""},
		{condition.PermissionDenied, 88, "ip|origin|referer|referrer|domain|country|region|location|address _ not|blocked|forbidden|denied|restricted|disallowed|banned|unsupported", "401 403 400 451"},
		{condition.PermissionDenied, 97, "csrf", ""},
		{condition.PermissionDenied, 80, "legal reasons", ""},
		{condition.PermissionDenied, 80, "security policy|rule|rules", "403"},
		{condition.PermissionDenied, 70, "request blocked", ""},

		{condition.AccountSuspended, 95, tenant + " _ suspended|disabled|blocked|banned|deactivated|inactive|closed|terminated|frozen|archived|delinquent", ""},
		{condition.AccountSuspended, 95, "suspended|disabled|blocked|banned|deactivated|inactive|terminated|frozen|closed " + tenant, ""},
		{condition.AccountSuspended, 92, "account|user _ locked", ""},
		{condition.AccountSuspended, 80, "suspended|banned", ""},

		{condition.FeatureUnavailable, 92, "feature|functionality|addon|function _ not|unavailable|disabled|restricted|access|locked|requires|required|missing", ""},
		{condition.FeatureUnavailable, 90, "upgrade _ plan|account|subscription|tier|needed", "401 402 403 2xx 0"},
		{condition.FeatureUnavailable, 90, "plan|tier|subscription|license|package|edition _ not|required|upgrade|restricted|support*|include|allow*|doesnt|insufficient", "401 402 403 2xx 0"},
		{condition.FeatureUnavailable, 90, "not|requires|require|only _ plan|tier|premium|paid|license|subscription|subscribers|customers", "401 402 403 2xx 0"},
		{condition.FeatureUnavailable, 92, "entitle*", ""},
		{condition.FeatureUnavailable, 92, "not entitled", ""},
		{condition.FeatureUnavailable, 90, "premium|paid|enterprise|pro endpoint|feature|plan|plans|only|data|subscription", "401 402 403 2xx 0"},
		{condition.FeatureUnavailable, 90, "opt in required", ""},
		{condition.FeatureUnavailable, 90, "service|api|project _ disabled", "403"},
		{condition.FeatureUnavailable, 88, "not _ enabled|activated", "400 403"},
		{condition.FeatureUnavailable, 90, "access not configured", ""},
		{condition.FeatureUnavailable, 94, "function|https access restricted", ""},
		{condition.FeatureUnavailable, 88, "api has not been", "403"},

		{condition.BalanceInsufficient, 95, "insufficient|low|negative _ balance|fund|funds|credit|credits|money|wallet|lovelace", ""},
		{condition.BalanceInsufficient, 95, "balance|credits|credit|funds _ insufficient|low|not|exhausted|depleted|required|exceeded|empty|zero", ""},
		{condition.BalanceInsufficient, 95, "not enough|sufficient _ credit|credits|balance|funds|fund|money|coins", ""},
		{condition.BalanceInsufficient, 95, "buying power", ""},
		{condition.BalanceInsufficient, 95, "out of credit|credits|funds|money", ""},
		{condition.BalanceInsufficient, 92, "no|zero credit|credits|funds|balance", ""},

		{condition.PaymentRequired, 92, "payment* required|needed|due|failed|declined|overdue|outstanding", ""},
		{condition.PaymentRequired, 96, "card _ declined|expired|error|rejected", ""},
		{condition.PaymentRequired, 96, "expired|declined card", ""},
		{condition.PaymentRequired, 90, "past due", ""},
		{condition.PaymentRequired, 88, "unpaid|overdue|arrears", ""},
		{condition.PaymentRequired, 85, "billing _ inactive|disabled|not|required|enabled|enable|issue|problem|suspended", ""},
		{condition.PaymentRequired, 94, "subscription|trial|plan|membership _ expired|cancelled|canceled|ended|lapsed|over|inactive", ""},
	}
}
