// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestSetGetDeleteHas(t *testing.T) {
	store := open(t, memstore.Config{})
	wantAbsent(t, store, "k")
	must(t, store.Set(ctx, "k", []byte("v1"), 0))
	wantValue(t, store, "k", "v1")
	must(t, store.Set(ctx, "k", []byte("v2"), 0))
	wantValue(t, store, "k", "v2")
	if found, err := store.Has(ctx, "k"); !found || err != nil {
		t.Errorf("Has = %v, %v", found, err)
	}
	if size := store.Size(); size != 1 {
		t.Errorf("Size = %d, want 1", size)
	}
	must(t, store.Delete(ctx, "k"))
	must(t, store.Delete(ctx, "k"))
	wantAbsent(t, store, "k")
	if found, err := store.Has(ctx, "k"); found || err != nil {
		t.Errorf("Has after Delete = %v, %v", found, err)
	}
}

func TestEmptyValueIsAHit(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "nil", nil, 0))
	must(t, store.Set(ctx, "empty", []byte{}, 0))
	for _, key := range []string{"nil", "empty"} {
		value, found, err := store.Get(ctx, key)
		if err != nil || !found || value == nil || len(value) != 0 {
			t.Errorf("Get(%q) = %v, %v, %v", key, value, found, err)
		}
	}
	values, err := store.GetMany(ctx, []string{"nil", "empty", "none"})
	if err != nil || len(values) != 2 || values["nil"] == nil {
		t.Errorf("GetMany = %v, %v", values, err)
	}
	if stats := store.GetStats(); stats.Hits != 4 || stats.Misses != 1 {
		t.Errorf("hits and misses are %d and %d, want 4 and 1", stats.Hits, stats.Misses)
	}
}

func TestKeysAndValuesAreAnyBytes(t *testing.T) {
	store := open(t, memstore.Config{})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	keys := []string{"\x00", "a\x00b", "a\x00c", "a", "ключ/鍵", string(all), strings.Repeat("long", 3000)}
	for _, key := range keys {
		must(t, store.Set(ctx, key, append([]byte(key), all...), 0))
	}
	for _, key := range keys {
		wantValue(t, store, key, key+string(all))
	}
	if store.Size() != len(keys) {
		t.Errorf("Size = %d, want %d", store.Size(), len(keys))
	}
}

func TestValuesOfAllSizes(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 256 << 20})
	// Both sides of each size at which Get or SetMany takes another way, then values beyond a
	// segment.
	sizes := []int{0, 1, 511, 512, 513, 4095, 4096, 4097, 16<<10 - 1, 16 << 10, 16<<10 + 1,
		1 << 20, 5<<20 + 7, 20 << 20}
	for round := range 2 { // in the second round the store has seen large values
		for _, size := range sizes {
			value := bytes.Repeat([]byte{byte(size), byte(round), 'x'}, size/3+1)[:size]
			must(t, store.Set(ctx, "one", value, 0))
			must(t, store.SetMany(ctx, map[string][]byte{"two": value, "three": []byte("small")}, 0))
			wantValue(t, store, "one", string(value))
			values, err := store.GetMany(ctx, []string{"one", "two", "three"})
			must(t, err)
			if !bytes.Equal(values["one"], value) || !bytes.Equal(values["two"], value) ||
				string(values["three"]) != "small" {
				t.Errorf("GetMany differs at size %d", size)
			}
			got, _, found, err := store.GetVersioned(ctx, "two")
			if err != nil || !found || !bytes.Equal(got, value) {
				t.Errorf("GetVersioned differs at size %d: %v, %v", size, found, err)
			}
		}
	}
}

func TestValuesBelongToTheCaller(t *testing.T) {
	store := open(t, memstore.Config{})
	value := []byte("value")
	must(t, store.Set(ctx, "k", value, 0))
	value[0] = 'X'
	wantValue(t, store, "k", "value")
	got, _, _ := store.Get(ctx, "k")
	got[0] = 'X'
	got = append(got, "more"...)
	wantValue(t, store, "k", "value")
	values, err := store.GetMany(ctx, []string{"k", "k"})
	must(t, err)
	_ = append(values["k"], "over the next one"...)
	wantValue(t, store, "k", "value")
	if len(got) != 9 {
		t.Errorf("%q", got)
	}
}

