// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"runtime"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// rawView is memstore_view of <memstore/memstore.h>. Its pointers lead to memory of the library.
type rawView struct {
	data    uintptr
	size    uintptr
	version uint64
	expires int64
	pin     uintptr
}

// View calls fn with the value under a key where it lies, without a copy, and returns whether there is
// one and what fn returned. The bytes stay as they are until fn returns, whatever becomes of the entry
// meanwhile; fn must neither change them nor keep them. Their memory is not used again before that, so
// fn should not take long: it may wait for nothing that needs memory of a full store. With
// MaxConcurrentReaders set the value counts as one of those, and View may return ErrLockTimeout.
func (s *Store) View(ctx context.Context, key string, fn func(value []byte) error) (bool, error) {
	if err := live(ctx, "View", key); err != nil {
		return false, err
	}
	view := new(rawView)
	status := waiting(ctx, func(wait bound) int32 {
		return native.GlueGetView(s.handle, wait.ms, wait.stop, unsafe.StringData(key), len(key), pointerTo(view))
	})
	runtime.KeepAlive(s)
	if status == statusKeyNotFound {
		return false, nil
	}
	if status != 0 {
		return false, checkWaiting(ctx, "View", key, status)
	}
	defer runtime.KeepAlive(s) // behind the release: nothing else may reach the store by then
	defer native.MemstoreViewRelease(pointerTo(view))
	if fn == nil {
		return false, &Error{"View", key, errNoFunction}
	}
	return true, fn(view.bytes())
}

// bytes is the value. An empty one is not nil.
func (v *rawView) bytes() []byte {
	if v.size == 0 {
		return []byte{}
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&v.data)), v.size)
}
