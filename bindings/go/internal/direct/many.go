// SPDX-License-Identifier: Apache-2.0

//go:build linux && amd64 && !go1.27 && !memstore_nodirect

package direct

import (
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// GetMany copies the values under keys to dst, one directly after the other and all as of one moment between batches, sets
// sizes[i], -1 for a miss, and returns the bytes of all; or Elsewhere, and then it has counted nothing.
func (r *Reader) GetMany(keys []string, dst []byte, sizes []int64) int {
	var hashes [MostKeys]uint64
	if len(keys) > MostKeys || len(sizes) < len(keys) {
		return Elsewhere
	}
	for i, key := range keys {
		if uint(len(key)-1) >= longestKey {
			return Elsewhere
		}
		hashes[i] = r.hasher.hash(unsafe.Pointer(unsafe.StringData(key)), len(key))
	}
	processor := uint(pin())
	if processor >= r.lanes.count {
		unpin()
		return Elsewhere
	}
	lane := r.lanes.lane(processor)
	turn := begin(lane)
	total, misses := r.findAll(keys, &hashes, dst, sizes)
	if total >= 0 {
		*r.count(r.reads, processor) += uint64(len(keys))
		*r.count(r.misses, processor) += uint64(misses)
	}
	end(lane, turn)
	unpin()
	return total
}

// findAll is GetMany's section.
func (r *Reader) findAll(keys []string, hashes *[MostKeys]uint64, dst []byte, sizes []int64) (total, misses int) {
	var entries [MostKeys]unsafe.Pointer
	done := atomic.LoadUint64((*uint64)(unsafe.Add(r.batches, 8)))
	begun := atomic.LoadUint64((*uint64)(r.batches))
	if done != begun {
		return Elsewhere, 0
	}
	if !r.ask(hashes[:len(keys)]) {
		return Elsewhere, 0
	}
	var now int64
	for i, key := range keys {
		entry, size := r.find(hashes[i], unsafe.Pointer(unsafe.StringData(key)), len(key), &now)
		if size == Absent {
			sizes[i] = -1
			misses++
			continue
		}
		if size < 0 || size > len(dst)-total {
			return Elsewhere, 0
		}
		copy(dst[total:], unsafe.Slice((*byte)(unsafe.Add(entry, 8+len(key))), size))
		sizes[i] = int64(size)
		entries[i] = entry
		total += size
	}
	if atomic.LoadUint64((*uint64)(r.batches)) != begun {
		return Elsewhere, 0
	}
	for _, entry := range entries[:len(keys)] {
		if entry != nil {
			r.use(entry)
		}
	}
	return total, misses
}

// ask loads what find will look at: the home buckets, and then the entries that are likely, so that the processor waits for
// all of them at once.
func (r *Reader) ask(hashes []uint64) bool {
	var buckets [MostKeys]unsafe.Pointer
	hot := atomic.LoadUint64(r.hot)
	if hot&usual == 0 {
		return false
	}
	for i, hash := range hashes {
		table := atomic.LoadUint64((*uint64)(unsafe.Add(r.tables, hash>>48&hot&0xffff<<3)))
		bucket := unsafe.Add(r.base, table>>32<<6+uint64(uint32(hash))*uint64(uint32(table))>>32<<6)
		atomic.LoadUint64((*uint64)(bucket))
		buckets[i] = bucket
	}
	for i, hash := range hashes {
		bucket, lanes := buckets[i], uint64(uint16(hash>>32))*tagLanes
		for word := range 2 { // of the third only two tags are one
			equal := equalTags(atomic.LoadUint64((*uint64)(unsafe.Add(bucket, 8*word))) ^ lanes)
			if equal != 0 {
				place := atomic.LoadUint32((*uint32)(unsafe.Add(bucket, 24+16*word+bits.TrailingZeros64(equal)>>4<<2)))
				atomic.LoadUint32((*uint32)(unsafe.Add(r.base, uint64(place)<<(r.granuleShift&63))))
				break
			}
		}
	}
	return true
}
