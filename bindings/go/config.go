// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// Config says how a store behaves. The zero value of a field leaves in place what File, the
// environment or else the library's default says; where zero or false is what you want instead,
// name the setting in Settings. docs/configuration.md explains every setting; the tags are the names
// that it has there and in YAML. A Config is read and written by YAML packages: see UnmarshalYAML and
// MarshalYAML.
//
// Sources are applied in this order, each over what was before it: File, Environment, the other
// fields, Settings.
type Config struct {
	// File is a YAML file to begin with; see [OpenYAML].
	File string `yaml:"-"`
	// Environment lets variables such as MEMSTORE_PERFORMANCE_MEMORY_LIMIT change settings. They are
	// not looked at otherwise.
	Environment bool `yaml:"-"`

	// LibraryReads lets every read call the library. Without it Get, GetInto, Has and GetMany of up to four keys read the
	// store's memory from Go code, without a call, where the processor, Go's release and the kernel are ones that this was
	// tried on: Linux on amd64, Go 1.24 to 1.26. That halves the time of reads, and returns and counts the same.
	// Elsewhere, for stores with another policy than "adaptive" and "s3fifo", another hash, or a limit below
	// 4 MiB or of 256 GiB and more, for keys above 128 bytes and for values of 64 KiB, the library is called anyway, and with
	// TTLMode "access", StoreCreationTime or RefreshAfter, or while TrackOperationLatency or AccessSampleRatio is
	// set, since it sees every read then; and for an entry that expires within 100 ms. A process has direct reads
	// on 64 of Go's processors. docs/design/go-reads.md says why they are safe.
	LibraryReads bool `yaml:"-"`

	// MemoryLimit is the most bytes the store may use, index and bookkeeping included.
	MemoryLimit int64 `yaml:"performance.memory_limit,omitempty"`
	// HardMaxCacheSize is a second limit, in MiB; the smaller one holds.
	HardMaxCacheSize int `yaml:"hard_max_cache_size,omitempty"`
	// MaxEntrySize is the largest key and value together, in bytes.
	MaxEntrySize int64 `yaml:"max_entry_size,omitempty"`
	// MaxEntriesInWindow sizes the index at open, so that filling the store up to it never
	// rebuilds. It is not a limit.
	MaxEntriesInWindow int `yaml:"max_entries_in_window,omitempty"`
	// Shards is the number of writer locks, a power of two.
	Shards int `yaml:"shards,omitempty"`
	// HashFunction is "xxh3", "fnv" or "crc32".
	HashFunction string `yaml:"hash_function,omitempty"`
	// Eviction is the policy when the limit is reached: "adaptive", "s3fifo", "lru", "lfu", "fifo", or
	// "none", which refuses writes with ErrCacheFull instead.
	Eviction string `yaml:"eviction,omitempty"`
	// EvictionGoal is what the policy "adaptive" saves where sizes differ: "hits" (misses), "bytes"
	// (bytes missed) or "balanced".
	EvictionGoal string `yaml:"eviction_goal,omitempty"`

	// TTLMode says what a ttl is counted from: "write", or "access", the last read, as for sessions.
	TTLMode string `yaml:"ttl.mode,omitempty"`
	// DefaultTTL is what DefaultTTL stands for in a call.
	DefaultTTL time.Duration `yaml:"ttl.default_ttl,omitempty"`
	// MinTTL and MaxTTL bound the ttl of a call; others are refused with ErrInvalidTTL. With MaxTTL
	// set, an entry that "never" expires lives that long.
	MinTTL time.Duration `yaml:"ttl.min_ttl,omitempty"`
	MaxTTL time.Duration `yaml:"ttl.max_ttl,omitempty"`
	// TTLJitter is the percent, up to 90, by which a ttl is shortened at most, at random, so that what is
	// written together does not all expire together. What one batch writes does.
	TTLJitter int `yaml:"ttl.jitter,omitempty"`
	// TTLPrecision is "millisecond", "second" or "minute": expiry is rounded up to it.
	TTLPrecision string `yaml:"ttl.ttl_precision,omitempty"`
	// LifeWindow is the age that no entry outlives, whatever its ttl.
	LifeWindow time.Duration `yaml:"life_window,omitempty"`
	// CleanWindow is the longest wait between two looks for entries past LifeWindow.
	CleanWindow time.Duration `yaml:"clean_window,omitempty"`
	// CleanupInterval is the longest wait between two sweeps for expired entries.
	CleanupInterval time.Duration `yaml:"ttl.cleanup_interval,omitempty"`
	// BatchCleanupSize is the most entries that one step of a sweep removes before it yields.
	BatchCleanupSize int `yaml:"ttl.batch_cleanup_size,omitempty"`
	// StoreCreationTime makes GetCreated work.
	StoreCreationTime bool `yaml:"ttl.store_creation_time,omitempty"`

	// LockTimeout is the longest that a write waits for a lock or for memory.
	LockTimeout time.Duration `yaml:"performance.lock_timeout,omitempty"`
	// MaxConcurrentReaders is the most values held in place at once; a call that would hold one more
	// waits for up to LockTimeout, then it gets ErrLockTimeout. Reads that copy do not count.
	MaxConcurrentReaders int `yaml:"performance.max_concurrent_readers,omitempty"`
	// MaxConcurrentWriters is the most writers at work at once, a batch being one; the others wait
	// for up to LockTimeout, then they get ErrLockTimeout.
	MaxConcurrentWriters int `yaml:"performance.max_concurrent_writers,omitempty"`
	// BatchSize and BatchTimeout say when the writes of SetAsync are applied: when so many are queued,
	// or when the oldest is this old.
	BatchSize    int           `yaml:"performance.batch_size,omitempty"`
	BatchTimeout time.Duration `yaml:"performance.batch_timeout,omitempty"`
	// EnableBatchOptimization points to false to make SetAsync write at once; nil leaves the default.
	EnableBatchOptimization *bool `yaml:"performance.enable_batch_optimization,omitempty"`
	// GCPercent is the share of dead bytes, in percent of live ones, at which compaction starts.
	GCPercent int `yaml:"performance.gc_percent,omitempty"`
	// EventQueueMemory is what events that wait for subscribers may take; it is set aside within the
	// limit while there is a subscription.
	EventQueueMemory int64 `yaml:"events.queue_memory,omitempty"`
	// LoadTimeout is how long a load is tried, which also ends the context of its loader. LoadRetryInitial and
	// LoadRetryMax bound the pauses between the calls of a loader that asks for another by ErrLoadRetry.
	LoadTimeout      time.Duration `yaml:"loader.timeout,omitempty"`
	LoadRetryInitial time.Duration `yaml:"loader.retry_initial,omitempty"`
	LoadRetryMax     time.Duration `yaml:"loader.retry_max,omitempty"`
	// NegativeTTL is how long it is remembered that a key does not exist, of MaxAbsent keys at most.
	NegativeTTL time.Duration `yaml:"loader.negative_ttl,omitempty"`
	MaxAbsent   int           `yaml:"loader.max_absent,omitempty"`
	// MaxLoads bounds how many loaders are called at once; the others wait in line, LoadTimeout at most.
	MaxLoads int `yaml:"loader.max_loads,omitempty"`
	// LeaseTimeout is how long a load of GetOrLoad may take until its value is not stored any more.
	LeaseTimeout time.Duration `yaml:"loader.lease_timeout,omitempty"`
	// OnStoreError is "bypass" or "fail", BypassLimit the bytes that values take which the library hands out
	// although the store cannot take them.
	OnStoreError string `yaml:"loader.on_store_error,omitempty"`
	BypassLimit  int64  `yaml:"loader.bypass_limit,omitempty"`
	// RefreshAfter is the age from which a value is loaded anew while callers get the old one, MaxStale how
	// long after its expiry it is still given to callers whose load fails.
	RefreshAfter time.Duration `yaml:"loader.refresh_after,omitempty"`
	MaxStale     time.Duration `yaml:"loader.max_stale,omitempty"`
	// After BreakerFailures failed loads in a row none is begun for BreakerOpen; all loads of a store count.
	BreakerFailures int           `yaml:"loader.breaker_failures,omitempty"`
	BreakerOpen     time.Duration `yaml:"loader.breaker_open,omitempty"`
	// MaxLoadBytes bounds what the values of the loads at once may take, as far as the mean of those before tells;
	// the others wait in line.
	MaxLoadBytes int64 `yaml:"loader.max_load_bytes,omitempty"`
	// WarmRate is how many keys Warm asks its loader for in a second.
	WarmRate int `yaml:"loader.warm_rate,omitempty"`
	// SnapshotCompression is "none" or "zstd". Where the library was built without libzstd, as with the build
	// tag memstore_vendored and without memstore_zstd, Save is ErrUnsupported with "zstd".
	SnapshotCompression string `yaml:"snapshot.compression,omitempty"`
	// SnapshotFsync points to false to let Save end before the disk has the file.
	SnapshotFsync *bool `yaml:"snapshot.fsync,omitempty"`
	// SnapshotBatchMemory bounds the bytes kept of what batches overwrite during a Save.
	SnapshotBatchMemory int64 `yaml:"snapshot.batch_memory,omitempty"`
	// EnableMemoryStats points to false to leave the bytes of MemoryStats by kind out, for which each
	// GetMemoryUsage visits every segment; nil leaves the default.
	EnableMemoryStats *bool `yaml:"performance.enable_memory_stats,omitempty"`

	// EnableMetrics points to false to keep no windows of rates and watch no thresholds; nil leaves
	// the default.
	EnableMetrics *bool `yaml:"monitoring.enable_metrics,omitempty"`
	// MetricsInterval is how long a window is.
	MetricsInterval time.Duration `yaml:"monitoring.metrics_interval,omitempty"`
	// TrackHitRate and TrackMemoryUsage point to false to leave them out of a window; nil leaves the
	// default.
	TrackHitRate     *bool `yaml:"monitoring.track_hit_rate,omitempty"`
	TrackMemoryUsage *bool `yaml:"monitoring.track_memory_usage,omitempty"`
	// TrackOperationLatency has calls measured, for GetLatency.
	TrackOperationLatency bool `yaml:"monitoring.track_operation_latency,omitempty"`
	// AccessSampleRatio is the share of keys, from 0 to 1, whose uses are followed for Advise.
	AccessSampleRatio float64 `yaml:"monitoring.access_sample_ratio,omitempty"`
	// HitRateThreshold, MemoryUsageThreshold, both from 0 to 1, and LatencyThreshold raise the alerts
	// of Rates.
	HitRateThreshold     float64       `yaml:"monitoring.hit_rate_threshold,omitempty"`
	MemoryUsageThreshold float64       `yaml:"monitoring.memory_usage_threshold,omitempty"`
	LatencyThreshold     time.Duration `yaml:"monitoring.latency_threshold,omitempty"`
	// ReclaimPressureThreshold, LoadFailureThreshold and PinnedThreshold are shares, from 0 to 1, of
	// writes that had to reclaim, loads that failed, and the limit held in place. AlertHysteresis is
	// how far back a share has to be for its alert to be cleared.
	ReclaimPressureThreshold float64 `yaml:"monitoring.reclaim_pressure_threshold,omitempty"`
	LoadFailureThreshold     float64 `yaml:"monitoring.load_failure_threshold,omitempty"`
	PinnedThreshold          float64 `yaml:"monitoring.pinned_threshold,omitempty"`
	AlertHysteresis          float64 `yaml:"monitoring.alert_hysteresis,omitempty"`
	// ExportMetrics is a file to which the metrics are written each MetricsInterval, for Prometheus'
	// node_exporter.
	ExportMetrics string `yaml:"monitoring.export_metrics,omitempty"`

	// StoreName is what the store is called in its log and in exported metrics.
	StoreName string `yaml:"store_name,omitempty"`
	// LoggerEnabled has a line written to stderr for each record of the log, unless there is a Logger.
	LoggerEnabled bool `yaml:"logger_enabled,omitempty"`
	// Verbose has details logged, too.
	Verbose bool `yaml:"verbose,omitempty"`

	// Maintenance is "background", or "manual", which leaves the work to Maintain.
	Maintenance string `yaml:"maintenance,omitempty"`
	// HugePages is "auto", "on" or "off".
	HugePages string `yaml:"huge_pages,omitempty"`
	// MemoryPressure is "off"; "cgroup" or "psi" have the limit give way while the process's control
	// group or the machine is short of memory.
	MemoryPressure string `yaml:"memory_pressure,omitempty"`
	// SecureWipe has memory that held keys and values overwritten before it is used again: the library's, and what
	// this package keeps between calls. What calls are given and return, the buffers of subscriptions and scans, and
	// the stacks of goroutines are left to the collector.
	SecureWipe bool `yaml:"secure_wipe,omitempty"`

	// Settings holds further settings by the names the library knows them by, such as
	// "ttl.default_ttl": "90m". They are applied after the fields.
	Settings map[string]string `yaml:"-"`

	// Logger is told what the store has to say: that it was opened and with which settings, that it
	// has reached its limit, that alerts were raised (docs/logging.md). Up to which level is decided
	// when the store is opened, by what the logger is enabled for then; Verbose makes it debug. It is
	// called on a goroutine of its own, which holds an operating system thread while it waits for records,
	// and may call every method of the store. Close waits for it, a second at most and not when it is
	// the logger that calls Close, so that nothing is lost when the program ends. Without one the library
	// writes to stderr if LoggerEnabled. It also gets the warning that a store was dropped without
	// Close; without one slog.Default() does. A logger that refers to the store keeps it reachable until it is
	// closed: such a store is never found dropped.
	Logger *slog.Logger `yaml:"-"`
}

