// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"sync/atomic"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// A call of the library that may wait, for a lock, a place or memory, ends with its context. What a
// context that never ends does not pay for, and one that may end pays with the first wait only: a call
// waits patienceMillis by itself, which nearly all never do. One that gets nothing by then is made again,
// with a word that the end of the context sets and the library looks at as it waits.
const patienceMillis = 2

// bound is how long a call of the library may wait, as it crosses.
type bound struct {
	ms   int64 // at most; negative: as long as the store lets it
	stop *byte // the word, an int64, or nil
}

var unbounded = bound{ms: -1}

// gaveUp is GLUE_GAVE_UP: what the status of a call is less by that gave up because of its bound. Nothing
// of it was done.
const gaveUp = int64(native.GLUE_GAVE_UP)

// waiting makes a call that may wait, and returns its result, which is a status if negative.
func waiting[T int32 | int64](ctx context.Context, call func(bound) T) T {
	if endless(ctx) {
		return call(unbounded)
	}
	result := call(bound{ms: patienceMillis})
	if int64(result) > -gaveUp {
		return result
	}
	return waitingLong(ctx, call)
}

// waitingLong is waiting for what is surely going to take long.
func waitingLong[T int32 | int64](ctx context.Context, call func(bound) T) T {
	if endless(ctx) {
		return call(unbounded)
	}
	stop := new(int64)
	defer context.AfterFunc(ctx, func() { atomic.StoreInt64(stop, 1) })()
	result := call(bound{-1, pointerTo(stop)})
	if int64(result) <= -gaveUp {
		result += T(gaveUp)
	}
	return result
}

// interrupted is the cause when a call that waited has met the end of its context. It matches the error
// of the context and what the store would have said.
type interrupted struct{ context, refusal error }

func (e interrupted) Error() string   { return e.context.Error() + " while waiting for the store" }
func (e interrupted) Unwrap() []error { return []error{e.context, e.refusal} }

// mayWait says whether a call may end with a status after it has waited in vain.
func mayWait(status int32) bool {
	switch status {
	case statusLockTimeout, statusGCPressure, statusMemoryExhausted, statusCacheFull, statusShardOverflow:
		return true
	}
	return false
}

// checkWaiting is check for a call that was made by waiting.
func checkWaiting(ctx context.Context, op, key string, status int32) error {
	if status >= 0 {
		return nil
	}
	return interruption(ctx, fail(op, key, status), status)
}

// interruption is the error of a call that was made by waiting, when it met the end of its context; else
// the one given.
func interruption(ctx context.Context, err error, status int32) error {
	if endless(ctx) || !mayWait(status) || ctx.Err() == nil {
		return err
	}
	of := err.(*Error)
	return &Error{of.Op, of.Key, interrupted{ctx.Err(), of.Err}}
}
