package guess

import "github.com/failwell/failwell/contract/condition"

// serverRules are about what went wrong behind the API.
func serverRules() []rule {
	return []rule{
		{condition.ClientTimeout, 82, "request timeout|timedout", "408 400"},
		{condition.ClientTimeout, 82, "request timed|time out", "408 400"},
		{condition.ClientTimeout, 82, "requesttimeout*", ""},
		{condition.ClientTimeout, 82, "too long", "408"},
		{condition.ClientTimeout, 60, "cancelled|canceled", "499 408"},

		{condition.UpstreamTimeout, 82, "timeout|timeouts|timedout", "5xx 2xx 0 429"},
		{condition.UpstreamTimeout, 82, "timed out", "5xx 2xx 0"},
		{condition.UpstreamTimeout, 96, "connection|connect|read|gateway|handshake _ timed out", "5xx"},
		{condition.UpstreamTimeout, 96, "connection|connect|read|upstream timeout", "5xx"},
		{condition.UpstreamTimeout, 85, "deadline exceeded", ""},
		{condition.UpstreamTimeout, 82, "time out", "5xx"},
		{condition.UpstreamTimeout, 85, "gateway timeout|time", ""},
		{condition.UpstreamTimeout, 82, "took too long", "5xx"},

		{condition.Unavailable, 82, "unavailable", "5xx 2xx 0"},
		{condition.Unavailable, 86, "maintenance", "5xx 2xx 0"},
		{condition.Unavailable, 80, "service|site|system|server _ down|offline|unavailable", "5xx 2xx 0"},
		{condition.Unavailable, 75, "not available|ready", "5xx"},
		{condition.Unavailable, 75, "shutting down|temporarily", "5xx"},

		{condition.UpstreamUnreachable, 88, "bad gateway", ""},
		{condition.UpstreamUnreachable, 90, "connection|connect _ refused|reset|failed|error|terminated|closed|failure", "5xx"},
		{condition.UpstreamUnreachable, 90, "econnrefused|econnreset|enotfound|ehostunreach|eai", "5xx"},
		{condition.UpstreamUnreachable, 88, "no healthy|live", "5xx"},
		{condition.UpstreamUnreachable, 88, "balancer", "5xx"},
		{condition.UpstreamUnreachable, 88, "upstream", "502 503"},
		{condition.UpstreamUnreachable, 88, "invalid response _ upstream", "5xx"},
		{condition.UpstreamUnreachable, 88, "web server is", "5xx"},
		{condition.UpstreamUnreachable, 86, "backend|origin _ fetch|unreachable|down|connection|error|unavailable", "5xx"},
		{condition.UpstreamUnreachable, 86, "dns|ssl|tls _ error|failure|handshake|failed|resolution", "5xx"},

		{condition.DependencyFailed, 90, "dependency|dependencies|dependent", "5xx 424"},
		{condition.DependencyFailed, 90, "external|third|vendor|provider|downstream|integration|partner|remote _ service|api|error|failure|failed|unavailable|party", "5xx 2xx 0 424"},
		{condition.DependencyFailed, 90, "failed dependency", ""},
		{condition.DependencyFailed, 90, "institution _ down|error|responding|available", ""},

		{condition.StorageFailed, 92, "database|db|datastore|sql|redis|postgres|mysql|mongodb|cassandra _ error|failed|failure|exception|unavailable|connection|problem|timeout|locked", "5xx 2xx 0"},
		{condition.StorageFailed, 92, "databaseerror|sqlexception|sqlstate|deadlock", "5xx"},
		{condition.StorageFailed, 90, "storage|disk _ error|failed|failure|unavailable|exception", "5xx"},
		{condition.StorageFailed, 90, "data loss", ""},

		{condition.ProcessingFailed, 88, "processing|conversion|generation|transcription|execution|rendering|analysis|encoding|transcoding|training|inference _ failed|error|failure|exception", "5xx 422 2xx 0"},

		{condition.Internal, 84, "internal", "500 2xx 0"},
		{condition.Internal, 84, "internalerror|internalservererror", ""},
		{condition.Internal, 95, "encountered an|a internal|unexpected error|exception", "500"},
		{condition.Internal, 80, "server|system|service|application|runtime|fatal error|exception|failure|fault", "500 2xx 0"},
		{condition.Internal, 80, "something went wrong", "500 2xx 0"},
		{condition.Internal, 76, "unexpected|unhandled|uncaught|unknown error|exception|failure|condition|problem", "500 2xx 0"},
		{condition.Internal, 60, "api error", "5xx"},
		{condition.Internal, 78, "an error _ occurred", "500 2xx 0"},
		{condition.Internal, 78, "nullpointer*|nullreference*", "5xx"},
		{condition.Internal, 50, "unknown", "5xx"},
	}
}
