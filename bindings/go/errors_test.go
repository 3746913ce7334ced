// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestErrorsTellOperationAndKey(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100})
	err := store.Set(ctx, "a\x00b", make([]byte, 200), 0)
	var detail *memstore.Error
	if !errors.As(err, &detail) || *detail != (memstore.Error{"Set", "a\x00b", memstore.ErrEntryTooLarge}) {
		t.Errorf("%#v", err)
	}
	if want := `memstore: Set "a\x00b": ` + memstore.ErrEntryTooLarge.Error(); err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
	err = store.Set(ctx, strings.Repeat("k", 1<<20), nil, 0)
	if len(err.Error()) > 300 {
		t.Errorf("the message of a long key has %d bytes", len(err.Error()))
	}
}

func TestEntryTooLargeLeavesTheOldValue(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100})
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	wantError(t, store.Set(ctx, "k", make([]byte, 100), 0), memstore.ErrEntryTooLarge)
	must(t, store.Set(ctx, "k", make([]byte, 99), 0))
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	unbounded := open(t, memstore.Config{MemoryLimit: 8 << 20})
	wantError(t, unbounded.Set(ctx, "k", make([]byte, 9<<20), 0), memstore.ErrEntryTooLarge)
	wantAbsent(t, unbounded, "k")
	wantValue(t, store, "k", "old")
	if stats := store.GetStats(); stats.RejectedTooLarge != 1 {
		t.Errorf("RejectedTooLarge = %d, want 1", stats.RejectedTooLarge)
	}
}

func TestCacheFull(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 4 << 20, Eviction: "none"})
	value := make([]byte, 1000)
	stored := 0
	var err error
	for ; err == nil && stored < 10000; stored++ {
		err = store.Set(ctx, fmt.Sprint("k", stored), value, 0)
	}
	wantError(t, err, memstore.ErrCacheFull)
	if stored-1 != store.Size() || stored < 2000 {
		t.Errorf("%d sets were accepted and %d entries are there", stored-1, store.Size())
	}
	if used := store.GetMemoryUsage(); used.Charged > used.Limit {
		t.Errorf("%d bytes charged, %d allowed", used.Charged, used.Limit)
	}
	must(t, store.Clear(ctx))
	must(t, store.Set(ctx, "again", value, 0))
}

func TestEmptyKeyIsRefusedByEveryMethod(t *testing.T) {
	store := open(t, memstore.Config{StoreCreationTime: true})
	noKey := map[string]bool{"Clear": true, "Compact": true, "Maintain": true, "Reconfigure": true, "Count": true, "Keys": true, "Flush": true,
		"CountByPattern": true, "DeleteByPattern": true, "Add": true, "CompareAndSet": true, "Increment": true,
		"Scan": true, "GetOrLoad": true, "GetOrLoadMany": true}
	for name, call := range methods(store, "") {
		if !noKey[name] {
			if err := call(ctx); !errors.Is(err, memstore.ErrInvalidArgument) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantError(t, store.Add(ctx, "", nil, 0), memstore.ErrInvalidArgument)
	wantError(t, store.CompareAndSet(ctx, "", nil, 0, 0), memstore.ErrInvalidArgument)
	_, err := store.Increment(ctx, "", 1, 0, 0)
	wantError(t, err, memstore.ErrInvalidArgument)
	_, err = store.GetOrLoad(ctx, "", 0, constant)
	wantError(t, err, memstore.ErrInvalidArgument)
	_, err = store.GetOrLoadMany(ctx, []string{""}, 0, constants)
	wantError(t, err, memstore.ErrInvalidArgument)
	if store.Size() != 0 {
		t.Errorf("Size = %d", store.Size())
	}
}

func TestConditionalWrites(t *testing.T) {
	store := open(t, memstore.Config{})
	wantError(t, store.Replace(ctx, "k", []byte("v"), 0), memstore.ErrKeyNotFound)
	must(t, store.Add(ctx, "k", []byte("v1"), 0))
	wantError(t, store.Add(ctx, "k", []byte("v2"), 0), memstore.ErrKeyExists)
	wantValue(t, store, "k", "v1")
	must(t, store.Replace(ctx, "k", []byte("v2"), 0))

	value, version, found, err := store.GetVersioned(ctx, "k")
	if string(value) != "v2" || version == 0 || !found || err != nil {
		t.Fatalf("GetVersioned = %q, %d, %v, %v", value, version, found, err)
	}
	must(t, store.CompareAndSet(ctx, "k", []byte("v3"), 0, version))
	wantError(t, store.CompareAndSet(ctx, "k", []byte("v4"), 0, version), memstore.ErrVersionMismatch)
	wantError(t, store.CompareAndSet(ctx, "k", []byte("v4"), 0, 0), memstore.ErrVersionMismatch)
	wantValue(t, store, "k", "v3")
	must(t, store.CompareAndSet(ctx, "new", []byte("v"), 0, 0))
	if _, version, found, err := store.GetVersioned(ctx, "absent"); version != 0 || found || err != nil {
		t.Errorf("GetVersioned of an absent key = %d, %v, %v", version, found, err)
	}
	if stats := store.GetStats(); stats.RejectedCondition != 4 {
		t.Errorf("RejectedCondition = %d, want 4", stats.RejectedCondition)
	}
}

func TestIncrement(t *testing.T) {
	store := open(t, memstore.Config{})
	for i, want := range []int64{15, 20, 25} {
		if sum, err := store.Increment(ctx, "n", 5, 10, time.Hour); sum != want || err != nil {
			t.Errorf("step %d: %d, %v; want %d", i, sum, err, want)
		}
	}
	if sum, err := store.Increment(ctx, "n", -30, 0, 0); sum != -5 || err != nil {
		t.Errorf("down: %d, %v", sum, err)
	}
	wantValue(t, store, "n", "-5")
	if ttl, err := store.GetTTL(ctx, "n"); err != nil || ttl < 59*time.Minute {
		t.Errorf("the counter's ttl is %v, %v", ttl, err)
	}
	must(t, store.Set(ctx, "text", []byte("five"), 0))
	_, err := store.Increment(ctx, "text", 1, 0, 0)
	wantError(t, err, memstore.ErrNotANumber)
	must(t, store.Set(ctx, "max", []byte(fmt.Sprint(int64(math.MaxInt64))), 0))
	_, err = store.Increment(ctx, "max", 1, 0, 0)
	wantError(t, err, memstore.ErrNotANumber)
	wantValue(t, store, "max", fmt.Sprint(int64(math.MaxInt64)))
}

func TestBadArguments(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, ratio := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		wantError(t, store.Compact(ctx, ratio), memstore.ErrInvalidArgument)
	}
	for _, budget := range []time.Duration{-1, -time.Hour} {
		wantError(t, store.Maintain(ctx, budget), memstore.ErrInvalidArgument)
	}
	must(t, store.Set(ctx, "k", nil, 0))
	_, err := store.GetCreated(ctx, "k")
	wantError(t, err, memstore.ErrUnsupported)
	var never memstore.Store
	wantError(t, never.Set(ctx, "k", nil, 0), memstore.ErrInvalidArgument)
	wantError(t, never.Close(), memstore.ErrInvalidArgument)
	if never.Size() != 0 || never.GetStats().Hits != 0 {
		t.Error("a store that was never opened has entries")
	}
}
