// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// noValue is GLUE_NO_VALUE.
const noValue = math.MaxInt64

// waiter makes a call that may wait.
type waiter func(call func(bound) int64) int64

// briefly waits for a moment. What gives up then has a status that is less by gaveUp.
func briefly(call func(bound) int64) int64 { return call(bound{ms: patienceMillis}) }

// atOnce does not wait, and gives up where it would have to, but for the load of another, which is none of these waits.
func atOnce(call func(bound) int64) int64 { return call(bound{}) }

func patiently(ctx context.Context) waiter {
	return func(call func(bound) int64) int64 { return waitingLong(ctx, call) }
}

// acquire returns the value, a lease, or a status; both of the former when the value is to be refreshed.
func (s *Store) acquire(wait waiter, key string) (value []byte, lease uintptr, status int32) {
	var scratch [smallScratch]byte
	var kept uintptr
	size := wait(func(wait bound) int64 {
		return native.GlueLeaseAcquire(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			&scratch[0], len(scratch), pointerTo(&lease), pointerTo(&kept))
	})
	runtime.KeepAlive(s)
	switch {
	case size < 0:
		return nil, 0, int32(size)
	case size == noValue:
		return nil, lease, 0
	case kept != 0:
		return s.take(kept, size), lease, 0
	}
	return append([]byte{}, scratch[:size]...), lease, 0
}

// askAgain tells two reasons of a lock timeout apart: a load elsewhere, and a place that was not to be had for as long as
// the store lets anybody wait. Who waits for nothing gives up for want of a place alone.
func (s *Store) askAgain(key string, wasPatient bool) (value []byte, lease uintptr, status int32, isElsewhere bool) {
	value, lease, status = s.acquire(atOnce, key)
	isElsewhere = status == statusLockTimeout
	if int64(status) <= -gaveUp && !wasPatient {
		// At this moment. It is for the store to say that it has been so for too long.
		value, lease, status = s.acquire(briefly, key)
		isElsewhere = int64(status) <= -gaveUp
	}
	if int64(status) <= -gaveUp {
		status += int32(gaveUp)
	}
	return value, lease, status, isElsewhere
}

// loadsAside says whether what the store cannot note the load of is loaded all the same.
func (s *Store) loadsAside(status int32) bool {
	switch status {
	case statusMemoryExhausted, statusEntryTooLarge, statusCacheFull, statusGCPressure, statusShardOverflow,
		statusLockTimeout:
		return !s.failsLoads.Load()
	}
	return false
}

// settle gives the lease back with what the loader gave, and wakes those who wait.
func (s *Store) settle(key string, call *loadCall, ttl time.Duration, value []byte, err error) {
	call.mutex.Lock()
	lease, abandoned := call.lease, call.abandoned
	call.ending, call.lease = true, 0
	call.mutex.Unlock()
	switch {
	case lease == 0: // the store knows nothing of it
		call.err = err
	case err != nil:
		var old bool
		if value, old = s.failLease(lease, resultOf(err, abandoned)); !old && errors.As(err, new(noPlace)) {
			value, old = s.getPresent(key) // somebody may have stored it meanwhile
		}
		if !old {
			call.err = err
		}
	default:
		status := native.GlueLeaseFill(lease, unsafe.SliceData(value), len(value), ttlMillis(ttl))
		call.refused, call.err = s.refusal(status)
	}
	if without, is := call.err.(noPlace); is {
		call.err = without.error
	}
	call.value = bytes.Clone(value)
	runtime.KeepAlive(s)
	s.forget(key, call)
	close(call.done)
}

// refusal is why the store did not take a value, for the caller who is given it, or in its place for those who
// wait. One that was overtaken is theirs.
func (s *Store) refusal(status int32) (refused, err error) {
	switch {
	case status >= 0 || status == statusVersionMismatch:
		return nil, nil
	case status == statusInvalidTTL || s.failsLoads.Load():
		return nil, byStatus[status]
	}
	return byStatus[status], nil
}

// Of enum memstore_load_result.
const (
	loadAbsent    int32 = 1
	loadAbandoned int32 = 3
	loadFailed    int32 = -1
)

// resultOf is what an error of a loader means to the store. What comes after its context has ended, since nobody
// wanted the value any more, is no failure of the loader's, whatever its database calls that.
func resultOf(err error, abandoned bool) int32 {
	switch {
	case errors.Is(err, ErrKeyNotFound):
		return loadAbsent
	case abandoned || errors.As(err, new(noPlace)):
		return loadAbandoned
	}
	return loadFailed
}

// failLease gives a lease back without a value, and returns the old value that serves instead.
func (s *Store) failLease(lease uintptr, result int32) (value []byte, old bool) {
	var kept uintptr
	size := native.GlueLeaseFail(lease, result, pointerTo(&kept))
	if size < 0 {
		return nil, false
	}
	return s.take(kept, size), true
}
