// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"errors"
	"maps"
	"reflect"
	"slices"
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
		"ttl":                      map[string]any{"default_ttl": "1.5h", "max_ttl": "7d", "store_creation_time": true, "min_ttl": 250},
		"performance":              map[any]any{"memory_limit": "1GiB", "lock_timeout": 0, "gc_percent": nil},
		"ttl.ttl_precision":        "second",
		"performance.memory_limit": nil,
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
