package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/failwell/failwell/store"
)

// bucketCount is into how many buckets the keys are spread. A bucket is what
// one script works on, so all of it has one hash tag: the records, the index of
// their keys in order, and the sequence that versions come from. The tags are
// chosen so that the buckets' slots are evenly spaced: nodes that own ranges of
// a cluster get equal shares, up to some sixteen of them. It is a constant of
// the format, the same on a single server, so that one can become a cluster.
const bucketCount = 64

const slotCount = 16_384

// layout names what is kept under which key of Redis.
type layout struct {
	prefix string
	tags   [bucketCount]string
}

func newLayout(prefix string) layout { return layout{prefix: prefix, tags: bucketTags()} }

var bucketTags = sync.OnceValue(func() (tags [bucketCount]string) {
	for n, missing := 0, bucketCount; missing > 0; n++ {
		tag := strconv.Itoa(n)
		slot := int(crc16(tag)) % slotCount
		if i := slot / (slotCount / bucketCount); slot%(slotCount/bucketCount) == 0 && tags[i] == "" {
			tags[i] = tag
			missing--
		}
	}
	return tags
})

// bucket of a key. Keys with the same {tag} share one.
func (l *layout) bucket(key string) int {
	return int(crc16(hashed(key))) % slotCount / (slotCount / bucketCount)
}

func (l *layout) record(bucket int, key string) string {
	return l.prefix + "{" + l.tags[bucket] + "}r:" + key
}

func (l *layout) index(bucket int) string { return l.prefix + "{" + l.tags[bucket] + "}index" }

func (l *layout) sequence(bucket int) string { return l.prefix + "{" + l.tags[bucket] + "}sequence" }

// hashed is the part of a key that Redis Cluster hashes: what is between the
// first brace and the next closing one, or all of it.
func hashed(key string) string {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if length := strings.IndexByte(key[open+1:], '}'); length > 0 {
			return key[open+1 : open+1+length]
		}
	}
	return key
}

// crc16 is the checksum of Redis Cluster's slots: CRC-16/XMODEM.
func crc16(s string) uint16 {
	var crc uint16
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			carry := crc & 0x8000
			crc <<= 1
			if carry != 0 {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// A record is its version in 16 digits, its deadline in 14, then the value:
// digits compare as text and read well in redis-cli. Versions are microseconds
// of Unix time, which has 16 digits from 2001 to 2286.
const (
	versionDigits  = 16
	deadlineDigits = 14
	headerSize     = versionDigits + deadlineDigits
)

var errNotOurs = errors.New("not a record")

func parseRecord(key string, b []byte) (store.Record, error) {
	if len(b) < headerSize {
		return store.Record{}, errNotOurs
	}
	version, err := strconv.ParseUint(string(b[:versionDigits]), 10, 64)
	if err != nil {
		return store.Record{}, errNotOurs
	}
	deadline, err := strconv.ParseUint(string(b[versionDigits:headerSize]), 10, 63)
	if err != nil {
		return store.Record{}, errNotOurs
	}
	return store.Record{
		Key: key, Value: append([]byte{}, b[headerSize:]...), Version: store.Version(version), Expires: store.Expires(int64(deadline)),
	}, nil
}

// versionText is a version as the scripts compare it; "" is absence.
func versionText(v store.Version) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%0*d", versionDigits, uint64(v))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
