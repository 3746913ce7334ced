// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"runtime"
	"time"
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

	LoadsRefused    uint64 // loads not tried because the breaker was open: loader.breaker_failures
	BreakersOpened  uint64 // times that a breaker opened
	BreakersOpen    uint64 // breakers open now
	StaleServed     uint64 // failed loads in whose place an expired value was given: loader.max_stale
	Refreshes       uint64 // those of Loads for a key that was there: loader.refresh_after
	RefreshFailures uint64 // those of LoadFailures likewise
	RoomMade        uint64 // entries whose writers had to reclaim memory, or were refused for want of it
	Exports         uint64 // files written for ExportMetrics
	ExportFailures  uint64 // times that it could not be written

	RejectedTTLExpired      uint64 // those of RejectedInvalidTTL with ErrTTLExpired
	RejectedGCPressure      uint64 // those of RejectedMemory with ErrGCPressure
	RejectedShardOverflow   uint64 // those of RejectedMemory with ErrShardOverflow
	RejectedKeyExists       uint64 // those of RejectedCondition with ErrKeyExists
	RejectedKeyNotFound     uint64 // failed Replaces
	RejectedVersionMismatch uint64 // those of RejectedCondition with ErrVersionMismatch
	RejectedNotANumber      uint64 // those of RejectedCondition with ErrNotANumber

	LimitLowered      uint64 // times that MemoryPressure has lowered the limit in force
	LimitRaised       uint64 // times that it was raised again
	LoadsTimedOut     uint64 // those of LoadFailures that asked for another attempt after all of loader.timeout
	LoadsWithoutPlace uint64 // those that waited so long for a place among loader.max_loads
	LoadsWithoutBytes uint64 // those that waited so long for one among loader.max_load_bytes
	BreakersHalfOpen  uint64 // those of BreakersOpen that let a load through to try

	HitRate float64 // hits as a share of hits and misses, 0 when nothing was read
}

