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

// Add stores a value only if no live entry has the key; else it returns ErrKeyExists.
func (s *Store) Add(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := live(ctx, "Add", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueAdd(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "Add", key, status)
}

// Replace stores a value only if a live entry has the key; else it returns ErrKeyNotFound.
func (s *Store) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := live(ctx, "Replace", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueReplace(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ttlMillis(ttl))
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "Replace", key, status)
}

// CompareAndSet stores a value only if the entry still has the version that GetVersioned told; else
// it returns ErrVersionMismatch. Version 0 expects that no live entry has the key.
func (s *Store) CompareAndSet(ctx context.Context, key string, value []byte, ttl time.Duration, version uint64) error {
	if err := live(ctx, "CompareAndSet", key); err != nil {
		return err
	}
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueCompareAndSet(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ttlMillis(ttl), version)
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "CompareAndSet", key, status)
}

// Increment adds to a counter kept as a decimal number in a value, and returns the sum. An absent
// counter starts from initial and gets the ttl; one that exists keeps its expiry.
func (s *Store) Increment(ctx context.Context, key string, delta, initial int64, ttl time.Duration) (int64, error) {
	if err := live(ctx, "Increment", key); err != nil {
		return 0, err
	}
	var sum int64
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueIncrement(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key), delta, initial,
			ttlMillis(ttl), pointerTo(&sum))
	})
	runtime.KeepAlive(s)
	return sum, checkWaiting(ctx, "Increment", key, status)
}

// SetUntil stores a value that expires at a point of the wall clock as it stands now. When that has
// passed, SetUntil returns ErrTTLExpired and an older entry stays as it was.
func (s *Store) SetUntil(ctx context.Context, key string, value []byte, expiry time.Time) error {
	if err := live(ctx, "SetUntil", key); err != nil {
		return err
	}
	ms := unixMillis(expiry)
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueSetUntil(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(value), len(value), ms)
	})
	runtime.KeepAlive(s)
	if status == statusTTLExpired {
		return &Error{"SetUntil", key, expiryPassed{}}
	}
	return checkWaiting(ctx, "SetUntil", key, status)
}

// unixMillis is a point in time as the library takes it, rounded up; times that it cannot hold are the first or the
// last that it can.
func unixMillis(at time.Time) int64 {
	const last = math.MaxInt64/1000 - 1
	switch seconds := at.Unix(); {
	case seconds > last:
		return math.MaxInt64
	case seconds < -last:
		return math.MinInt64
	}
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}
