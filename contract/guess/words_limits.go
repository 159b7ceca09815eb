package guess

import "github.com/failwell/failwell/contract/condition"

// limitRules are about rates, allowances and load.
func limitRules() []rule {
	return []rule{
		{condition.RateLimited, 92, "rate limit*|limited", ""},
		{condition.RateLimited, 92, "rate _ exceeded|exceed|exceeds", ""},
		{condition.RateLimited, 92, "ratelimit*", ""},
		{condition.RateLimited, 92, "throttl*", ""},
		{condition.RateLimited, 92, "too many request*|call*|queries|message*|action*|lookups|operations", ""},
		{condition.RateLimited, 80, "too many attempts|logins|login", ""},
		{condition.RateLimited, 98, "too much|many request|requests", ""},
		{condition.RateLimited, 92, "toomanyrequest*", ""},
		{condition.RateLimited, 94, "hourly _ limit*|quota*|maximum", ""},
		{condition.RateLimited, 88, "slow down", ""},
		{condition.RateLimited, 88, "slowdown", ""},
		{condition.RateLimited, 90, "over query|rate limit", ""},
		{condition.RateLimited, 88, "request|requests|call|calls|query|hit|api limit|limits|throttle*", ""},
		{condition.RateLimited, 88, "request|requests _ limit exceeded|reached", ""},
		{condition.RateLimited, 85, "flood*", ""},
		{condition.RateLimited, 88, "throughput _ exceeded", ""},
		{condition.RateLimited, 88, "spike arrest", ""},
		{condition.RateLimited, 85, "too fast|frequent|frequently|quickly", ""},
		{condition.RateLimited, 85, "frequency limit*", ""},
		{condition.RateLimited, 90, "secondary rate", ""},
		{condition.RateLimited, 75, "limit exceeded|reached|exceed", "429"},
		{condition.RateLimited, 75, "exceeded _ limit", "429"},
		{condition.RateLimited, 94, "quota|limit|exceeded|requests|calls|call __ per second|minute|min|hour", ""},
		{condition.RateLimited, 75, "resource exhausted", ""},

		{condition.QuotaExhausted, 88, "quota*", ""},
		{condition.QuotaExhausted, 94, "insufficient quota", ""},
		{condition.QuotaExhausted, 94, "exceeded __ quota*", ""},
		{condition.QuotaExhausted, 93, "daily|monthly|weekly|yearly|annual _ limit*|allowance|cap|maximum|usage|credits", ""},
		{condition.QuotaExhausted, 93, "quota|limit|requests|usage|tokens|calls __ per day|month", ""},
		{condition.QuotaExhausted, 93, "limit|limits __ for the|this day|month", ""},
		{condition.QuotaExhausted, 92, "usage limit*|cap|quota|exceeded", ""},
		{condition.QuotaExhausted, 65, "limit|limits _ exceeded|reached|exceed|hit", ""},
		{condition.QuotaExhausted, 65, "exceeded|reached|hit _ limit*|allowance|allotment|maximum", ""},
		{condition.QuotaExhausted, 70, "max|maximum number of", ""},

		{condition.ConcurrencyExceeded, 95, "concurren* _ limit*|exceed*|reached|max*|requests|calls|connections|sessions|jobs|uploads|executions|invocation*", ""},
		{condition.ConcurrencyExceeded, 95, "too many _ concurrent|parallel|simultaneous|connections|simultaneously", ""},
		{condition.ConcurrencyExceeded, 93, "max*|limit* _ concurrent|parallel|simultaneous", ""},
		{condition.ConcurrencyExceeded, 85, "simultaneous|parallel requests|calls|connections", ""},
		{condition.ConcurrencyExceeded, 75, "lock _ timeout", "429"},

		{condition.StorageExhausted, 95, "storage|disk _ quota|limit*|full|exceeded|exhausted|space", ""},
		{condition.StorageExhausted, 95, "insufficient|not|no|enough storage|space|disk", ""},
		{condition.StorageExhausted, 90, "insufficient storage|space", ""},
		{condition.StorageExhausted, 90, "out of storage|disk|space", ""},
		{condition.StorageExhausted, 88, "mailbox full", ""},

		{condition.Overloaded, 92, "overload*", ""},
		{condition.Overloaded, 82, "server|system|service|engine|model _ busy", ""},
		{condition.Overloaded, 82, "too busy", ""},
		{condition.Overloaded, 85, "at|over|no|insufficient|exceeded|out _ capacity", "429 5xx 2xx"},
		{condition.Overloaded, 85, "rejected execution", ""},
		{condition.Overloaded, 80, "circuit break*", ""},
		{condition.Overloaded, 85, "heavy|high load|demand|traffic", ""},
	}
}
