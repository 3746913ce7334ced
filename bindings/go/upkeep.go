// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Compact moves live entries together until dead bytes are at most this share, from 0 to 1, of live
// and dead bytes. When the context ends first, the call returns and the work goes on to its end.
func (s *Store) Compact(ctx context.Context, maxDeadRatio float64) error {
	if !(maxDeadRatio >= 0 && maxDeadRatio <= 1) {
		return s.refuse("Compact", "", explained{"the share of dead bytes is not from 0 to 1", ErrInvalidArgument})
	}
	return s.unlessDone(ctx, "Compact", func() int32 { return native.MemstoreCompact(s.handle, maxDeadRatio) })
}

// Maintain does the work of the maintenance thread: it removes what has expired and reclaims
// memory, for about the budget, or all there is when the budget is 0. ErrLockTimeout says that the
// budget ended first. When the context ends, what is left is left.
func (s *Store) Maintain(ctx context.Context, budget time.Duration) error {
	if err := live(ctx, "Maintain", ""); err != nil {
		return err
	}
	if budget < 0 {
		return s.refuse("Maintain", "", explained{"the budget is negative", ErrInvalidArgument})
	}
	micros := budget.Microseconds()
	if micros == 0 && budget != 0 {
		micros = 1 // a fraction of a microsecond is no budget of "all"
	}
	status := waitingLong(ctx, func(wait bound) int32 {
		return native.GlueMaintain(s.handle, wait.ms, wait.stop, micros)
	})
	runtime.KeepAlive(s)
	return checkWaiting(ctx, "Maintain", "", status)
}

// endless says whether a context never ends, so that there is nothing to look at.
func endless(ctx context.Context) bool { return ctx == nil || ctx.Done() == nil }

// unlessDone makes a call of the library that can take long, and returns when it has ended or the context
// has.
func (s *Store) unlessDone(ctx context.Context, op string, call func() int32) error {
	if err := live(ctx, op, ""); err != nil {
		return err
	}
	if endless(ctx) {
		status := call()
		runtime.KeepAlive(s)
		return check(op, "", status)
	}
	ended := make(chan int32, 1)
	go func() {
		ended <- call()
		runtime.KeepAlive(s)
	}()
	select {
	case status := <-ended:
		return check(op, "", status)
	case <-ctx.Done():
		return &Error{op, "", ctx.Err()}
	}
}
