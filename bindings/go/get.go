// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"sync"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/direct"
	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// The size of a value is not known before the crossing, and a second crossing costs more than a
// second copy of a small value. So a value goes to a scratch buffer first and from there to an
// allocation of its exact size: to one on the stack, which is cheapest but must be cleared for each
// call, and in a store that has shown larger values to a pooled one. Above that it crosses twice, which
// costs no more than to copy twice (BenchmarkCalls: 20 KiB by two crossings took as long as 16 KiB by one
// and a copy), for the second look-up finds the entry in the processor's caches.
const (
	smallScratch = 512
	largeScratch = 16 << 10
)

var scratchPool = sync.Pool{New: func() any { return new([largeScratch]byte) }}

// putScratch gives a buffer back to the pool, where it may stay for long.
func (s *Store) putScratch(scratch *[largeScratch]byte) {
	if s.wipes {
		clear(scratch[:])
	}
	scratchPool.Put(scratch)
}

// Get returns a copy of the value under a key, and whether there is one.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := live(ctx, "Get", key); err != nil {
		return nil, false, err
	}
	if s.largeValues.Load() {
		scratch := scratchPool.Get().(*[largeScratch]byte)
		defer s.putScratch(scratch)
		return s.getThrough(key, scratch[:])
	}
	var scratch [smallScratch]byte
	return s.getThrough(key, scratch[:])
}

// read copies the value under a key to dst: its size, or a status. Of a size above len(dst) nothing was copied.
func (s *Store) read(key string, dst []byte) int64 {
	if s.direct != nil {
		size := s.direct.Get(key, dst)
		runtime.KeepAlive(s)
		if size >= 0 {
			return int64(size)
		}
		if size == direct.Absent {
			return int64(statusKeyNotFound)
		}
	}
	size := native.GlueGet(s.handle, unsafe.StringData(key), len(key), unsafe.SliceData(dst), len(dst))
	runtime.KeepAlive(s)
	return size
}

// directReader is a reader without crossings, or nil.
func directReader(handle uintptr) *direct.Reader {
	return direct.New(
		func(count uint32, out *[direct.LanesWords]uint64) bool {
			return native.GlueClaimLanes(count, pointerTo(out)) == 0
		},
		func(lanes *[direct.LanesWords]uint64, out *[direct.LayoutWords]uint64) bool {
			return native.GlueGetLayout(handle, pointerTo(lanes), pointerTo(out)) == 0
		})
}

// getThrough gets a value by way of a scratch buffer, or, when it is larger, straight into its
// allocation.
func (s *Store) getThrough(key string, scratch []byte) ([]byte, bool, error) {
	size := s.read(key, scratch)
	if uint64(size) <= uint64(len(scratch)) {
		return append([]byte{}, scratch[:size]...), true, nil
	}
	if size < 0 {
		return notGot(key, size)
	}
	return s.getLarge(key, size)
}

// getLarge gets a value that had this size a moment ago.
func (s *Store) getLarge(key string, size int64) ([]byte, bool, error) {
	s.noteLarge()
	for {
		value := make([]byte, size)
		size = s.read(key, value)
		if size < 0 {
			return notGot(key, size)
		}
		if size <= int64(len(value)) {
			return value[:size:size], true, nil
		}
	}
}

// noteLarge notes that a value did not fit the scratch buffer.
func (s *Store) noteLarge() {
	if !s.largeValues.Load() {
		s.largeValues.Store(true)
	}
}

func notGot(key string, status int64) ([]byte, bool, error) {
	if int32(status) == statusKeyNotFound {
		return nil, false, nil
	}
	return nil, false, fail("Get", key, int32(status))
}

