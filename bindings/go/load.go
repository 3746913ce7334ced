// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Loader loads the value of a key. An error for which errors.Is(err, ErrKeyNotFound) holds says that
// there is no such key, which is remembered for the setting loader.negative_ttl; one that matches [ErrLoadRetry] asks
// for another call after a pause. The context ends at the latest when the load has taken loader.timeout, with all
// its calls and pauses.
type Loader func(ctx context.Context, key string) ([]byte, error)

// GetOrLoad returns a copy of the value under a key; if it is not there, load is called, once however
// many goroutines ask, and its value is stored for the ttl. None of them holds an operating system
// thread while it waits.
//
// From the age loader.refresh_after on a value is loaded anew in the background, while everybody is given
// the old one. When a load fails, a value that has expired within loader.max_stale is returned in place
// of the error. The loads of a store share a circuit breaker: after loader.breaker_failures failures in a
// row load is not called for loader.breaker_open, and without an older value the error is ErrLoaderFailed.
//
// A write of the key meanwhile wins: then those who asked before it get the loaded value, it is not
// stored, and who asks afterwards begins another load. If the store cannot take a value it is returned
// all the same, unless the setting loader.on_store_error is "fail": then the error is the store's. Where there
// is no memory to note the load, no place for as long as Config.LockTimeout lets it wait, or the key is too long,
// each caller loads for himself.
//
// A caller whose context ends stops waiting. The load goes on for the others; its own context, which
// has the values of the first caller's, ends when nobody waits any more. A load that ends so without a value has
// failed, to the breaker, only if the last who waited had a deadline, which has passed. An error of the load, and a
// panic in it as ErrLoaderFailed, is what all who wait get; the next caller loads anew. A load that
// asks, with the context it was given, for a key whose load waits for its own gets ErrLoaderFailed.
//
// loader.max_loads and loader.max_load_bytes bound the loads that run at once. The others wait in line: who has found no place
// for loader.timeout gets ErrLockTimeout, unless the value is there by then. A load that a loader makes, with the context it was
// given, takes no place of its own, unless it only refreshes a value, which the loader does not wait for; and a loader
// that waits for the load of another lets others have its place meanwhile.
func (s *Store) GetOrLoad(ctx context.Context, key string, ttl time.Duration, load Loader) ([]byte, error) {
	value, _, err := s.getOrLoad(ctx, key, ttl, load)
	return value, err
}

// getOrLoad is GetOrLoad that also tells why the store did not take what was loaded; nil if it did.
func (s *Store) getOrLoad(ctx context.Context, key string, ttl time.Duration, load Loader) (value []byte, refused, err error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := live(ctx, getOrLoad, key); err != nil {
		return nil, nil, err
	}
	for pause := firstLook; ; {
		found, err := s.find(ctx, getOrLoad, key, new(flights))
		switch {
		case err != nil || found.call == nil:
			return found.value, nil, err
		case found.call == loadedElsewhere:
			if err := sleep(ctx, getOrLoad, key, pause); err != nil {
				return nil, nil, err
			}
			pause = min(2*pause, longestLook)
			continue
		case found.mine:
			// Noted before the loader is called, which else may be the first to wait in a circle and is not told.
			if !found.call.refreshes && beginToWait(ctx, found.call) {
				defer endToWait(ctx, found.call)
			}
			s.lead(ctx, key, found.call, ttl, load)
		}
		if found.call.refreshes && found.mine {
			return found.value, nil, nil
		}
		value, err := s.await(ctx, getOrLoad, key, found.call)
		again, err := found.again(ctx, getOrLoad, key, err)
		switch {
		case again:
		case err != nil:
			return nil, nil, err
		default:
			return value, found.call.refused, nil
		}
	}
}

// again says whether to look once more, after a load joined late has ended, and else what came of it. To who cannot look
// any more, since his context has ended too, it gives nothing: it may be older than what he may get.
func (f *found) again(ctx context.Context, op, key string, err error) (bool, error) {
	if !f.late || errors.Is(err, ErrLoaderFailed) {
		return false, err
	}
	if ended := ctx.Err(); ended != nil {
		return false, &Error{op, key, ended}
	}
	return true, nil
}

const (
	getOrLoad = "GetOrLoad"
	// How long it takes to look again whether the load of somebody outside of this binding, or of one
	// that nobody waits for any more, has ended: from one to the other, doubling.
	firstLook   = time.Millisecond
	longestLook = 50 * time.Millisecond
)