type setting struct{ key, value string }

// fieldPaths finds the field of each setting by the setting's path.
var fieldPaths = func() map[string]int {
	paths := make(map[string]int)
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		if path, _, _ := strings.Cut(fields.Field(i).Tag.Get("yaml"), ","); path != "-" {
			paths[path] = i
		}
	}
	return paths
}()

// settings lists what the fields and Settings change of the defaults.
func (c *Config) settings() []setting {
	var out []setting
	fields := reflect.ValueOf(*c)
	for _, path := range slices.Sorted(maps.Keys(fieldPaths)) {
		if field := fields.Field(fieldPaths[path]); !field.IsZero() {
			out = append(out, setting{path, fieldText(field)})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Settings)) {
		out = append(out, setting{key, c.Settings[key]})
	}
	return out
}

// fieldText is a field's value as the library reads it.
func fieldText(field reflect.Value) string {
	switch value := field.Interface().(type) {
	case time.Duration:
		if value < 0 && value > -time.Millisecond {
			value = -time.Millisecond // so that it is refused, and no 0
		}
		return strconv.FormatInt(roundUp(value), 10) + "ms"
	case float64:
		return strconv.FormatFloat(rounded(value), 'f', -1, 64)
	case *bool:
		return strconv.FormatBool(*value)
	default:
		return fmt.Sprint(value)
	}
}