func TestHitsAndMissesAreCountedOnce(t *testing.T) {
	store := open(t, memstore.Config{})
	large := make([]byte, 100<<10)
	must(t, store.Set(ctx, "large", large, 0))
	for range 3 {
		if _, found, err := store.Get(ctx, "large"); !found || err != nil {
			t.Fatalf("Get = %v, %v", found, err)
		}
	}
	if _, err := store.GetMany(ctx, []string{"large", "none"}); err != nil {
		t.Fatal(err)
	}
	if stats := store.GetStats(); stats.Hits != 4 || stats.Misses != 1 {
		t.Errorf("hits and misses are %d and %d, want 4 and 1", stats.Hits, stats.Misses)
	}
}

func TestClearSizeCapacity(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 40_000_000})
	if store.Capacity() != 40_000_000 {
		t.Errorf("Capacity = %d", store.Capacity())
	}
	for _, key := range []string{"a", "b", "c"} {
		must(t, store.Set(ctx, key, []byte(key), 0))
	}
	must(t, store.Clear(ctx))
	if store.Size() != 0 {
		t.Errorf("Size after Clear = %d", store.Size())
	}
	wantAbsent(t, store, "a")
}

func TestOpenDefaultsAndSettings(t *testing.T) {
	store, err := memstore.Open(memstore.Config{})
	must(t, err)
	if store.Capacity() != 64_000_000 {
		t.Errorf("default capacity is %d, want 64 MB", store.Capacity())
	}
	must(t, store.Close())
	store = open(t, memstore.Config{
		MemoryLimit: 64 << 20, HardMaxCacheSize: 48, MaxEntrySize: 1 << 20, MaxEntriesInWindow: 1000, Shards: 16,
		HashFunction: "fnv", Eviction: "lru", DefaultTTL: time.Hour, MinTTL: time.Second, MaxTTL: 24 * time.Hour,
		TTLPrecision: "second", LifeWindow: 48 * time.Hour, CleanWindow: time.Minute, CleanupInterval: time.Minute,
		BatchCleanupSize: 100, StoreCreationTime: true, LockTimeout: time.Second, GCPercent: 50,
		MaxConcurrentReaders: 100, MaxConcurrentWriters: 10, BatchSize: 50, BatchTimeout: time.Second,
		Maintenance: "manual", HugePages: "off", MemoryPressure: "psi",
		Settings: map[string]string{"ttl.default_ttl": "2h"},
	})
	if store.Capacity() != 48<<20 {
		t.Errorf("capacity is %d, want the smaller limit, %d", store.Capacity(), 48<<20)
	}
	must(t, store.Set(ctx, "k", nil, memstore.DefaultTTL))
	if ttl, err := store.GetTTL(ctx, "k"); err != nil || ttl < 119*time.Minute || ttl > 121*time.Minute {
		t.Errorf("Settings do not win over the fields: ttl %v, %v", ttl, err)
	}
	must(t, store.Maintain(ctx, 0))
	must(t, store.Compact(ctx, 1))
}

func TestOpenRefusesBadSettings(t *testing.T) {
	for name, test := range map[string]struct {
		config memstore.Config
		key    string
	}{
		"unknown key":    {memstore.Config{Settings: map[string]string{"no.such.setting": "1"}}, "no.such.setting"},
		"wrong value":    {memstore.Config{Settings: map[string]string{"shards": "banana"}}, "shards"},
		"negative":       {memstore.Config{DefaultTTL: -time.Second}, "ttl.default_ttl"},
		"NUL in a value": {memstore.Config{Settings: map[string]string{"eviction": "lru\x00"}}, "eviction"},
		"NUL in a key":   {memstore.Config{Settings: map[string]string{"eviction\x00": "lru"}}, "eviction\x00"},
		"limit too low":  {memstore.Config{MemoryLimit: 1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := memstore.Open(test.config)
			wantError(t, err, memstore.ErrInvalidConfig)
			var detail *memstore.Error
			if store != nil || !errors.As(err, &detail) || detail.Op != "Open" || detail.Key != test.key {
				t.Errorf("Open = %v, %#v", store, err)
			}
			t.Log(err)
		})
	}
}

