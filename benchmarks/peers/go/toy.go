// SPDX-License-Identifier: Apache-2.0

package main

// #cgo pkg-config: libxxhash
// #cgo CFLAGS: -O2 -I${SRCDIR}/../..
// #cgo noescape toy_get
// #cgo nocallback toy_get
// #cgo noescape toy_set
// #cgo nocallback toy_set
// #cgo noescape toy_get_many
// #cgo nocallback toy_get_many
// #include "toy.h"
import "C"

import (
	"errors"
	"unsafe"
)

// toy is the C table of toy.h, read through cgo: what a batch of memstore's is measured by.
type toy struct{ table *C.struct_loop_table }

// openToy makes one with the keys that measureSpeed reads, which opens caches for twice as many.
func openToy(_ int64, entries int) cache {
	table := C.toy_open(C.uint64_t(entries / 2))
	if table == nil {
		check(errors.New("the toy has no memory"))
	}
	return toy{table}
}

func (t toy) get(key string, dst []byte) ([]byte, bool) {
	dst = dst[:valueSize]
	found := C.toy_get(t.table, byteAt(unsafe.StringData(key)), byteAt(&dst[0])) != 0
	return dst, found
}

func (t toy) set(key string, value []byte) {
	if C.toy_set(t.table, byteAt(unsafe.StringData(key)), byteAt(&value[0])) == 0 {
		check(errors.New("the toy has no such key"))
	}
}

func (t toy) close() { C.toy_close(t.table) }

func (t toy) newBatch() batch { return &toyBatch{table: t.table} }

// toyBatch packs keys into one piece of memory, as memstore does.
type toyBatch struct {
	table  *C.struct_loop_table
	keys   []byte
	values []byte
	found  bool
}

func (b *toyBatch) read(keys []string) {
	b.keys = b.keys[:0]
	for _, key := range keys {
		b.keys = append(b.keys, key...)
	}
	if size := len(keys) * valueSize; cap(b.values) < size {
		b.values = make([]byte, size)
	}
	b.found = int(C.toy_get_many(b.table, byteAt(&b.keys[0]), C.int(len(keys)), byteAt(&b.values[:1][0]))) == len(keys)
}

func (b *toyBatch) at(i int) ([]byte, bool) { return b.values[i*valueSize : (i+1)*valueSize], b.found }

func byteAt(b *byte) *C.uchar { return (*C.uchar)(b) }
