// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"runtime"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// CacheStats is what a store has done since it was opened or since ResetStats. The fields before
// HitRate are those of memstore_stats in the library's header, in its order.
type CacheStats struct {
	Hits        uint64 // reads that found a live entry
	Misses      uint64 // reads that found none
	Sets        uint64 // entries stored by any writing call
	Updates     uint64 // those of Sets that replaced a live entry
	Deletes     uint64 // live entries removed by deleting calls
	Evictions   uint64 // live entries removed to make room
	Expirations uint64 // entries removed because their time was over

	RejectedTooLarge   uint64 // writes refused with ErrEntryTooLarge
	RejectedInvalidTTL uint64 // writes refused with ErrInvalidTTL or ErrTTLExpired
	RejectedFull       uint64 // writes refused with ErrCacheFull
	RejectedMemory     uint64 // writes refused with ErrMemoryExhausted, ErrGCPressure or ErrShardOverflow
	RejectedCondition  uint64 // writes refused with ErrKeyExists, ErrVersionMismatch, ErrNotANumber; failed Replaces

	Entries      uint64 // live entries now
	Compactions  uint64 // segments emptied by moving what was alive in them
	MovedBytes   uint64 // bytes moved by compaction and by second chances at eviction
	WrittenBytes uint64 // bytes appended by writes

	RejectedTimeout uint64 // writes, deletes included, refused with ErrLockTimeout

	Loads          uint64 // values that loaders gave
	LoadFailures   uint64 // loads that failed
	LoadRetries    uint64 // times that a loader was called again
	LoadsCoalesced uint64 // callers that waited for the load of another; GetOrLoad's own are not among them
	LoadsOvertaken uint64 // those of Loads not stored because the key was written meanwhile
	LoadsBypassed  uint64 // those of Loads that the store could not take
	AbsentLoaded   uint64 // loads that found that the key does not exist
	AbsentServed   uint64 // callers told so without a load

	HitRate float64 // hits as a share of hits and misses, 0 when nothing was read
}

// MemoryStats is where a store's bytes are: memstore_memory_stats in the library's header, in its
// order.
type MemoryStats struct {
	Limit       uint64 // bytes the store may use
	Charged     uint64 // bytes that count against the limit
	Live        uint64 // bytes of live entries with their headers
	Dead        uint64 // bytes of replaced, deleted and expired entries that are not reclaimed yet
	Index       uint64 // bytes of index tables
	Overhead    uint64 // bytes of bookkeeping
	Pinned      uint64 // bytes of segments that views hold
	Free        uint64 // bytes that are charged and hold nothing yet
	Segments    uint64 // segments in use
	SegmentSize uint64 // bytes of one ordinary segment
}

// word is the size of one counter as the library writes it.
const word = unsafe.Sizeof(uint64(0))

// GetStats returns the counters; all are zero when the store is closed.
func (s *Store) GetStats() *CacheStats {
	stats := new(CacheStats)
	native.GlueGetStats(s.handle, pointerTo(stats), int(unsafe.Offsetof(stats.HitRate)/word))
	runtime.KeepAlive(s)
	if reads := stats.Hits + stats.Misses; reads != 0 {
		stats.HitRate = float64(stats.Hits) / float64(reads)
	}
	return stats
}

// GetHitRate returns hits as a share of hits and misses: 0 when nothing was read or the store is
// closed.
func (s *Store) GetHitRate() float64 {
	rate := native.MemstoreGetHitRate(s.handle)
	runtime.KeepAlive(s)
	return rate
}

// GetMemoryUsage returns where the bytes are; all are zero when the store is closed.
func (s *Store) GetMemoryUsage() *MemoryStats {
	stats := new(MemoryStats)
	native.GlueGetMemoryStats(s.handle, pointerTo(stats), int(unsafe.Sizeof(*stats)/word))
	runtime.KeepAlive(s)
	return stats
}

// ResetStats sets the counters to zero. It does nothing when the store is closed.
func (s *Store) ResetStats() {
	native.MemstoreResetStats(s.handle)
	runtime.KeepAlive(s)
}
