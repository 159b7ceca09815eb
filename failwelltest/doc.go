// Package failwelltest helps to test programs that call an API through a
// [failwell.Transport]: a [Clock] that passes hours in no time, and a [Server]
// that answers as a script says, with errors as the API's contract writes them.
//
// For an API that keeps state and fails for real causes, see package sandbox.
package failwelltest