// loads are the loads of a store in flight, each over one lease of the library.
type loads [64]loadShard

type loadShard struct {
	mutex sync.Mutex
	calls map[string]*loadCall
}

// running is the load of a key, and whether it is to be waited for. The mutex is held.
func (l *loadShard) running(key string) (*loadCall, bool) {
	call := l.calls[key]
	return call, call != nil && (call.ending || native.GlueLeaseIsCurrent(call.lease) != 0)
}

// loadCall is the load of one key. What is not said to be constant is guarded by its mutex in loads, value,
// err and refused until done is closed.
type loadCall struct {
	mutex   *sync.Mutex
	lease   uintptr // 0 once it is given back, and of a load that the store could not note
	waiters int
	// Of a value that is there: nobody waits who finds that. Constant.
	refreshes bool
	ending    bool               // the lease is being given back: wait for done, and look again
	abandoned bool               // who was the last to leave had not waited for too long, but had no use for it
	cancel    context.CancelFunc // once the load has begun, before which nobody can be the last to leave
	done      chan struct{}
	value     []byte
	err       error   // the cause alone: each who waits has an operation of his own
	refused   error   // why the store did not take the value, which is given to them all the same
	flight    *flight // constant
}

// loadedElsewhere stands for the load of somebody whom this binding does not know.
var loadedElsewhere = new(loadCall)

var loadSeed = maphash.MakeSeed()

// found is what there is under a key: a value, or a load to wait for, or both if the load only refreshes the
// value, which nobody waits for then. One that is mine is yet to begin.
// One joined late is about to end, and its result may be older than what this caller may get: he looks
// again then.
type found struct {
	value      []byte
	call       *loadCall
	late, mine bool
}

// find looks for a value, and else joins its load. The caller must begin one that is mine, which has a
// lease now; it is part of one of the flights.
func (s *Store) find(ctx context.Context, op, key string, flights *flights) (found, error) {
	// Nearly all callers find a value. Where values are refreshed the library has to see how old it is.
	if !s.refreshes.Load() {
		if value, present := s.getPresent(key); present {
			return found{value: value}, nil
		}
	}
	shard := &s.loads[maphash.String(loadSeed, key)%uint64(len(s.loads))]
	shard.mutex.Lock()
	defer shard.mutex.Unlock()
	return s.join(ctx, op, key, shard, flights)
}

// join is find where there may be a load to join. The shard's mutex is held, but not while it waits for long.
func (s *Store) join(ctx context.Context, op, key string, shard *loadShard, flights *flights) (found, error) {
	call, running := shard.running(key)
	if running && !call.refreshes {
		return call.join(), nil
	}
	value, lease, status := s.acquire(briefly, key)
	if int64(status) <= -gaveUp || status == statusLockTimeout {
		// Where there is no place to look at the age of a value it is not to be refreshed now.
		if value, present := s.getPresent(key); present {
			return found{value: value}, nil
		}
	}
	isPatient := int64(status) <= -gaveUp
	if isPatient {
		// Not under the mutex, where others wait who have contexts of their own.
		shard.mutex.Unlock()
		value, lease, status = s.acquire(patiently(ctx), key)
		shard.mutex.Lock()
		call, running = shard.running(key)
	}
	isElsewhere := false
	if status == statusLockTimeout && !running {
		value, lease, status, isElsewhere = s.askAgain(key, isPatient)
	}
	switch {
	case isElsewhere:
		return found{call: loadedElsewhere}, nil
	case status == statusLockTimeout && running:
		return call.join(), nil
	case status != 0 && (ctx.Err() != nil || !s.loadsAside(status)):
		return found{}, checkWaiting(ctx, op, key, status)
	case status == 0 && lease == 0:
		return found{value: value}, nil
	}
	flight := flights.of(ctx, s, value != nil)
	return found{value: value, call: shard.newCall(key, value, lease, status, flight), mine: true}, nil
}

// join is one caller more who waits for a load. The mutex is held.
func (call *loadCall) join() found {
	call.waiters++
	return found{call: call, late: call.ending}
}

