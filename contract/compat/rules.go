package compat

// Class is what a change means to those who rely on the old contract.
type Class string

// The classes, worst first.
const (
	// Breaking: who did as the old contract says is now refused, or does the wrong thing.
	Breaking Class = "breaking"
	// Risky: who did as the old contract says gets by, but may notice, or relied
	// on something that was never said.
	Risky Class = "risky"
	// Safe: all that was promised still holds.
	Safe Class = "safe"
)

// Rule is a kind of change.
type Rule struct {
	ID    string
	Class Class
	// Why it has its class; Do is what to do about it, "" where there is nothing.
	Why, Do string
}

// Remedies that many rules share.
const (
	keepOld   = "Keep the old one, or announce a new version of the API."
	announce  = "Tell those who call the API before it is live."
	deprecate = "Mark it with \"deprecated:\" first, and remove it when nobody is sent it any more."
	bothWays  = "Send both for a while, and tell clients which one stays."
	raiseBack = "Raise it again, or give it to new accounts only, as a plan of its own."
)

// Rules lists every kind of change that [Diff] knows, by subject.
func Rules() []Rule { return append([]Rule(nil), rules...) }

var rules = []Rule{
	// The catalogue.
	{"code-removed", Breaking, "Clients that handle the code no longer see it, and what they get instead they take for something else.", deprecate},
	{"code-renamed", Breaking, "Clients compare the code that is sent; under another one the failure is unknown to them.", keepOld},
	{"code-added", Safe, "The set of codes is open, and clients that do not know this one fall back to advice that is the same.", ""},
	{"code-unlisted", Risky, "The set of codes was said to be complete: clients made from the old contract do not know this one, have no class for it and go by its status.", announce},
	{"code-fallback", Risky, "Clients that do not know the code go by its status, and do something else than it advises.", "Send it under a status whose advice is the same, or set \"client.statuses\" first."},
	{"code-type", Breaking, "A number became a string or the reverse; clients with types fail to read it.", keepOld},
	{"entry-renamed", Risky, "What is sent is the same; generated clients and programs name it otherwise.", "Keep the entry's name and change its title."},
	{"status-changed", Breaking, "Clients, proxies and caches go by the status before they read the body.", keepOld},
	{"status-added", Risky, "Clients that look for the code under one status miss it under the other.", announce},
	{"status-dropped", Safe, "Fewer statuses than were promised.", ""},
	{"condition-changed", Breaking, "Clients take the code for something else: other errors are raised, other branches run.", "Give the new meaning a code of its own."},
	{"condition-added", Safe, "The code stands for more; what it stood for is still told by it.", ""},
	{"condition-moved", Breaking, "The same refusal comes under another code than clients expect.", "Keep the order of codes in the file, or list the condition at the code that had it."},
	{"type-changed", Breaking, "Clients that tell categories or finer codes apart take it for another one.", keepOld},
	{"occurs-more", Risky, "Clients of these operations were told that it cannot occur there.", announce},
	{"occurs-less", Safe, "It may come from fewer operations.", ""},
	{"deprecated", Safe, "A notice; what is sent is the same.", ""},
	{"message-changed", Risky, "No code is sent, so that clients have nothing but this text to tell it by.", "Give it a code, and keep the text until clients use that."},
	{"language-removed", Risky, "Callers who asked for the language get the default one.", announce},
	{"language-added", Safe, "More languages than were promised.", ""},
	{"codes-opened", Risky, "Clients were told that the list of codes is complete.", announce},
	{"codes-closed", Safe, "More is promised than before.", ""},
	{"status-row", Breaking, "A response without a code is taken for another failure.", keepOld},

	// Advice.
	{"retry-weakened", Breaking, "Clients that repeat as they were told waste their calls, and calls that used to succeed at the second try fail for good.", "Keep the advice, and give what cannot succeed a code of its own."},
	{"retry-needs-key", Breaking, "Clients that repeat without the idempotency key, as they were told, may do things twice.", "Keep the old advice until clients send keys."},
	{"retry-changed", Risky, "Clients made from the old contract wait or act otherwise than they should now.", announce},
	{"retry-strengthened", Safe, "Clients may do more than they were told; those that do not lose nothing.", ""},
	{"hint-removed", Breaking, "Clients that wait as this place says find nothing there, and come back too early.", bothWays},
	{"hint-unit", Breaking, "Clients read the number in the old unit and wait a thousand times too long or too short.", bothWays},
	{"hint-order", Risky, "Where both are there, clients wait as the other one says.", announce},
	{"hint-added", Safe, "Clients that do not know it wait as before.", ""},
	{"pace-slower", Risky, "Clients made from the old contract call sooner, or more often, than they are asked to now.", "Regenerate the clients; bear the old pace until they are updated."},
	{"pace-spread", Risky, "Clients made from the old contract spread their calls otherwise than they are asked to now.", "Regenerate the clients."},
	{"pace-faster", Safe, "Clients made from the old contract are more patient than they have to be.", ""},
	{"class-removed", Breaking, "Programs that catch the class no longer compile, or no longer catch.", keepOld},
	{"class-changed", Breaking, "What was caught by the class, or by its base, is not any more.", keepOld},
	{"class-widened", Risky, "Programs that catch the class get failures that they did not expect.", announce},
	{"class-added", Safe, "Programs that do not know it catch its base.", ""},

	// Bodies.
	{"member-removed", Breaking, "Clients that read the member find nothing.", keepOld},
	{"member-renamed", Breaking, "Clients read it under the old name and find nothing.", bothWays},
	{"member-changed", Breaking, "Clients read something else than they expect, or fail to read it.", "Add a member beside it."},
	{"member-optional", Breaking, "Clients rely on the member to be there.", keepOld},
	{"member-text", Risky, "It is text for people, but other text.", announce},
	{"member-added", Safe, "Clients ignore members that they do not know.", ""},
	{"member-always", Safe, "The member is always there now.", ""},
	{"param-removed", Breaking, "Clients that read the parameter find nothing, and messages that name it lose it.", keepOld},
	{"param-changed", Breaking, "Clients read another type or form than they expect, or look for it at another place.", "Add a parameter beside it."},
	{"param-optional", Breaking, "Clients rely on the parameter to be there.", keepOld},
	{"param-source", Risky, "The parameter tells something else under the same name.", "Add a parameter beside it."},
	{"param-added", Safe, "Clients ignore parameters that they do not know.", ""},
	{"param-always", Safe, "The parameter is always there now.", ""},
	{"media-type", Breaking, "Clients choose how to read a body by its media type.", keepOld},
	{"inside-success", Breaking, "A status that was a success can be a failure now; clients do not look.", keepOld},
	{"inside-dropped", Risky, "What came as a success that says otherwise now comes with a status of failure.", announce},
	{"success-code", Breaking, "Clients take a success for a failure, or the reverse.", keepOld},
	{"timestamp-form", Breaking, "Clients read the instant in the old form.", "Add a member beside it."},
	{"partial-added", Breaking, "Clients take such a body as a whole success and lose failures of single items.", announce},
	{"partial-removed", Risky, "Clients still look for failures of single items there.", announce},
	{"stream-changed", Breaking, "Clients wait for an ending that no longer comes, and take a broken stream for a whole one.", bothWays},
	{"stream-added", Risky, "Readers of the stream meet an event or a line that they do not know.", announce},
	{"field-code", Breaking, "Clients that tell field errors apart by their codes see others.", keepOld},
	{"validation-changed", Breaking, "The same mistake in a request is told as another failure.", keepOld},

	// Headers and keys.
	{"header-removed", Breaking, "Clients that read the header find nothing.", bothWays},
	{"header-renamed", Breaking, "Clients read the old name and find nothing.", bothWays},
	{"header-unit", Breaking, "Clients read the value in the old form.", "Send it under another name beside the old one."},
	{"header-rarer", Breaking, "Clients read it on responses that no longer have it.", keepOld},
	{"header-oftener", Safe, "It is on more responses than was promised.", ""},
	{"header-added", Safe, "Clients ignore headers that they do not know.", ""},
	{"header-value", Breaking, "Clients read another value than they expect.", bothWays},
	{"request-id-stricter", Breaking, "Ids that callers choose are no longer taken over, so that their logs and yours do not meet.", keepOld},
	{"request-id-looser", Safe, "More ids are taken over than before.", ""},
	{"request-id-prefix", Risky, "Programs that search logs for the prefix find nothing new.", announce},
	{"credential-removed", Breaking, "Callers who send their key there are refused.", keepOld},
	{"credential-needed", Breaking, "Callers had to prove nothing; now all of them are refused.", announce},
	{"credential-added", Safe, "One more place for a key.", ""},
	{"credential-freed", Safe, "No key is asked for any more.", ""},
	{"key-form", Risky, "Programs that check keys, or look for leaked ones, do not know the new form.", "Keep accepting keys of the old form, and announce the new one."},

	// Limits.
	{"limit-lowered", Breaking, "Callers who stay within what they were granted are refused.", raiseBack},
	{"limit-added", Breaking, "What was granted without bound has one, and callers beyond it are refused.", raiseBack},
	{"limit-raised", Safe, "More is granted than was promised.", ""},
	{"limit-removed", Safe, "A bound is gone.", ""},
	{"limit-renamed", Risky, "The bound is the same; headers and messages name it otherwise.", announce},
	{"plan-removed", Breaking, "Accounts of the plan fall to another one, or cannot be set up.", "Keep the plan for those who have it."},
	{"plan-added", Safe, "One more plan.", ""},
	{"plan-default", Breaking, "Accounts that name no plan are granted something else.", "Keep the first plan of the file first."},
	{"feature-removed", Breaking, "Accounts of the plan lose what they use.", "Keep it for those who have it."},
	{"feature-added", Safe, "The plan includes more.", ""},
	{"name-dropped", Risky, "Keys, accounts and programs may still name it.", announce},
	{"name-added", Safe, "A further name; nothing asks for it yet.", ""},
	{"outage-stricter", Risky, "While the store is away, calls are refused that used to pass.", announce},
	{"outage-looser", Safe, "While the store is away, more calls pass.", ""},

	// Writes.
	{"idempotency-removed", Breaking, "Clients that repeat a write under its key do it twice.", keepOld},
	{"idempotency-added", Safe, "Keys protect what they did not protect before.", ""},
	{"idempotency-header", Breaking, "Keys under the old name are ignored: what clients repeat is done twice.", "Honour both names."},
	{"idempotency-shortened", Breaking, "Clients that repeat within the old time do it twice, or get no replay.", keepOld},
	{"idempotency-lengthened", Safe, "Records live longer.", ""},
	{"replay-changed", Breaking, "Clients that look for the mark of a replay do not find it, or miss what it had.", keepOld},
	{"replay-added", Safe, "A replay says more.", ""},
	{"duplicate-refused", Breaking, "A duplicate that used to get the first call's answer is refused.", keepOld},
	{"duplicate-waits", Risky, "A duplicate that used to be refused at once holds its connection.", announce},
	{"duplicate-timing", Risky, "Duplicates are kept waiting, or are believed to be under way, for another time.", announce},
	{"outcome-repeated", Breaking, "A write whose outcome is unknown is done again: at most once was promised.", keepOld},
	{"outcome-refused", Risky, "A write whose outcome is unknown is no longer settled without its caller.", announce},
	{"outcome-settled", Safe, "A write whose outcome is unknown is settled by asking.", ""},
	{"protection-dropped", Breaking, "While the store is away, writes with a key run unprotected.", keepOld},
	{"protection-strict", Risky, "While the store is away, writes with a key are refused.", announce},

	// Operations.
	{"operation-removed", Breaking, "Calls of it are answered with an unknown route.", keepOld},
	{"operation-added", Safe, "One more operation.", ""},
	{"operation-id", Risky, "Clients, dashboards and codes that name the operation by its id do not find it.", "Keep the id."},
	{"key-required", Breaking, "Calls without a key are refused.", announce},
	{"key-dropped", Safe, "No key is asked for.", ""},
	{"permission-raised", Breaking, "Keys without the permission are refused.", "Give the permission to the keys that use the operation first."},
	{"permission-lowered", Safe, "No permission is asked for.", ""},
	{"feature-required", Breaking, "Accounts whose plan lacks the feature are refused.", "Include the feature in the plans that use the operation first."},
	{"feature-freed", Safe, "No feature is asked for.", ""},
	{"cost-raised", Breaking, "The same calls use up more of what callers were granted.", raiseBack},
	{"cost-lowered", Safe, "The same calls use up less.", ""},
	{"body-bound-lowered", Breaking, "Requests of a size that was accepted are refused.", keepOld},
	{"body-bound-raised", Safe, "Larger requests are accepted.", ""},
	{"media-narrowed", Breaking, "Requests in a media type that was accepted are refused.", keepOld},
	{"media-widened", Safe, "More media types are accepted.", ""},
	{"timeout-shortened", Breaking, "Calls that took longer used to succeed.", keepOld},
	{"timeout-lengthened", Safe, "Calls may take longer.", ""},
	{"request-narrowed", Breaking, "Requests that were accepted are refused.", "Accept both for a while."},
	{"request-widened", Safe, "More requests are accepted.", ""},
	{"request-changed", Risky, "The schema differs in a way that cannot be judged: requests that were accepted may be refused.", "Compare the two schemas, and try old requests."},
	{"translation-dropped", Breaking, "Failures of the service behind come in its own shape, outside of the contract.", keepOld},
	{"translation-added", Safe, "Failures of the service behind come in the contract's shape.", ""},
	{"repeat-unsafe", Breaking, "Clients that repeat the call, as they were told they may, do it twice.", keepOld},
	{"repeat-safe", Safe, "The call may be repeated.", ""},

	// The API as such.
	{"base-url", Risky, "Clients that were made from the old contract call the old address.", "Keep the old address alive, or redirect."},
	{"api-renamed", Risky, "Generated clients and prefixes of keys are named after the API.", "Keep the name; \"title\" is for people."},
}
