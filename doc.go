// Package failwell makes HTTP APIs fail as their contract says, on both ends of
// the wire.
//
// A [Guard] puts a contract in front of an http.Handler: request ids, keys,
// plans, limits, validation, and every failure in the contract's envelope. A
// [Transport] calls an API by its contract: it repeats what may be repeated, waits
// as long as it was told, and [Check] turns the rest into an [*Error] that is
// tested with errors.Is against a [Condition], which means the same for every
// API, or against a code of one contract.
//
// What is promised: nothing that the contract does not declare reaches a
// caller; a call is repeated only when that is safe; credentials never stand in
// an error.
//
// # Around it
//
// Package contract parses the file, renders failures by it, reads them back and
// explains them. Package admission decides over keys, plans and limits, and keeps
// repeated writes from being done twice; what it has to remember is in a store.
// Package record keeps what a request can be looked up by. The packages gateway
// and sandbox are made of these, with nothing that other programs cannot use. For
// tests of a client there is failwelltest; failwellprom and failwellotel join a
// Transport to metrics and traces.
//
// In the source, the files that begin with guard are the server's side, those that
// begin with transport and pace are the client's; both find operations with routes.
package failwell
