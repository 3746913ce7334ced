// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

func TestEverySettingHasAField(t *testing.T) {
	left := maps.Clone(fieldPaths)
	for number := 0; ; number++ {
		key := native.MemstoreConfigKey(number)
		if key == 0 {
			break
		}
		path := nativeText(key)
		if _, known := left[path]; !known {
			t.Errorf("the setting %s has no field", path)
		}
		delete(left, path)
	}
	for path := range left {
		t.Errorf("a field is for %s, which is no setting", path)
	}
}

// unmarshal is what a YAML package passes to UnmarshalYAML for a document that it has parsed.
func unmarshal(document map[string]any) func(any) error {
	return func(out any) error {
		*out.(*map[string]any) = document
		return nil
	}
}

func TestUnmarshalYAMLFillsTheFields(t *testing.T) {
	config := Config{Shards: 8, Eviction: "fifo", Settings: map[string]string{"performance.gc_percent": "7"}}
	err := config.UnmarshalYAML(unmarshal(map[string]any{
		"life_window": "10m", "max_entry_size": 500, "hard_max_cache_size": 16, "hash_function": "fnv",
		"eviction": "lru", "max_entries_in_window": 1000000,
		"ttl":               map[string]any{"default_ttl": "1.5h", "max_ttl": "7d", "store_creation_time": true, "min_ttl": 250},
		"performance":       map[any]any{"memory_limit": "1GiB", "lock_timeout": 0, "gc_percent": nil},
		"ttl.ttl_precision": "second",
	}))
	if !errors.Is(err, ErrInvalidConfig) || config.LifeWindow != 0 {
		t.Fatalf("an empty value: %v, %+v", err, config)
	}
	err = config.UnmarshalYAML(unmarshal(map[string]any{
		"life_window": "10m", "max_entry_size": 500, "hard_max_cache_size": 16, "hash_function": "fnv",
		"eviction": "lru", "max_entries_in_window": 1000000,
		"ttl":               map[string]any{"default_ttl": "1.5h", "max_ttl": "7d", "store_creation_time": true, "min_ttl": 250},
		"performance":       map[any]any{"memory_limit": "1GiB", "lock_timeout": 0},
		"ttl.ttl_precision": "second",
	}))
	want := Config{
		Shards: 8, LifeWindow: 10 * time.Minute, MaxEntrySize: 500, HardMaxCacheSize: 16, HashFunction: "fnv",
		Eviction: "lru", MaxEntriesInWindow: 1000000, DefaultTTL: 90 * time.Minute, MaxTTL: 7 * 24 * time.Hour,
		StoreCreationTime: true, MinTTL: 250 * time.Millisecond, MemoryLimit: 1 << 30, TTLPrecision: "second",
		Settings: map[string]string{"performance.gc_percent": "7", "performance.lock_timeout": "0"},
	}
	if err != nil || !reflect.DeepEqual(config, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, config, want)
	}
	config.MaxEntriesInWindow = 0
	store, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if store.Capacity() != 16<<20 {
		t.Errorf("Capacity = %d", store.Capacity())
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// The newest settings, as the library writes them, and the fields they have.
func TestSettingsAndFieldsAreTheSame(t *testing.T) {
	no := false
	config := Config{
		RefreshAfter: 30 * time.Second, MaxStale: 2 * time.Minute, BreakerFailures: 5, BreakerOpen: 10 * time.Second,
		MaxLoadBytes: 8_000_000, WarmRate: 1000, SnapshotCompression: "zstd", SnapshotFsync: &no,
		SnapshotBatchMemory: 32_000_000, AccessSampleRatio: 0.01, ReclaimPressureThreshold: 0.05,
		LoadFailureThreshold: 0.5, PinnedThreshold: 1, AlertHysteresis: 0.02, ExportMetrics: "/nowhere/memstore.prom",
		StoreName: "blocks", LoggerEnabled: true, Verbose: true, SecureWipe: true, EvictionGoal: "bytes",
	}
	texts := map[string]string{
		"loader.refresh_after": "30s", "loader.max_stale": "2m", "loader.breaker_failures": "5", "loader.breaker_open": "10s",
		"loader.max_load_bytes": "8MB", "loader.warm_rate": "1000", "snapshot.compression": "zstd", "snapshot.fsync": "false",
		"snapshot.batch_memory": "32MB", "monitoring.access_sample_ratio": "0.01",
		"monitoring.reclaim_pressure_threshold": "0.05", "monitoring.load_failure_threshold": "0.5",
		"monitoring.pinned_threshold": "1", "monitoring.alert_hysteresis": "0.02",
		"monitoring.export_metrics": "/nowhere/memstore.prom", "store_name": "blocks", "logger_enabled": "true",
		"verbose": "true", "secure_wipe": "true", "eviction_goal": "bytes",
	}
	document := make(map[string]any)
	for path, text := range texts {
		document[path] = text
	}
	var read Config
	if err := read.UnmarshalYAML(unmarshal(document)); err != nil || !reflect.DeepEqual(read, config) {
		t.Errorf("%v\n got %+v\nwant %+v", err, read, config)
	}
	made, log, err := config.native("Open")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		native.MemstoreConfigFree(made)
		log.free()
	}()
	for path, want := range texts {
		if got, err := canonical("Test", made, path); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestSharesOfNoneAndAllAreRead(t *testing.T) {
	var config Config
	err := config.UnmarshalYAML(unmarshal(map[string]any{"monitoring": map[string]any{
		"hit_rate_threshold": 0.0, "memory_usage_threshold": 1, "pinned_threshold": "0.25", "alert_hysteresis": 0}}))
	want := Config{MemoryUsageThreshold: 1, PinnedThreshold: 0.25,
		Settings: map[string]string{"monitoring.hit_rate_threshold": "0", "monitoring.alert_hysteresis": "0"}}
	if err != nil || !reflect.DeepEqual(config, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, config, want)
	}
}

func TestTheLastValueOfASettingCountsByWhicheverNameItWasGiven(t *testing.T) {
	const short, long = "ttl.default_ttl", "storage.memory.ttl.default_ttl"
	for _, names := range [][2]string{{short, short}, {short, long}, {long, short}, {long, long}} {
		for _, values := range [][2]string{{"0", "1h"}, {"1h", "0"}, {"2h", "1h"}} {
			var config Config
			for i, name := range names {
				if err := config.UnmarshalYAML(unmarshal(map[string]any{name: values[i]})); err != nil {
					t.Fatal(err)
				}
			}
			store, err := Open(config)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := store.Setting(short); err != nil || text != values[1] || len(config.Settings) > 1 {
				t.Errorf("%v after %v: %s, %v, %v", names, values, text, err, config.Settings)
			}
			_ = store.Close()
		}
	}
}

// In one document it has one, however it is spelt.
func TestASettingThatIsGivenTwiceIsRefused(t *testing.T) {
	for text, document := range map[string]map[string]any{
		"ttl: {max_ttl: 1h}\nttl.max_ttl: 2h\n": {"ttl": map[string]any{"max_ttl": "1h"}, "ttl.max_ttl": "2h"},
		"ttl: {max_ttl: 1h}\nstorage.memory.ttl.max_ttl: 2h\n": {"ttl": map[any]any{"max_ttl": "1h"},
			"storage.memory.ttl.max_ttl": "2h"},
		"shards: 4\nstorage.memory.ttl.max_ttl: 2h\n": {"shards": 4, "storage.memory.ttl.max_ttl": "2h"},
		"storage: {memory: {shards: 4}}\nttl.max_ttl: 2h\n": {"ttl.max_ttl": "2h",
			"storage": map[string]any{"memory": map[string]any{"shards": 4}}},
		"storage: {memory: {ttl.max_ttl: 1h, ttl: {max_ttl: 1h}}}\n": {"storage": map[string]any{
			"memory": map[string]any{"ttl.max_ttl": "1h", "ttl": map[string]any{"max_ttl": "1h"}}}},
	} {
		path := filepath.Join(t.TempDir(), "wes.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, byFile := OpenYAML(path)
		config := Config{MaxTTL: time.Minute}
		byPackage := config.UnmarshalYAML(unmarshal(document))
		if !errors.Is(byFile, ErrInvalidConfig) || !errors.Is(byPackage, ErrInvalidConfig) || config.MaxTTL != time.Minute {
			t.Errorf("%s: %v and %v, %v", text, byFile, byPackage, config.MaxTTL)
		}
	}
}

func TestSharesAreRoundedToWhatTheLibraryKeeps(t *testing.T) {
	for share, want := range map[float64]string{1.0 / 3: "0.333333", 2.0 / 3: "0.666667", 0.1 + 1e-17: "0.1", 1e-5: "0.00001",
		1e-7: "0.000001", 5e-324: "0.000001", 0.99999999: "1", 1: "1", -1e-9: "-0.000001", 1.1: "1.1"} {
		config := Config{HitRateThreshold: share}
		if got := config.settings(); len(got) != 1 || got[0].value != want {
			t.Errorf("%v is %v, want %s", share, got, want)
		}
	}
	store, err := Open(Config{HitRateThreshold: 1.0 / 3, PinnedThreshold: 2.0 / 3})
	if err != nil {
		t.Fatal(err)
	}
	_ = store.Close()
	for _, share := range []float64{math.NaN(), math.Inf(1), -1e-9, 1.1} {
		if _, err := Open(Config{HitRateThreshold: share}); !errors.Is(err, ErrInvalidConfig) {
			t.Errorf("%v: %v", share, err)
		}
	}
}

func TestLongPathsAreRead(t *testing.T) {
	path := "/" + strings.Repeat("p", 3000)
	var config Config
	err := config.UnmarshalYAML(unmarshal(map[string]any{"monitoring": map[string]any{"export_metrics": path}}))
	if err != nil || config.ExportMetrics != path {
		t.Errorf("%v, %d bytes", err, len(config.ExportMetrics))
	}
	if _, err := config.MarshalYAML(); err != nil {
		t.Error(err)
	}
}

func TestUnmarshalYAMLRefusesWhatOpenYAMLRefuses(t *testing.T) {
	for name, document := range map[string]map[string]any{
		"unknown":    {"shard": 4},
		"in section": {"ttl": map[string]any{"shards": 4}},
		"unit":       {"ttl": map[string]any{"max_ttl": "1 hour"}},
		"type":       {"shards": true},
		"list":       {"shards": []any{4}},
		"fraction":   {"shards": 1.5},
	} {
		config := Config{Shards: 2}
		err := config.UnmarshalYAML(unmarshal(document))
		var detail *Error
		if !errors.Is(err, ErrInvalidConfig) || !errors.As(err, &detail) || detail.Key == "" ||
			!reflect.DeepEqual(config, Config{Shards: 2}) {
			t.Errorf("%s: %v, %+v", name, err, config)
		}
	}
	broken := errors.New("not YAML")
	if err := new(Config).UnmarshalYAML(func(any) error { return broken }); err != broken {
		t.Error(err)
	}
	var empty Config
	if err := empty.UnmarshalYAML(unmarshal(map[string]any{"ttl": nil, "performance": nil})); err != nil {
		t.Error(err)
	}
}

func TestFieldsAreGivenAsTheLibraryReadsThem(t *testing.T) {
	config := Config{MemoryLimit: 1 << 40, DefaultTTL: 1500 * time.Microsecond, StoreCreationTime: true, Shards: 4}
	got := config.settings()
	want := []setting{{"performance.memory_limit", "1099511627776"}, {"shards", "4"}, {"ttl.default_ttl", "2ms"},
		{"ttl.store_creation_time", "true"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
