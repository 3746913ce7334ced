// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Loader loads the value of a key. An error for which errors.Is(err, ErrKeyNotFound) holds says that
// there is no such key, which is remembered for the setting loader.negative_ttl.
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
// all the same.
//
// A caller whose context ends stops waiting. The load goes on for the others; its own context, which
// has the values of the first caller's, ends when nobody waits any more. An error of the load, and a
// panic in it as ErrLoaderFailed, is what all who wait get; the next caller loads anew. A load that
// asks, with the context it was given, for a key whose load waits for its own gets ErrLoaderFailed.
func (s *Store) GetOrLoad(ctx context.Context, key string, ttl time.Duration, load Loader) ([]byte, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := live(ctx, getOrLoad, key); err != nil {
		return nil, err
	}
	for pause := firstLook; ; {
		value, call, late, err := s.loadOrJoin(ctx, key, ttl, load)
		if call == nil {
			return value, err
		}
		if call == loadedElsewhere {
			if err := sleep(ctx, key, pause); err != nil {
				return nil, err
			}
			pause = min(2*pause, longestLook)
			continue
		}
		value, err = s.await(ctx, key, call)
		if !late || errors.Is(err, ErrLoaderFailed) || ctx.Err() != nil {
			return value, err
		}
	}
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

// loadCall is one load. What is not said to be constant is guarded by its mutex in loads, value and err
// until done is closed.
type loadCall struct {
	mutex   *sync.Mutex
	lease   uintptr // 0 once it is given back
	waiters int
	// Of a value that is there: nobody waits who finds that. Constant.
	refreshes bool
	ending    bool // the lease is being given back: wait for done, and look again
	cancel    context.CancelFunc
	done      chan struct{}
	value     []byte
	err       error
	// waitsFor has the loads that the loader waits for, by how many goroutines; circles guards it.
	waitsFor map[*loadCall]int
}

// loadedElsewhere stands for the load of somebody whom this binding does not know.
var loadedElsewhere = new(loadCall)

var loadSeed = maphash.MakeSeed()

// loadOrJoin returns the value, or the load to wait for. One joined late is about to end, and its result
// may be older than what this caller may get: he looks again then.
func (s *Store) loadOrJoin(ctx context.Context, key string, ttl time.Duration, load Loader) (value []byte, joined *loadCall, late bool, err error) {
	shard := &s.loads[maphash.String(loadSeed, key)%uint64(len(s.loads))]
	shard.mutex.Lock()
	defer shard.mutex.Unlock()
	call := shard.calls[key]
	running := call != nil && (call.ending || native.GlueLeaseIsCurrent(call.lease) != 0)
	if running && !call.refreshes {
		call.waiters++
		return nil, call, call.ending, nil
	}
	value, lease, status := s.acquire(key)
	switch {
	case status == statusLockTimeout && running:
		call.waiters++
		return nil, call, call.ending, nil
	case status == statusLockTimeout:
		return nil, loadedElsewhere, false, nil
	case status != 0:
		return nil, nil, false, fail(getOrLoad, key, status)
	case lease == 0:
		return value, nil, false, nil
	}
	call = s.begin(ctx, shard, key, ttl, load, lease, value != nil)
	if call.refreshes {
		return value, nil, false, nil
	}
	return nil, call, false, nil
}

// begin starts a load over a lease. The shard is locked.
func (s *Store) begin(ctx context.Context, shard *loadShard, key string, ttl time.Duration, load Loader, lease uintptr, refreshes bool) *loadCall {
	if shard.calls == nil {
		shard.calls = make(map[string]*loadCall)
	}
	call := &loadCall{mutex: &shard.mutex, lease: lease, waiters: 1, refreshes: refreshes, done: make(chan struct{})}
	shard.calls[key] = call
	loadCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	call.cancel = cancel
	go func() {
		s.run(context.WithValue(loadCtx, loadKey{}, call), call, key, ttl, load)
		shard.mutex.Lock()
		if shard.calls[key] == call {
			delete(shard.calls, key)
		}
		shard.mutex.Unlock()
		cancel()
		close(call.done)
	}()
	return call
}

// noValue is GLUE_NO_VALUE.
const noValue = math.MaxInt64

// acquire returns the value, a lease, or a status; both of the former when the value is to be refreshed.
func (s *Store) acquire(key string) (value []byte, lease uintptr, status int32) {
	value = make([]byte, smallScratch)
	for {
		size := native.GlueLeaseAcquire(s.handle, unsafe.StringData(key), len(key), &value[0], len(value),
			pointerTo(&lease))
		runtime.KeepAlive(s)
		switch {
		case size < 0:
			return nil, 0, int32(size)
		case size == noValue:
			return nil, lease, 0
		case size <= int64(len(value)):
			return value[:size:size], lease, 0
		case lease != 0:
			// If it has gone meanwhile the lease is as good for a load that is waited for.
			value, _, _ = s.Get(context.Background(), key)
			return value, lease, 0
		}
		value = make([]byte, size)
	}
}

// run calls the loader and gives the lease back.
func (s *Store) run(ctx context.Context, call *loadCall, key string, ttl time.Duration, load Loader) {
	value, err := callLoader(ctx, key, load)
	call.mutex.Lock()
	lease := call.lease
	call.ending, call.lease = true, 0
	call.mutex.Unlock()
	if err != nil {
		var old bool
		if value, old = s.failLease(lease, errors.Is(err, ErrKeyNotFound)); !old {
			call.err = &Error{getOrLoad, key, err}
		}
	} else if status := native.GlueLeaseFill(lease, unsafe.SliceData(value), len(value), ttlMillis(ttl)); status == statusInvalidTTL {
		call.err = fail(getOrLoad, key, status)
	}
	call.value = bytes.Clone(value)
	runtime.KeepAlive(s)
}

// failLease gives a lease back whose load failed, and returns the old value that serves instead.
func (s *Store) failLease(lease uintptr, absent bool) (value []byte, old bool) {
	var kept unsafe.Pointer
	because := int32(0)
	if absent {
		because = 1
	}
	size := native.GlueLeaseFail(lease, because, pointerTo(&kept))
	if size < 0 {
		return nil, false
	}
	value = make([]byte, size)
	native.GlueTakeMany(uintptr(kept), unsafe.SliceData(value), len(value))
	return value, true
}

// callLoader calls the loader; a panic, and the end of its goroutine, are errors.
func callLoader(ctx context.Context, key string, load Loader) (value []byte, err error) {
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
		value, err = load(ctx, key)
		returned = true
	}()
	<-ended
	return value, err
}