// rounded is a share with the 6 digits after the point that the library keeps. What is almost nothing is not the 0 that
// stands for none.
func rounded(share float64) float64 {
	const units = 1e6
	if share != 0 && math.Abs(share) < 1/units {
		return math.Copysign(1/units, share)
	}
	return math.Round(share*units) / units
}

// native makes a configuration of the library's, which the caller frees, and the queue of its logger
// if it has one.
func (c *Config) native(op string) (uintptr, *logQueue, error) {
	config := native.MemstoreConfigNew()
	if config == 0 {
		return 0, nil, &Error{op, "", ErrMemoryExhausted}
	}
	var log *logQueue
	if c.Logger != nil {
		log = newLogQueue(config, c.Logger)
	}
	if err := c.fill(op, config); err != nil {
		native.MemstoreConfigFree(config)
		log.free()
		return 0, nil, err
	}
	return config, log, nil
}

func (c *Config) fill(op string, config uintptr) error {
	if c.File != "" {
		if strings.ContainsRune(c.File, 0) {
			return &Error{op, c.File, explained{"a path cannot hold NUL bytes", ErrInvalidArgument}}
		}
		path := []byte(c.File + "\x00")
		if status := native.MemstoreConfigLoadFile(config, &path[0]); status != 0 {
			return withReason(configFailure(op, config, "", status), reasonAgainst(c.File))
		}
	}
	if c.Environment {
		if status := native.MemstoreConfigLoadEnvironment(config); status != 0 {
			return configFailure(op, config, "", status)
		}
	}
	for _, setting := range c.settings() {
		if err := setting.apply(op, config); err != nil {
			return err
		}
	}
	return nil
}

// cText is a setting's name or value with the NUL that the library wants; false when it has one.
func cText(text string) ([]byte, bool) {
	return []byte(text + "\x00"), !strings.ContainsRune(text, 0)
}

// apply makes one change of a native configuration.
func (s setting) apply(op string, config uintptr) error {
	key, keyOK := cText(s.key)
	value, valueOK := cText(s.value)
	if !keyOK || !valueOK {
		return &Error{op, s.key, explained{"a setting's name and value cannot hold NUL bytes", ErrInvalidConfig}}
	}
	if status := native.MemstoreConfigSet(config, &key[0], &value[0]); status != 0 {
		return configFailure(op, config, s.key, status)
	}
	return nil
}

// configFailure is the error of a call that a configuration has an explanation for.
func configFailure(op string, config uintptr, key string, status int32) error {
	return explain(op, key, nativeText(native.MemstoreConfigError(config)), status)
}

// explain is the error of a call with the library's own words, if it has any.
func explain(op, key, text string, status int32) error {
	if cause, known := byStatus[status]; known && text != "" {
		return &Error{op, key, explained{text, cause}}
	}
	return fail(op, key, status)
}
