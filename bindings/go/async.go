// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// SetAsync hands a value over to be stored later, many as one batch, and returns. Reads see it when
// it is applied: when BatchSize writes are queued, when the oldest is BatchTimeout old, at Flush, at
// Close, and before any other write of the same key. The ttl counts from this call. What can never
// be stored is refused here; what is refused later is counted like any refused write and told by
// Flush.
func (s *Store) SetAsync(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := live(ctx, "SetAsync", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueSetAsync(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "SetAsync", key, status)
}

// Flush waits until all that SetAsync was given before is applied. It returns the error of the
// first of these writes that was refused since the last Flush. When the context ends first the writes
// are applied all the same, and what is refused of them is counted only.
func (s *Store) Flush(ctx context.Context) error {
	return s.unlessDone(ctx, "Flush", func() int32 { return native.MemstoreFlush(s.handle) })
}