// newCall is a load that is yet to begin, with what acquire gave for it. The mutex is held.
func (l *loadShard) newCall(key string, value []byte, lease uintptr, status int32, flight *flight) *loadCall {
	call := &loadCall{mutex: &l.mutex, lease: lease, waiters: 1, refreshes: value != nil,
		done: make(chan struct{}), flight: flight}
	if status != 0 {
		// Nobody joins: of a write meanwhile nothing would tell.
		call.refused = byStatus[status]
		return call
	}
	if l.calls == nil {
		l.calls = make(map[string]*loadCall)
	}
	l.calls[key] = call
	return call
}

// lead begins the load of a key.
func (s *Store) lead(ctx context.Context, key string, call *loadCall, ttl time.Duration, load Loader) {
	if load == nil {
		load = func(context.Context, string) ([]byte, error) { return nil, errNoFunction }
	}
	loadCtx, cancel := call.flight.begin(ctx, s)
	call.cancelBy(cancel)
	go func() {
		defer cancel()
		tries := &attempts{store: s, ctx: loadCtx, flight: call.flight, keys: 1}
		var value []byte
		var err error
		for again := true; again; {
			value, err = attempt(tries, func() ([]byte, error) { return load(loadCtx, key) })
			again = false
			if !call.refreshes {
				again, err = tries.again(err)
			}
		}
		if err == nil {
			s.bounds.noteSize(len(value)) // before anybody who has waited for it loads more
		}
		s.settle(key, call, ttl, value, err)
		tries.end()
	}()
}

func (call *loadCall) cancelBy(cancel context.CancelFunc) {
	call.mutex.Lock()
	defer call.mutex.Unlock()
	call.cancel = cancel
}

// forget takes a load out of those that can be joined.
func (s *Store) forget(key string, call *loadCall) {
	call.mutex.Lock()
	defer call.mutex.Unlock()
	s.forgetLocked(key, call)
}

func (s *Store) forgetLocked(key string, call *loadCall) {
	shard := &s.loads[maphash.String(loadSeed, key)%uint64(len(s.loads))]
	if shard.calls[key] == call {
		delete(shard.calls, key)
	}
}

// guarded calls a loader; a panic, and the end of its goroutine, are errors.
func guarded[T any](load func() (T, error)) (value T, err error) {
	ended := make(chan struct{})
	go func() {
		returned := false
		defer close(ended)
		defer func() {
			if returned {
				return
			}
			if reason := recover(); reason != nil {
				err = explained{fmt.Sprintf("the loader panicked: %v\n%s", reason, debug.Stack()), ErrLoaderFailed}
			} else {
				err = explained{"the loader ended its goroutine", ErrLoaderFailed}
			}
		}()
		value, err = load()
		returned = true
	}()
	<-ended
	return value, err
}

// await waits for a load.
func (s *Store) await(ctx context.Context, op, key string, call *loadCall) ([]byte, error) {
	if !beginToWait(ctx, call) {
		s.leave(ctx, key, call)
		return nil, &Error{op, key, explained{"a loader waits for its own load", ErrLoaderFailed}}
	}
	defer endToWait(ctx, call)
	defer lendPlace(ctx, call)(ctx)
	select {
	case <-call.done:
	case <-ctx.Done():
		s.leave(ctx, key, call)
		return nil, &Error{op, key, ctx.Err()}
	}
	if call.err != nil {
		return nil, &Error{op, key, call.err}
	}
	return append([]byte{}, call.value...), nil
}

// lendPlace lets others have the place of the load that the context belongs to, which is going to wait for one that
// is not a part of it, until the function that it returns is called.
func lendPlace(ctx context.Context, call *loadCall) (takeBack func(context.Context)) {
	mine, nested := ctx.Value(flightKey{}).(*flight)
	if !nested || mine.place == call.flight.place {
		return func(context.Context) {}
	}
	mine.place.lend()
	return mine.place.takeBack
}

// leave is for a caller who does not wait any more: the last one ends the load. It has failed if it took longer than
// his deadline, and else says nothing about the loader.
func (s *Store) leave(ctx context.Context, key string, call *loadCall) {
	call.mutex.Lock()
	defer call.mutex.Unlock()
	call.waiters--
	if call.waiters > 0 || call.ending {
		return
	}
	s.forgetLocked(key, call)
	call.abandoned = !errors.Is(ctx.Err(), context.DeadlineExceeded)
	call.cancel()
}

func sleep(ctx context.Context, op, key string, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &Error{op, key, ctx.Err()}
	}
}
