// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64 && !go1.27 && !memstore_nodirect

package direct

import (
	"encoding/binary"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// madeUp is a reader of a store of one bucket with one entry, written by hand, whose granules are 8 bytes as from 4 GiB on. Where a
// granule of 4 bytes would lead to nothing can be read.
func madeUp(t *testing.T, key, value string) *Reader {
	t.Helper()
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 4*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(memory) })
	const granuleShift, bucket, seed = 3, 1, 7
	place := page/4 + 16
	if err := syscall.Mprotect(memory[page:2*page], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	hasher := newHasher(seed)
	tag := uint16(hasher.hash(unsafe.Pointer(unsafe.StringData(key)), len(key)) >> 32)
	binary.LittleEndian.PutUint16(memory[bucket<<6:], tag)
	binary.LittleEndian.PutUint32(memory[bucket<<6+24:], uint32(place))
	entry := memory[place<<granuleShift:]
	binary.LittleEndian.PutUint32(entry, never)
	entry[5] = uint8(len(key))
	binary.LittleEndian.PutUint16(entry[6:], uint16(len(value)))
	copy(entry[8:], key+value)

	store := &struct {
		turns                     [16 * 64]uint64
		batches                   [2]uint64
		hot, table, reads, misses uint64
	}{hot: usual, table: bucket<<32 | 1}
	return &Reader{
		hot: &store.hot, base: unsafe.Pointer(&memory[0]), tables: unsafe.Pointer(&store.table),
		reads: unsafe.Pointer(&store.reads), misses: unsafe.Pointer(&store.misses), hasher: hasher,
		lanes:   &lanes{turns: unsafe.Pointer(&store.turns), stride: 128, count: 64},
		batches: unsafe.Pointer(&store.batches), granuleShift: granuleShift,
	}
}

func TestGranulesAreAsLargeAsTheStoreHasThem(t *testing.T) {
	const key, value = "a key of some bytes", "value"
	reader := madeUp(t, key, value)
	dst := make([]byte, 16)
	var sizes [1]int64

	if n := reader.Get(key, dst); n != len(value) || string(dst[:n]) != value {
		t.Errorf("Get gave %d, %q", n, dst)
	}
	if n := reader.GetMany([]string{key}, dst, sizes[:]); n != len(value) || sizes[0] != int64(n) || string(dst[:n]) != value {
		t.Errorf("GetMany gave %d, %q", n, dst)
	}
}
