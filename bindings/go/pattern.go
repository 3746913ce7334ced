// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"encoding/binary"
	"iter"
	"runtime"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// scanBuffer is how many bytes of keys cross at a time.
const scanBuffer = 64 << 10

// Keys returns the live keys that match a pattern: each key that is there throughout the call,
// exactly once, and of what is written or deleted meanwhile, by a batch too, any part. In a pattern `*` is any run of bytes, `?` one byte, `[a-z]` one of a set, `[^a]`
// one not of it, and `\` takes the next byte as it is; the empty pattern matches every key.
func (s *Store) Keys(ctx context.Context, pattern string) ([]string, error) {
	keys := []string{}
	for packed, err := range s.keyChunks(ctx, "Keys", pattern) {
		if err != nil {
			return nil, err
		}
		keys = appendKeys(keys, packed)
	}
	return keys, nil
}

// keyChunks ranges over the keys that match a pattern, many at a time, as appendKeys reads them. An error
// is the last.
func (s *Store) keyChunks(ctx context.Context, op, pattern string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := live(ctx, op, pattern); err != nil {
			yield(nil, err)
			return
		}
		if s == nil {
			yield(nil, &Error{op, pattern, explained{"the Scan was not made by a Store", ErrInvalidArgument}})
			return
		}
		defer runtime.KeepAlive(s)
		var scan uintptr
		status := native.GlueScanNew(s.handle, unsafe.StringData(pattern), len(pattern), pointerTo(&scan))
		if status != 0 {
			yield(nil, fail(op, pattern, status))
			return
		}
		defer native.GlueScanFree(scan)
		buf := make([]byte, scanBuffer)
		for {
			if err := live(ctx, op, pattern); err != nil {
				yield(nil, err)
				return
			}
			used := waitingLong(ctx, func(wait bound) int64 {
				return native.GlueScanFill(scan, wait.ms, wait.stop, &buf[0], len(buf))
			})
			switch {
			case used < 0:
				yield(nil, endOfPass(ctx, op, pattern, int32(used)))
				return
			case used == 0:
				return
			case used > int64(len(buf)):
				buf = make([]byte, used)
			case !yield(buf[:used], nil):
				return
			}
		}
	}
}

// endOfPass is the error of a pass over keys that ended with a status: the context's when it was that which
// ended the pass.
func endOfPass(ctx context.Context, op, pattern string, status int32) error {
	if err := live(ctx, op, pattern); err != nil {
		return err
	}
	return fail(op, pattern, status)
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

// CountByPattern counts the live keys that match a pattern, until its context ends; see Keys.
func (s *Store) CountByPattern(ctx context.Context, pattern string) (int, error) {
	if err := live(ctx, "CountByPattern", pattern); err != nil {
		return 0, err
	}
	count := waitingLong(ctx, func(wait bound) int64 {
		return native.GlueCountByPattern(s.handle, wait.ms, wait.stop, unsafe.StringData(pattern), len(pattern))
	})
	runtime.KeepAlive(s)
	if count < 0 {
		return 0, endOfPass(ctx, "CountByPattern", pattern, int32(count))
	}
	return int(count), nil
}

// DeleteByPattern removes the entries whose keys match a pattern, one after the other, until its context
// ends. It returns how many there were, also when it fails midway; see Keys.
func (s *Store) DeleteByPattern(ctx context.Context, pattern string) (int, error) {
	if err := live(ctx, "DeleteByPattern", pattern); err != nil {
		return 0, err
	}
	var deleted uint64
	status := waitingLong(ctx, func(wait bound) int32 {
		return native.GlueDeleteByPattern(s.handle, wait.ms, wait.stop, unsafe.StringData(pattern), len(pattern),
			pointerTo(&deleted))
	})
	runtime.KeepAlive(s)
	return int(deleted), checkWaiting(ctx, "DeleteByPattern", pattern, status)
}