// MemoryStats is where a store's bytes are: memstore_memory_stats in the library's header, in its
// order.
type MemoryStats struct {
	Limit       uint64 // bytes the store may use, which MemoryPressure may have lowered
	Charged     uint64 // bytes that count against the limit
	Live        uint64 // bytes of live entries with their headers
	Dead        uint64 // bytes of replaced, deleted and expired entries that are not reclaimed yet
	Index       uint64 // bytes of index tables
	Overhead    uint64 // bytes of bookkeeping
	Pinned      uint64 // bytes of segments that views hold
	Free        uint64 // bytes that are charged and hold nothing yet
	Segments    uint64 // segments in use
	SegmentSize uint64 // bytes of one ordinary segment
	Stale       uint64 // bytes of expired entries kept for loader.max_stale
	Resident    uint64 // bytes of the store's mappings that are in memory

	ConfiguredLimit uint64 // what Limit is while memory is not short
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

// TTLClass is how many entries have similar TTLs, which lie together in memory: by the TTL that was
// left when they were written or last moved.
type TTLClass struct {
	Expires  bool          // false: the class of entries that never expire
	Shortest time.Duration // the shortest TTL of the class, which reaches to that of the next
	Entries  uint64        // live entries
}

// GetTTLs returns how many entries there are by their TTL: those that never expire, then classes from
// the shortest TTL on. Together they are Size. There are none when the store is closed.
func (s *Store) GetTTLs() []TTLClass {
	var entries, shortest [32]uint64
	count := native.GlueGetTtlStats(s.handle, pointerTo(&entries), pointerTo(&shortest), len(entries))
	runtime.KeepAlive(s)
	classes := make([]TTLClass, max(count, 0))
	for i := range classes {
		classes[i] = TTLClass{i != 0, time.Duration(shortest[i]) * time.Millisecond, entries[i]}
	}
	return classes
}

// Operation is a kind of call whose latency is measured; its values are those of enum
// memstore_operation in the library's header.
type Operation int

const (
	OperationGet        Operation = iota // Get, GetInto: one in 256 of each thread's calls is measured
	OperationGetView                     // View, one in 256
	OperationHas                         // Has, one in 256
	OperationGetMany                     // GetMany, GetManyInto, GetVersioned, Scan's values
	OperationHasMany                     // HasMany
	OperationSet                         // Set, SetUntil, SetWithTTL, Add, Replace, CompareAndSet
	OperationSetAsync                    // SetAsync: handing over, not applying
	OperationSetMany                     // SetMany
	OperationIncrement                   // Increment
	OperationDelete                      // Delete, Remove
	OperationDeleteMany                  // DeleteMany
	OperationUpdateTTL                   // UpdateTTL
	OperationCommit                      // Batch.Commit
	OperationLoad                        // calls of the library's loaders; Go's are called by this package
)

// String is the operation's name: "get", "set_many"; "" when there is no such operation.
func (o Operation) String() string {
	if o != Operation(int32(o)) {
		return ""
	}
	name := native.MemstoreOperationName(int32(o))
	if name == 0 {
		return ""
	}
	return nativeText(name)
}

// Operations lists the operations that the library measures.
func Operations() []Operation {
	var all []Operation
	for o := OperationGet; o.String() != ""; o++ {
		all = append(all, o)
	}
	return all
}

// Latency is how long the calls of one operation took in the library since the store was opened or
// since ResetStats: memstore_latency in the library's header, in its order. Quantiles are within
// 1.6 % of a duration that was measured; one above 67 s is told as Max.
type Latency struct {
	Count uint64        // calls that were measured
	OneIn uint64        // one in how many calls is measured: 1 or 256
	Total time.Duration // all measured calls together
	P50   time.Duration // half of the measured calls took no longer
	P90   time.Duration // 90 % took no longer
	P99   time.Duration // 99 % took no longer
	P999  time.Duration // 99.9 % took no longer
	P9999 time.Duration // 99.99 % took no longer
	Max   time.Duration // the longest measured call, exactly
	Slow  uint64        // measured calls that took longer than LatencyThreshold
}

// GetLatency returns how long the calls of an operation took. The error is ErrUnsupported in a store
// opened without TrackOperationLatency.
func (s *Store) GetLatency(operation Operation) (*Latency, error) {
	if operation.String() == "" {
		return nil, s.refuse("GetLatency", "", explained{"there is no such operation", ErrInvalidArgument})
	}
	latency := new(Latency)
	status := native.GlueGetLatency(s.handle, int32(operation), pointerTo(latency), int(unsafe.Sizeof(*latency)/word))
	runtime.KeepAlive(s)
	if err := check("GetLatency", "", status); err != nil {
		return nil, needing("monitoring.track_operation_latency", err)
	}
	return latency, nil
}

// Alert is a set of what is over its threshold.
type Alert uint64

const (
	AlertHitRate         Alert = 1 << iota // the hit rate is under HitRateThreshold
	AlertMemoryUsage                       // the memory in use is over MemoryUsageThreshold
	AlertLatency                           // more than 1 % of the measured calls took over LatencyThreshold
	AlertReclaimPressure                   // the share of writes that had to reclaim is over ReclaimPressureThreshold
	AlertLoadFailures                      // the share of loads that failed is over LoadFailureThreshold
	AlertPinned                            // the memory held in place is over PinnedThreshold
	AlertBreaker                           // the breaker of loads is open or half open: BreakerFailures
)

// String names what is over its threshold, as the metrics do: "hit_rate", "memory_usage|pinned".
func (a Alert) String() string { return bitNames(a, alertNames) }

var alertNames = []string{"hit_rate", "memory_usage", "latency", "reclaim_pressure", "load_failures", "pinned", "breaker"}

// Rates is what went on in the last whole window of MetricsInterval; before the first one has ended,
// since the store was opened. It is memstore_rates in the library's header, in its order. Rates are
// per second.
type Rates struct {
	WindowSeconds   float64 // how long the window was; 0 = nothing to tell yet
	Hits            float64 // reads that found a live entry
	Misses          float64 // reads that found none
	Sets            float64 // entries stored
	Deletes         float64 // live entries removed by deleting calls
	Evictions       float64 // live entries removed to make room
	Expirations     float64 // entries removed because their time was over
	Rejected        float64 // writes refused, for whatever reason
	WrittenBytes    float64 // bytes appended by writes
	MovedBytes      float64 // bytes moved by compaction and by second chances at eviction
	HitRate         float64 // hits as a share of hits and misses; 0 when nothing was read or TrackHitRate is off
	MemoryUsage     float64 // share of the limit in use at the window's end; 0 before, or with TrackMemoryUsage off
	ReclaimPressure float64 // the share of the window's writes that had to reclaim memory themselves
	LoadFailureRate float64 // the share of its loads that failed
	Pinned          float64 // the share of the limit held in place when it ended
	Updates         float64 // of sets, those that replaced a live entry
	Loads           float64 // values that loaders gave
	LoadFailures    float64 // loads that failed
	StaleServed     float64 // expired values served in place of a load that failed
	Alerts          Alert   // what is over its threshold now
	AlertsRaised    uint64  // how often something went over its threshold since the store was opened
}

// GetRates returns the rates of the last window and what is over its threshold. The error is
// ErrUnsupported when EnableMetrics is off.
func (s *Store) GetRates() (*Rates, error) {
	rates := new(Rates)
	status := native.GlueGetRates(s.handle, pointerTo(rates), int(unsafe.Offsetof(rates.Alerts)/word), pointerTo(&rates.Alerts))
	runtime.KeepAlive(s)
	if err := check("GetRates", "", status); err != nil {
		return nil, needing("monitoring.enable_metrics", err)
	}
	return rates, nil
}

// MetricsText returns all that the store tells of itself in OpenMetrics' text form, which Prometheus
// reads; docs/metrics.md lists the metrics. The module bindings/go/prometheus has a collector of them.
func (s *Store) MetricsText() ([]byte, error) {
	var kept unsafe.Pointer
	size := native.GlueMetricsText(s.handle, pointerTo(&kept))
	runtime.KeepAlive(s)
	if err := check("MetricsText", "", int32(min(size, 0))); err != nil {
		return nil, err
	}
	return s.take(uintptr(kept), size), nil
}

// ResetStats sets the counters to zero and forgets the latencies. It does nothing when the store is closed.
func (s *Store) ResetStats() {
	native.MemstoreResetStats(s.handle)
	runtime.KeepAlive(s)
}
