// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"math"
	"runtime"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// SetWithTTL is Set.
func (s *Store) SetWithTTL(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.set(ctx, "SetWithTTL", key, value, ttl)
}

// GetTTL returns how long an entry has to live. ErrTTLNotSet says that it never expires,
// ErrTTLExpired that it has just run out.
func (s *Store) GetTTL(ctx context.Context, key string) (time.Duration, error) {
	if err := live(ctx, "GetTTL", key); err != nil {
		return 0, err
	}
	ms := native.GlueGetTtl(s.handle, unsafe.StringData(key), len(key))
	runtime.KeepAlive(s)
	if ms < 0 {
		return 0, fail("GetTTL", key, int32(ms))
	}
	return duration(ms), nil
}

// GetExpiration returns when an entry expires, as the wall clock stands now; its errors are those
// of GetTTL.
func (s *Store) GetExpiration(ctx context.Context, key string) (time.Time, error) {
	if err := live(ctx, "GetExpiration", key); err != nil {
		return time.Time{}, err
	}
	ms := native.GlueGetExpiration(s.handle, unsafe.StringData(key), len(key))
	runtime.KeepAlive(s)
	if ms < 0 {
		return time.Time{}, fail("GetExpiration", key, int32(ms))
	}
	return time.UnixMilli(ms), nil
}

// GetCreated returns when an entry was last written. It needs Config.StoreCreationTime and is
// ErrUnsupported without.
func (s *Store) GetCreated(ctx context.Context, key string) (time.Time, error) {
	if err := live(ctx, "GetCreated", key); err != nil {
		return time.Time{}, err
	}
	ms := native.GlueGetCreated(s.handle, unsafe.StringData(key), len(key))
	runtime.KeepAlive(s)
	if ms < 0 {
		return time.Time{}, needing("ttl.store_creation_time", fail("GetCreated", key, int32(ms)))
	}
	return time.UnixMilli(ms), nil
}

// UpdateTTL gives an entry a new ttl, counted from now. It never revives an expired entry.
func (s *Store) UpdateTTL(ctx context.Context, key string, ttl time.Duration) error {
	if err := live(ctx, "UpdateTTL", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueUpdateTtl(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "UpdateTTL", key, status)
}

// duration is so many milliseconds; the library can keep longer ones than time.Duration can tell.
func duration(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}
