package guess

import (
	"slices"

	"github.com/failwell/failwell/contract/condition"
)

// rule says that a phrase speaks for a condition.
//
// The phrase is a row of words as they stand in a code (RATE_LIMIT_EXCEEDED,
// rateLimitExceeded and "rate limit exceeded" are the same three words). In it
// | separates alternatives, a * at the end of a word takes any ending, _ allows
// up to three words in between and __ up to eight.
//
// Weight is how much the phrase says, up to 100; coarse words such as "bad
// request" weigh less than what any finer word or the status says. On limits a
// rule to statuses ("401 403", "4xx").
type rule struct {
	is     condition.Condition
	weight int
	phrase string
	on     string
}

const (
	credential = "key|keys|apikey|apikeys|token|tokens|credential|credentials|jwt|session|secret|authtoken|accesstoken|bearer|certificate|pat"
	tenant     = "account|accounts|user|organization|organisation|org|workspace|tenant|project|app|application|customer|merchant|client|team|shop|subscriber|member|company|site|wallet"
	named      = "parameter|parameters|param|params|field|fields|property|properties|attribute|attributes"
	argument   = "parameter|parameters|param|params|field|fields|argument|arguments|arg|args|property|properties|attribute|attributes"
)

// commonRules hold in codes and in prose.
func commonRules() []rule {
	return slices.Concat(limitRules(), keyRules(), accessRules(), targetRules(), inputRules(), serverRules())
}

// codeRules hold in codes only: in prose the same words say too little.
func codeRules() []rule {
	return []rule{
		{condition.KeyExpired, 75, "expired", "401 403 498"},
		{condition.ResourceMissing, 75, "expired", "404 410"},
		{condition.KeyMissing, 80, "login|auth|authentication required", ""},
		{condition.ParameterMissing, 76, "required|missing|blank|presence", "400 422 2xx 0"},
		{condition.PermissionDenied, 70, "scope|scopes|restricted|disallowed|denied", ""},
		{condition.PermissionDenied, 70, "not allowed", ""},
		{condition.ResourceMissing, 70, "unknown", "404 2xx"},
		{condition.ResourceMissing, 70, "gone|deleted", ""},
		{condition.ResourceMissing, 70, "missing", "404"},
		{condition.ResourceConflict, 84, "exists|taken|unique|uniqueness", ""},
		{condition.ResourceConflict, 78, "locked|aborted|stale", ""},
		{condition.ParameterInvalid, 60, "invalid|illegal|unsupported|unexpected", "400 422 2xx 0"},
		{condition.ParameterInvalid, 60, "content policy|filter*", "400"},
		{condition.ParameterInvalid, 90, "invalid parameter|parameters|param|field", "5xx"},
		{condition.ValidationFailed, 80, "validator*|invalid param*", "422"},
		{condition.FormatInvalid, 88, "malformed*", "400"},
		{condition.FormatInvalid, 90, "parse|parsing|syntax|notreadable|json", "400"},
		{condition.PaymentRequired, 85, "billing|payment|invoice", "402 403 429"},
		{condition.PaymentRequired, 80, "declined", ""},
		{condition.UpstreamTimeout, 82, "timeout", ""},
		{condition.ClientTimeout, 84, "timeout", "408"},
		{condition.Overloaded, 82, "busy|capacity", ""},
		{condition.Unavailable, 80, "temporarily|unavailable|maintenance|outage|down", ""},
		{condition.Internal, 60, "error|exception|failure|failed|unexpected|unknown|fault", "5xx"},
		{condition.Internal, 80, "internal", ""},
		{condition.RateLimited, 60, "limit|limits|exceeded", "429"},
		{condition.KeyUnknown, 60, "auth|authentication|oauth|login|credentials|token|apikey", "401"},
		{condition.KeyUnknown, 88, "auth failure", ""},
		{condition.DependencyFailed, 70, "upstream|provider|dependency", ""},
	}
}

// textRules hold in prose only.
func textRules() []rule {
	return []rule{
		{condition.ParameterMissing, 84, "is|are|was|were|field|be required|missing|mandatory", "400 422 2xx 0"},
		{condition.ParameterMissing, 84, "missing|requires|specify|required|supply", "400 422 2xx 0"},
		{condition.ParameterMissing, 84, "must|should|please provide|specify|include|supply|contain", "400 422 2xx 0"},
		{condition.ParameterMissing, 84, "must|should be provided|specified|supplied|present|included|set|given|defined", "400 422 2xx 0"},
		{condition.ParameterMissing, 84, "cannot|cant|not be blank|empty|null|nil|undefined", "400 422 2xx 0"},
		{condition.ParameterMissing, 84, "must not be blank|empty|null", "400 422 2xx 0"},
		{condition.ParameterInvalid, 72, "must|should|cannot|has to|not|either|only|contain|be|match|have|equal|exceed", "400 422 2xx 0"},
		{condition.ParameterInvalid, 76, "is|are|was _ invalid|incorrect|valid|unsupported|wrong", "400 422 2xx 0"},
		{condition.ParameterInvalid, 66, "invalid|unsupported|unexpected|expected", "400 422 2xx 0"},
		{condition.ParameterInvalid, 70, "not supported|valid|recognized|recognised", "400 422 2xx 0"},
		{condition.ParameterInvalid, 78, "not a|an _ valid|number|integer|string", "400 422 2xx 0"},
		{condition.ParameterInvalid, 93, "invalid|unknown|unsupported|bad|unrecognized parameter|param|field", "400"},
		{condition.Unavailable, 70, "try again|back later", "503"},
		{condition.Unavailable, 60, "temporarily|temporary", "2xx 0"},
		{condition.PaymentRequired, 85, "billing|payment", "402"},
		{condition.QuotaExhausted, 96, "exceeded|reached|over _ plan|billing", ""},
		{condition.QuotaExhausted, 96, "check your plan", ""},
	}
}

// scripts are phrases of languages that do not separate words by blanks.
//
//nolint:gosmopolitan // phrases of Chinese APIs
func scripts() []rule {
	return []rule{
		{condition.RateLimited, 85, "频繁", ""}, {condition.RateLimited, 85, "限流", ""}, {condition.RateLimited, 85, "频率", ""},
		{condition.QuotaExhausted, 85, "配额", ""}, {condition.QuotaExhausted, 80, "次数", ""},
		{condition.BalanceInsufficient, 90, "余额不足", ""}, {condition.KeyExpired, 85, "过期", ""},
		{condition.PermissionDenied, 80, "权限", ""}, {condition.ResourceMissing, 80, "不存在", ""},
		{condition.ParameterMissing, 82, "不能为空", ""}, {condition.ParameterMissing, 82, "缺少", ""},
		{condition.ParameterInvalid, 78, "参数", ""}, {condition.Overloaded, 80, "繁忙", ""}, {condition.KeyMissing, 80, "未登录", ""},
	}
}