// GetInto is Get without garbage: the value is copied over dst, up to its capacity, and returned as a
// slice of it. A value that does not fit is returned in an allocation of its own, which the next call
// may be given. When there is none, dst is returned with length 0.
func (s *Store) GetInto(ctx context.Context, key string, dst []byte) ([]byte, bool, error) {
	if err := live(ctx, "GetInto", key); err != nil {
		return dst[:0], false, err
	}
	for {
		size := s.read(key, dst[:cap(dst)])
		switch {
		case int32(size) == statusKeyNotFound:
			return dst[:0], false, nil
		case size < 0:
			return dst[:0], false, fail("GetInto", key, int32(size))
		case size <= int64(cap(dst)):
			return dst[:size], true, nil
		}
		dst = make([]byte, size)
	}
}

// GetVersioned is Get that also returns the entry's version, for CompareAndSet. The version of an
// absent key is 0.
func (s *Store) GetVersioned(ctx context.Context, key string) (value []byte, version uint64, found bool, err error) {
	if err := live(ctx, "GetVersioned", key); err != nil {
		return nil, 0, false, err
	}
	var size int64
	if s.largeValues.Load() {
		scratch := scratchPool.Get().(*[largeScratch]byte)
		defer s.putScratch(scratch)
		value, version, size = s.getVersioned(ctx, key, scratch[:])
	} else {
		var scratch [smallScratch]byte
		value, version, size = s.getVersioned(ctx, key, scratch[:])
	}
	if int32(size) == statusKeyNotFound {
		return nil, 0, false, nil
	}
	if size < 0 {
		return nil, 0, false, checkWaiting(ctx, "GetVersioned", key, int32(size))
	}
	return value, version, true, nil
}

// getVersioned gets a value, its version, and its size or a status.
func (s *Store) getVersioned(ctx context.Context, key string, scratch []byte) (value []byte, version uint64, size int64) {
	var kept uintptr
	size = waiting(ctx, func(wait bound) int64 {
		return native.GlueGetVersioned(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key),
			unsafe.SliceData(scratch), len(scratch), pointerTo(&version), pointerTo(&kept))
	})
	runtime.KeepAlive(s)
	if kept != 0 {
		s.noteLarge()
		return s.take(kept, size), version, size
	}
	return append([]byte{}, scratch[:max(size, 0)]...), version, size
}

// take takes what the library's side has kept of a value, or of several.
func (s *Store) take(kept uintptr, size int64) []byte {
	wipes := int32(0)
	if s.wipes {
		wipes = 1
	}
	value := make([]byte, size)
	native.GlueTakeMany(kept, unsafe.SliceData(value), len(value), wipes)
	return value
}

// getPresent gets a value if it is there. If not, that counts as no read: the caller asks in another way.
func (s *Store) getPresent(key string) ([]byte, bool) {
	if s.direct != nil {
		size := s.direct.Has(key)
		if size >= 0 {
			value := make([]byte, size)
			size = s.direct.Get(key, value)
			if uint(size) <= uint(len(value)) {
				runtime.KeepAlive(s)
				return value[:size:size], true
			}
		}
		runtime.KeepAlive(s)
		if size == direct.Absent {
			return nil, false
		}
	}
	if s.largeValues.Load() {
		scratch := scratchPool.Get().(*[largeScratch]byte)
		defer s.putScratch(scratch)
		return s.getPresentThrough(key, scratch[:])
	}
	var scratch [smallScratch]byte
	return s.getPresentThrough(key, scratch[:])
}

func (s *Store) getPresentThrough(key string, scratch []byte) ([]byte, bool) {
	size := s.readPresent(key, scratch)
	if size <= int64(len(scratch)) {
		return append([]byte{}, scratch[:max(size, 0)]...), size >= 0
	}
	s.noteLarge()
	value := make([]byte, size)
	size = s.readPresent(key, value)
	if uint64(size) > uint64(len(value)) {
		return nil, false
	}
	return value[:size:size], true
}

func (s *Store) readPresent(key string, dst []byte) int64 {
	size := native.GlueGetPresent(s.handle, unsafe.StringData(key), len(key), unsafe.SliceData(dst), len(dst))
	runtime.KeepAlive(s)
	return size
}
