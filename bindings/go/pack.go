// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"runtime"
	"sync"
	"unsafe"
)

const (
	// lendFrom is the value size from which pinning a value in place is cheaper than copying it
	// into packed memory.
	lendFrom = 16 << 10
	// packFirst is what packed memory starts with. It is never empty, so that its address can
	// always be taken.
	packFirst = 4 << 10
	// packKeep is the most memory that goes back to the pool, lest one large batch holds its memory
	// for good.
	packKeep = 1 << 20
)

// pack is the memory in which a batch crosses to the library and back: byte strings one after the
// other, their sizes beside them, no pointers. It crosses in one call, whatever the number of keys.
type pack struct {
	bytes  []byte   // keys, or keys and values
	sizes  []uint64 // of the keys; or, for SetMany, the words of glue_item
	values []byte   // receives values
	found  []int64  // receives the sizes of values
	flags  []byte   // receives a byte a key
	wipes  bool     // whether it is given back without what was in it
}

var packPool = sync.Pool{New: func() any {
	return &pack{
		bytes:  make([]byte, 0, packFirst),
		sizes:  make([]uint64, 0, 64),
		values: make([]byte, packFirst),
		found:  make([]int64, 64),
		flags:  make([]byte, 64),
	}
}}

func (s *Store) getPack() *pack {
	pack := packPool.Get().(*pack)
	pack.wipes = s.wipes
	return pack
}

func (p *pack) put() {
	if p.wipes {
		clear(p.bytes)
		clear(p.values)
	}
	if cap(p.bytes)+cap(p.values)+8*(cap(p.sizes)+cap(p.found)) <= packKeep {
		packPool.Put(p)
	}
}

func (p *pack) addKeys(keys []string) {
	p.bytes, p.sizes = p.bytes[:0], p.sizes[:0]
	for _, key := range keys {
		p.bytes = append(p.bytes, key...)
		p.sizes = append(p.sizes, uint64(len(key)))
	}
}

// addItems packs keys and values. Large values stay where they are, pinned, and cross as addresses.
func (p *pack) addItems(items map[string][]byte, pinner *runtime.Pinner) {
	p.bytes, p.sizes = p.bytes[:0], p.sizes[:0]
	for key, value := range items {
		address := uintptr(0)
		p.bytes = append(p.bytes, key...)
		if len(value) < lendFrom {
			p.bytes = append(p.bytes, value...)
		} else {
			pinner.Pin(&value[0])
			address = uintptr(unsafe.Pointer(&value[0]))
		}
		p.sizes = append(p.sizes, uint64(len(key)), uint64(len(value)), uint64(address))
	}
}

// bytesPointer and sizesPointer never return nil, not even for a batch of nothing: the library
// refuses a missing array.
func (p *pack) bytesPointer() *byte { return unsafe.SliceData(p.bytes[:cap(p.bytes)]) }
func (p *pack) sizesPointer() *byte {
	return pointerTo(unsafe.SliceData(p.sizes[:cap(p.sizes)]))
}

// room makes place for n results.
func (p *pack) room(n int) {
	if len(p.found) < n {
		p.found = make([]int64, n)
	}
	if len(p.flags) < n {
		p.flags = make([]byte, n)
	}
}
