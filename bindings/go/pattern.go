// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"encoding/binary"
	"runtime"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// scanBuffer is how many bytes of keys cross at a time; between two crossings the context is looked
// at.
const scanBuffer = 64 << 10

// Keys returns the live keys that match a pattern: each key that is there throughout the call,
// exactly once. In a pattern `*` is any run of bytes, `?` one byte, `[a-z]` one of a set, `[^a]`
// one not of it, and `\` takes the next byte as it is; the empty pattern matches every key.
func (s *Store) Keys(ctx context.Context, pattern string) ([]string, error) {
	if err := live(ctx, "Keys", pattern); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(s)
	var scan uintptr
	status := native.GlueScanNew(s.handle, unsafe.StringData(pattern), len(pattern), pointerTo(&scan))
	if status != 0 {
		return nil, fail("Keys", pattern, status)
	}
	defer native.GlueScanFree(scan)
	keys := []string{}
	buf := make([]byte, scanBuffer)
	for {
		if err := live(ctx, "Keys", pattern); err != nil {
			return nil, err
		}
		used := native.GlueScanFill(scan, &buf[0], len(buf))
		switch {
		case used < 0:
			return nil, fail("Keys", pattern, int32(used))
		case used == 0:
			return keys, nil
		case used > int64(len(buf)):
			buf = make([]byte, used)
		default:
			keys = appendKeys(keys, buf[:used])
		}
	}
}

// appendKeys reads keys as glue_scan_fill writes them. They are cut from one string, so that a key
// costs no allocation.
func appendKeys(keys []string, packed []byte) []string {
	text := string(packed)
	for at := 0; at < len(packed); {
		start := at + 4
		at = start + int(binary.NativeEndian.Uint32(packed[at:]))
		keys = append(keys, text[start:at])
	}
	return keys
}

// CountByPattern counts the live keys that match a pattern; see Keys.
func (s *Store) CountByPattern(ctx context.Context, pattern string) (int, error) {
	if err := live(ctx, "CountByPattern", pattern); err != nil {
		return 0, err
	}
	count := native.GlueCountByPattern(s.handle, unsafe.StringData(pattern), len(pattern))
	runtime.KeepAlive(s)
	if count < 0 {
		return 0, fail("CountByPattern", pattern, int32(count))
	}
	return int(count), nil
}

// DeleteByPattern removes the entries whose keys match a pattern, one after the other, and returns
// how many there were, also when it fails midway; see Keys.
func (s *Store) DeleteByPattern(ctx context.Context, pattern string) (int, error) {
	if err := live(ctx, "DeleteByPattern", pattern); err != nil {
		return 0, err
	}
	var deleted uint64
	status := native.MemstoreDeleteByPattern(s.handle, unsafe.StringData(pattern), len(pattern), pointerTo(&deleted))
	runtime.KeepAlive(s)
	return int(deleted), check("DeleteByPattern", pattern, status)
}
