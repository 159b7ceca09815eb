// Package redisstore keeps a store.Store on a Redis or Valkey server, or on a
// cluster of them, which many processes can use at the same time.
package redisstore
