// SPDX-License-Identifier: Apache-2.0

package otel

import (
	"strconv"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// reading is what a store says of itself for one collection.
type reading struct {
	stats  *memstore.CacheStats
	memory *memstore.MemoryStats
	rates  *memstore.Rates // nil when EnableMetrics is off
}

// series are those of an instrument, by the value of its attribute.
type series map[string]func(*reading) uint64

// instrument is a counter or something there is now, with series for each value of an attribute, or one without.
type instrument struct {
	name, unit, help, attribute string
	series                      series
}

// only is the series of an instrument without an attribute.
func only(value func(*reading) uint64) series { return series{"": value} }

// stat and bytes make a series of a field.
func stat(field func(*memstore.CacheStats) uint64) func(*reading) uint64 {
	return func(r *reading) uint64 { return field(r.stats) }
}

func bytes(field func(*memstore.MemoryStats) uint64) func(*reading) uint64 {
	return func(r *reading) uint64 { return field(r.memory) }
}

// less is a difference, and 0 where the part was counted while the whole was read.
func less(whole, part uint64) uint64 { return whole - min(whole, part) }

type (
	cacheStats  = memstore.CacheStats
	memoryStats = memstore.MemoryStats
)

var counters = []instrument{
	{"memstore.reads", "{read}", "Reads", "outcome", series{
		"hit":  stat(func(s *cacheStats) uint64 { return s.Hits }),
		"miss": stat(func(s *cacheStats) uint64 { return s.Misses }),
	}},
	{"memstore.writes", "{entry}", "Entries stored", "", only(stat(func(s *cacheStats) uint64 { return s.Sets }))},
	{"memstore.updates", "{entry}", "Writes that replaced a live entry", "", only(stat(func(s *cacheStats) uint64 { return s.Updates }))},
	{"memstore.deletes", "{entry}", "Live entries removed by deleting calls", "", only(stat(func(s *cacheStats) uint64 { return s.Deletes }))},
	{"memstore.evictions", "{entry}", "Live entries removed to make room", "", only(stat(func(s *cacheStats) uint64 { return s.Evictions }))},
	{"memstore.expirations", "{entry}", "Entries removed because their time was over", "", only(stat(func(s *cacheStats) uint64 { return s.Expirations }))},
	{"memstore.rejections", "{write}", "Writes refused", "reason", series{
		"too_large":   stat(func(s *cacheStats) uint64 { return s.RejectedTooLarge }),
		"invalid_ttl": stat(func(s *cacheStats) uint64 { return s.RejectedInvalidTTL }),
		"full":        stat(func(s *cacheStats) uint64 { return s.RejectedFull }),
		"memory":      stat(func(s *cacheStats) uint64 { return s.RejectedMemory }),
		"condition":   stat(func(s *cacheStats) uint64 { return s.RejectedCondition }),
		"timeout":     stat(func(s *cacheStats) uint64 { return s.RejectedTimeout }),
	}},
	{"memstore.refusals", "{write}", "Writes refused, by the error", "status", series{
		"ENTRY_TOO_LARGE": stat(func(s *cacheStats) uint64 { return s.RejectedTooLarge }),
		"INVALID_TTL":     stat(func(s *cacheStats) uint64 { return less(s.RejectedInvalidTTL, s.RejectedTTLExpired) }),
		"TTL_EXPIRED":     stat(func(s *cacheStats) uint64 { return s.RejectedTTLExpired }),
		"CACHE_FULL":      stat(func(s *cacheStats) uint64 { return s.RejectedFull }),
		"MEMORY_EXHAUSTED": stat(func(s *cacheStats) uint64 {
			return less(s.RejectedMemory, s.RejectedGCPressure+s.RejectedShardOverflow)
		}),
		"GC_PRESSURE":      stat(func(s *cacheStats) uint64 { return s.RejectedGCPressure }),
		"SHARD_OVERFLOW":   stat(func(s *cacheStats) uint64 { return s.RejectedShardOverflow }),
		"KEY_EXISTS":       stat(func(s *cacheStats) uint64 { return s.RejectedKeyExists }),
		"KEY_NOT_FOUND":    stat(func(s *cacheStats) uint64 { return s.RejectedKeyNotFound }),
		"VERSION_MISMATCH": stat(func(s *cacheStats) uint64 { return s.RejectedVersionMismatch }),
		"NOT_A_NUMBER":     stat(func(s *cacheStats) uint64 { return s.RejectedNotANumber }),
		"LOCK_TIMEOUT":     stat(func(s *cacheStats) uint64 { return s.RejectedTimeout }),
	}},
	{"memstore.loads", "{load}", "Loads of what was not there", "outcome", series{
		"loaded": stat(func(s *cacheStats) uint64 { return s.Loads }),
		"failed": stat(func(s *cacheStats) uint64 { return s.LoadFailures }),
		"absent": stat(func(s *cacheStats) uint64 { return s.AbsentLoaded }),
	}},
	{"memstore.loads.retries", "{call}", "Times that a loader was called again", "", only(stat(func(s *cacheStats) uint64 { return s.LoadRetries }))},
	{"memstore.loads.saved", "{call}", "Callers answered without a load of their own", "by", series{
		"coalesced": stat(func(s *cacheStats) uint64 { return s.LoadsCoalesced }),
		"absent":    stat(func(s *cacheStats) uint64 { return s.AbsentServed }),
		"stale":     stat(func(s *cacheStats) uint64 { return s.StaleServed }),
	}},
	{"memstore.loads.unstored", "{load}", "Values loaded and not stored", "reason", series{
		"overtaken": stat(func(s *cacheStats) uint64 { return s.LoadsOvertaken }),
		"bypassed":  stat(func(s *cacheStats) uint64 { return s.LoadsBypassed }),
	}},
	{"memstore.loads.ended", "{load}", "Loads that a bound has ended", "bound", series{
		"breaker": stat(func(s *cacheStats) uint64 { return s.LoadsRefused }),
		"timeout": stat(func(s *cacheStats) uint64 { return s.LoadsTimedOut }),
		"loads":   stat(func(s *cacheStats) uint64 { return s.LoadsWithoutPlace }),
		"bytes":   stat(func(s *cacheStats) uint64 { return s.LoadsWithoutBytes }),
	}},
	{"memstore.loads.refreshes", "{load}", "Loads of what was there and old", "outcome", series{
		"loaded": stat(func(s *cacheStats) uint64 { return s.Refreshes }),
		"failed": stat(func(s *cacheStats) uint64 { return s.RefreshFailures }),
	}},
	{"memstore.breakers.opened", "{breaker}", "Times that a loader's breaker opened", "", only(stat(func(s *cacheStats) uint64 { return s.BreakersOpened }))},
	{"memstore.compactions", "{segment}", "Segments emptied by moving what was alive in them", "", only(stat(func(s *cacheStats) uint64 { return s.Compactions }))},
	{"memstore.moved", "By", "Bytes moved by compaction and second chances", "", only(stat(func(s *cacheStats) uint64 { return s.MovedBytes }))},
	{"memstore.written", "By", "Bytes appended by writes", "", only(stat(func(s *cacheStats) uint64 { return s.WrittenBytes }))},
	{"memstore.room_made", "{entry}", "Entries whose writers had to reclaim memory", "", only(stat(func(s *cacheStats) uint64 { return s.RoomMade }))},
	{"memstore.exports", "{file}", "Files of ExportMetrics", "outcome", series{
		"written": stat(func(s *cacheStats) uint64 { return s.Exports }),
		"failed":  stat(func(s *cacheStats) uint64 { return s.ExportFailures }),
	}},
	{"memstore.memory.limit.changes", "{change}", "Times that MemoryPressure has changed the limit in force", "direction", series{
		"lowered": stat(func(s *cacheStats) uint64 { return s.LimitLowered }),
		"raised":  stat(func(s *cacheStats) uint64 { return s.LimitRaised }),
	}},
}

var gauges = []instrument{
	{"memstore.entries", "{entry}", "Live entries", "", only(stat(func(s *cacheStats) uint64 { return s.Entries }))},
	{"memstore.breakers.open", "{breaker}", "Breakers that are open, half open ones included", "", only(stat(func(s *cacheStats) uint64 { return s.BreakersOpen }))},
	{"memstore.breakers.half_open", "{breaker}", "Breakers that let a load through to try", "", only(stat(func(s *cacheStats) uint64 { return s.BreakersHalfOpen }))},
	{"memstore.memory.limit", "By", "Bytes that the store may use", "", only(bytes(func(m *memoryStats) uint64 { return m.Limit }))},
	{"memstore.memory.configured_limit", "By", "What it may use while memory is not short", "", only(bytes(func(m *memoryStats) uint64 { return m.ConfiguredLimit }))},
	{"memstore.memory.charged", "By", "Bytes that count against the limit", "", only(bytes(func(m *memoryStats) uint64 { return m.Charged }))},
	{"memstore.memory.usage", "By", "Bytes by what they are used for", "kind", series{
		"live":     bytes(func(m *memoryStats) uint64 { return m.Live }),
		"stale":    bytes(func(m *memoryStats) uint64 { return m.Stale }),
		"dead":     bytes(func(m *memoryStats) uint64 { return m.Dead }),
		"index":    bytes(func(m *memoryStats) uint64 { return m.Index }),
		"overhead": bytes(func(m *memoryStats) uint64 { return m.Overhead }),
		"free":     bytes(func(m *memoryStats) uint64 { return m.Free }),
	}},
	{"memstore.memory.pinned", "By", "Bytes of segments that views hold", "", only(bytes(func(m *memoryStats) uint64 { return m.Pinned }))},
	{"memstore.memory.resident", "By", "Bytes of the store's mappings that are in memory", "", only(bytes(func(m *memoryStats) uint64 { return m.Resident }))},
	{"memstore.segments", "{segment}", "Segments in use", "", only(bytes(func(m *memoryStats) uint64 { return m.Segments }))},
}

// alerts has the names of the bits of memstore.Alert.
var alerts = map[string]memstore.Alert{
	"hit_rate": memstore.AlertHitRate, "memory_usage": memstore.AlertMemoryUsage, "latency": memstore.AlertLatency,
	"reclaim_pressure": memstore.AlertReclaimPressure, "load_failures": memstore.AlertLoadFailures,
	"pinned": memstore.AlertPinned, "breaker": memstore.AlertBreaker,
}

// The metrics that a store without EnableMetrics has no figures for.
var (
	rateCounters = []instrument{
		{"memstore.alerts.raised", "{alert}", "How often something went over its threshold", "", only(func(r *reading) uint64 { return r.rates.AlertsRaised })},
	}
	rateGauges = []instrument{
		{"memstore.alert", "{alert}", "1 while it is over its threshold", "kind", alertSeries()},
	}
	windows = []struct {
		name, unit, help string
		value            func(*memstore.Rates) float64
	}{
		{"memstore.window.duration", "s", "How long the last window was", func(r *memstore.Rates) float64 { return r.WindowSeconds }},
		{"memstore.window.hit_ratio", "1", "Hits of all reads in it", func(r *memstore.Rates) float64 { return r.HitRate }},
		{"memstore.window.memory_usage_ratio", "1", "Share of the limit in use at its end", func(r *memstore.Rates) float64 { return r.MemoryUsage }},
		{"memstore.window.pinned_ratio", "1", "Share of the limit held in place at its end", func(r *memstore.Rates) float64 { return r.Pinned }},
		{"memstore.window.reclaim_pressure_ratio", "1", "Share of its writes that had to reclaim", func(r *memstore.Rates) float64 { return r.ReclaimPressure }},
		{"memstore.window.load_failure_ratio", "1", "Share of its loads that failed", func(r *memstore.Rates) float64 { return r.LoadFailureRate }},
	}
)

func alertSeries() series {
	all := series{}
	for name, bit := range alerts {
		all[name] = func(r *reading) uint64 { return uint64(r.rates.Alerts&bit) / uint64(bit) }
	}
	return all
}

// classFrom is the attribute of a class of entries with similar TTLs, as MetricsText writes it.
func classFrom(class memstore.TTLClass) string {
	if !class.Expires {
		return "never"
	}
	return strconv.FormatInt(int64(class.Shortest/time.Second), 10)
}

// quantiles are those that are told of an operation's latency.
func quantiles(latency *memstore.Latency) map[string]time.Duration {
	return map[string]time.Duration{
		"0.5": latency.P50, "0.9": latency.P90, "0.99": latency.P99, "0.999": latency.P999, "0.9999": latency.P9999,
		"1": latency.Max,
	}
}
