// Package redisstore keeps a store.Store on a Redis or Valkey server, or on a
// cluster of them, which many processes can use at the same time. It also is a
// meter.Meter: limits are decided where they are kept.
//
// It needs Redis 6.2 or any Valkey, and of an ACL the commands EVALSHA, EVAL,
// SCRIPT|LOAD, GET, SET, GETRANGE, INCR, DEL, EXISTS, the Z and H commands that
// the scripts under lua name, PEXPIREAT, PERSIST, TIME, INFO, PUBLISH and SUBSCRIBE;
// for a cluster CLUSTER, for Check CONFIG|GET.
//
// # Layout
//
// Keys are spread over 64 buckets by their hash, or by that of what they have in
// braces. A bucket has one hash tag, and so one slot: each record is a string
// that Redis expires by itself; an index, a sorted set of the keys, gives Redis
// the order that it has not; and a sequence gives versions. Whatever changes a
// record is one script over these three. The cost of the index is some 100 bytes
// and the key once more for each record, and 2 µs of the server for a write.
// Keys of records that have expired are swept out of it by later writes, four
// looked at for each. Scan merges the indexes; it is for those who catch up.
// Rejected: one index for everything, which a cluster cannot have beside the
// records, and SCAN, which has no order and reads the whole server for each page.
//
// # Versions
//
// A version is the server's time in microseconds, or the last one of the bucket
// and 1 where that is more. Deletion and expiry leave the sequence alone, so
// versions grow whatever the clock does. If the server loses its last writes, in
// a crash without appendfsync always or in a failover, the sequence goes back
// with them, and the time that has passed is beyond it all the same: only a loss
// together with a clock that goes back by more than the outage could give a
// version out again.
//
// # What is durable
//
// With appendfsync always, Redis syncs its file before it sends the answers of
// a round, to writers and to readers alike: then nobody sees what a crash could
// take back. With anything less, what was reported and read can be gone. Replicas
// are written to after the answer; a failover can lose what they had not. Check
// says which of it holds. Redis that evicts loses whole records: what is there is
// what was written.
//
// # Time
//
// Everything goes by the server's clock. In a cluster that is the clock of the
// node that has the key; Check compares them, Now reads that of one node.
//
// # Trouble
//
// A call ends with its context, also while the server hangs and while connections
// are being made; it may then still happen. Reads are tried a second time when
// their connection has ended, writes never. Scripts that the server has forgotten
// are sent again. Subscriptions have connections of their own.
package redisstore
