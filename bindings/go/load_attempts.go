// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// ErrLoadRetry is what the error of a loader wraps that did not work and may work in a moment: the loader is
// called again after a pause, random and at most loader.retry_initial, twice that and so on up to loader.retry_max, for
// as long as loader.timeout allows. When that has passed, callers get the loader's last error.
//
//	return nil, fmt.Errorf("%w: %w", memstore.ErrLoadRetry, err)
var ErrLoadRetry = errors.New("the loader asks to be called again")

// noPlace is the cause when a loader was not called for want of a place, which says nothing about the loader.
type noPlace struct{ error }

func (e noPlace) Unwrap() error { return e.error }

// attempts are the calls of a loader for one load, of some keys.
type attempts struct {
	store  *Store
	ctx    context.Context // of the load
	flight *flight
	keys   int
	made   int
	last   bool // no other is made
}

// withLoadTimeout is a context that ends when a load that begins now has been tried for long enough.
func (s *Store) withLoadTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if timeout := s.loadTimeout.Load(); timeout != 0 {
		return context.WithTimeout(ctx, time.Duration(timeout))
	}
	return context.WithCancel(ctx)
}

// attempt calls a loader in its turn.
func attempt[T any](a *attempts, load func() (T, error)) (value T, err error) {
	if err := a.takePlace(); err != nil {
		return value, err
	}
	if place := a.flight.place; !a.flight.nested {
		place.setCalls(true)
		defer place.giveLoads()
		defer place.setCalls(false)
	}
	return guarded(load)
}

// takePlace takes what it takes to call the loader; a load that a loader makes has the place of that.
func (a *attempts) takePlace() error {
	if a.flight.nested {
		return nil
	}
	place, bounds := a.flight.place, &a.store.bounds
	if a.made == 0 && !place.take(a.ctx, bounds.bytes, &place.bytes, bounds.size(a.keys)) ||
		!place.take(a.ctx, bounds.loads, &place.loads, 1) {
		return noPlace{a.whyNone()}
	}
	return nil
}

// whyNone is why there was no place.
func (a *attempts) whyNone() error {
	switch {
	case a.store.library.closed.Load():
		return ErrCacheClosed
	case errors.Is(a.ctx.Err(), context.DeadlineExceeded):
		return ErrLockTimeout
	}
	return a.ctx.Err()
}

// again says whether to call the loader once more after it has failed, when it is time for that; and what it comes to
// if not.
func (a *attempts) again(err error) (retry bool, final error) {
	if !errors.Is(err, ErrLoadRetry) || a.last {
		return false, err
	}
	a.made++
	pause := a.pause()
	// A pause that leaves no time for another attempt is shorter, once: half of that is for the attempt.
	if until, bounded := a.ctx.Deadline(); bounded && pause > time.Until(until) {
		a.last, pause = true, time.Until(until)/2
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return a.ctx.Err() == nil, err
	case <-a.ctx.Done():
		return false, err
	case <-a.store.library.ended:
		return false, ErrCacheClosed
	}
}

// pause is how long to wait after so many attempts, at random up to a bound that grows with each, so that many that
// failed together do not come back together.
func (a *attempts) pause() time.Duration {
	longest, most := a.store.retryInitial.Load(), a.store.retryMax.Load()
	for range a.made - 1 {
		if longest >= most {
			break
		}
		longest = min(2*longest, most)
	}
	longest = min(longest, most, math.MaxInt64-1)
	return time.Duration(rand.Int64N(longest + 1))
}

// end is for who has settled the load.
func (a *attempts) end() {
	if !a.flight.nested {
		a.flight.place.giveBytes()
	}
}