func TestADoneContextStopsTheCall(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", []byte("v"), time.Hour))
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	for name, call := range methods(store, "k") {
		wantError(t, call(canceled), context.Canceled)
		err := call(expired)
		wantError(t, err, context.DeadlineExceeded)
		var detail *memstore.Error
		if !errors.As(err, &detail) || detail.Op != name {
			t.Errorf("%s: %#v", name, err)
		}
	}
	wantValue(t, store, "k", "v")
	if store.Size() != 1 {
		t.Errorf("a call with a done context did something: Size = %d", store.Size())
	}
}

func TestANilContextIsNeverDone(t *testing.T) {
	store := open(t, memstore.Config{})
	var none context.Context
	must(t, store.Set(none, "k", []byte("v"), 0))
	if value, found, err := store.Get(none, "k"); string(value) != "v" || !found || err != nil {
		t.Errorf("Get = %q, %v, %v", value, found, err)
	}
	for name, call := range methods(store, "k") {
		if err := call(none); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemoveSaysWhetherThereWasAnEntry(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "k", nil, 0))
	for _, want := range []bool{true, false} {
		if existed, err := store.Remove(ctx, "k"); err != nil || existed != want {
			t.Errorf("existed %v, %v; want %v", existed, err, want)
		}
	}
}

func scanAll(scan *memstore.Scan) error {
	for range scan.All() {
	}
	return scan.Err()
}

func constant(context.Context, string) ([]byte, error) { return []byte("constant"), nil }

func constants(_ context.Context, keys []string) (map[string][]byte, error) {
	values := make(map[string][]byte)
	for _, key := range keys {
		values[key] = []byte("constant")
	}
	return values, nil
}

func TestAStoreIsPrintedWhileOthersUseIt(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 16 << 20})
	must(t, store.Set(ctx, "k", nil, 0))
	var group sync.WaitGroup
	spawn(&group, func() {
		for range 100 {
			_, err := store.GetOrLoad(ctx, "absent", 0, constant)
			noError(t, err)
			noError(t, store.Delete(ctx, "absent"))
		}
	})
	for range 100 {
		if text := fmt.Sprintf("%v %s", store, store.MemoryStore()); !strings.Contains(text, "of 16777216 bytes") {
			t.Fatal(text)
		}
	}
	group.Wait()
	must(t, store.Close())
	if text := fmt.Sprint(store, " ", new(memstore.Store)); text != "memstore.Store(closed) memstore.Store(closed)" {
		t.Error(text)
	}
}

func TestAValueOfAQuarterOfAGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a gigabyte of memory")
	}
	store := open(t, memstore.Config{MemoryLimit: 600 << 20})
	const size = 256 << 20
	value := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		value[i] = byte(i >> 12)
	}
	must(t, store.Set(ctx, "k", value, 0))
	found, err := store.View(ctx, "k", func(there []byte) error {
		if !bytes.Equal(there, value) {
			t.Errorf("View shows %d other bytes", len(there))
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("View: %v, %v", found, err)
	}
	got, found, err := store.Get(ctx, "k")
	if err != nil || !found || !bytes.Equal(got, value) {
		t.Errorf("Get: %d bytes, %v, %v", len(got), found, err)
	}
	must(t, store.SetMany(ctx, map[string][]byte{"k": value[1:]}, 0))
	got, found, err = store.GetInto(ctx, "k", got)
	if err != nil || !found || !bytes.Equal(got, value[1:]) {
		t.Errorf("GetInto: %d bytes, %v, %v", len(got), found, err)
	}
	wantError(t, store.Set(ctx, "k", make([]byte, 600<<20), 0), memstore.ErrEntryTooLarge)
}
