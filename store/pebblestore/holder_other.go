//go:build !unix

package pebblestore

func lockHolder(string) string { return "another process" }