// await waits for a load.
func (s *Store) await(ctx context.Context, key string, call *loadCall) ([]byte, error) {
	if !beginToWait(ctx, call) {
		s.leave(key, call)
		return nil, &Error{getOrLoad, key, explained{"a loader waits for its own load", ErrLoaderFailed}}
	}
	defer endToWait(ctx, call)
	select {
	case <-call.done:
	case <-ctx.Done():
		s.leave(key, call)
		return nil, &Error{getOrLoad, key, ctx.Err()}
	}
	if call.err != nil {
		return nil, call.err
	}
	return append([]byte{}, call.value...), nil
}

// leave is for a caller who does not wait any more: the last one ends the load.
func (s *Store) leave(key string, call *loadCall) {
	call.mutex.Lock()
	defer call.mutex.Unlock()
	call.waiters--
	if call.waiters > 0 || call.ending {
		return
	}
	shard := &s.loads[maphash.String(loadSeed, key)%uint64(len(s.loads))]
	if shard.calls[key] == call {
		delete(shard.calls, key)
	}
	call.cancel()
}

func sleep(ctx context.Context, key string, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &Error{getOrLoad, key, ctx.Err()}
	}
}

// loadKey finds in the context of a load the load itself.
type loadKey struct{}

// circles guards which load waits for which, of all stores.
var circles sync.Mutex

// waitsForIt says whether a load waits for another, be it through further ones. circles is locked.
func waitsForIt(from, to *loadCall) bool {
	if from == to {
		return true
	}
	for next := range from.waitsFor {
		if waitsForIt(next, to) {
			return true
		}
	}
	return false
}

// beginToWait notes that the load that the context belongs to waits for another; false when that waits
// for it in turn.
func beginToWait(ctx context.Context, call *loadCall) bool {
	mine, nested := ctx.Value(loadKey{}).(*loadCall)
	if !nested {
		return true
	}
	circles.Lock()
	defer circles.Unlock()
	if waitsForIt(call, mine) {
		return false
	}
	if mine.waitsFor == nil {
		mine.waitsFor = make(map[*loadCall]int)
	}
	mine.waitsFor[call]++
	return true
}

func endToWait(ctx context.Context, call *loadCall) {
	mine, nested := ctx.Value(loadKey{}).(*loadCall)
	if !nested {
		return
	}
	circles.Lock()
	defer circles.Unlock()
	if mine.waitsFor[call]--; mine.waitsFor[call] == 0 {
		delete(mine.waitsFor, call)
	}
}
