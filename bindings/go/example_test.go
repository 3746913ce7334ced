// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// newStore opens a store for the examples.
func newStore() *memstore.Store {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 16 << 20})
	if err != nil {
		log.Fatal(err)
	}
	return store
}

func Example() {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 64 << 20, DefaultTTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	ctx := context.Background()
	if err := store.Set(ctx, "block/42", []byte("header and transactions"), time.Minute); err != nil {
		log.Fatal(err)
	}
	value, found, err := store.Get(ctx, "block/42")
	fmt.Println(string(value), found, err)
	// Output: header and transactions true <nil>
}

func ExampleOpen() {
	_, err := memstore.Open(memstore.Config{Settings: map[string]string{"eviction": "sometimes"}})
	fmt.Println(errors.Is(err, memstore.ErrInvalidConfig))
	// Output: true
}

func ExampleStore_Get() {
	store := newStore()
	defer store.Close()

	_, found, err := store.Get(context.Background(), "absent")
	fmt.Println(found, err)
	// Output: false <nil>
}

func ExampleStore_GetTTL() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "session", nil, 90*time.Second)
	_ = store.Set(ctx, "genesis", nil, 0)
	ttl, _ := store.GetTTL(ctx, "session")
	_, err := store.GetTTL(ctx, "genesis")
	fmt.Println(ttl.Round(time.Second), errors.Is(err, memstore.ErrTTLNotSet))
	// Output: 1m30s true
}

func ExampleStore_SetMany() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	err := store.SetMany(ctx, map[string][]byte{"head": []byte("42"), "state": []byte("0xabc")}, 0)
	if err != nil {
		log.Fatal(err)
	}
	values, _ := store.GetMany(ctx, []string{"head", "state", "absent"})
	fmt.Println(len(values), string(values["head"]), string(values["state"]))
	// Output: 2 42 0xabc
}

func ExampleStore_CompareAndSet() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "balance", []byte("100"), 0)
	_, version, _, _ := store.GetVersioned(ctx, "balance")
	_ = store.Set(ctx, "balance", []byte("90"), 0) // someone is faster
	err := store.CompareAndSet(ctx, "balance", []byte("101"), 0, version)
	fmt.Println(errors.Is(err, memstore.ErrVersionMismatch))
	// Output: true
}

func ExampleStore_Increment() {
	store := newStore()
	defer store.Close()

	for range 3 {
		sum, _ := store.Increment(context.Background(), "visits", 1, 0, time.Hour)
		fmt.Println(sum)
	}
	// Output:
	// 1
	// 2
	// 3
}

func ExampleStore_Keys() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for _, key := range []string{"tx/1", "tx/2", "block/1"} {
		_ = store.Set(ctx, key, nil, 0)
	}
	keys, _ := store.Keys(ctx, "tx/*")
	slices.Sort(keys)
	deleted, _ := store.DeleteByPattern(ctx, "tx/?")
	fmt.Println(keys, deleted, store.Size())
	// Output: [tx/1 tx/2] 2 1
}

func ExampleStore_GetStats() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "a", nil, 0)
	_, _, _ = store.Get(ctx, "a")
	_, _, _ = store.Get(ctx, "b")
	stats := store.GetStats()
	fmt.Println(stats.Hits, stats.Misses, stats.HitRate)
	// Output: 1 1 0.5
}

func ExampleStore_MemoryStore() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	memory := store.MemoryStore()
	_ = memory.Set(ctx, "k", []byte("v"), 0)
	exists, _ := memory.Exists(ctx, "k")
	ttl, err := memory.GetTTL(ctx, "k") // 0: never expires
	count, _ := memory.Count(ctx)
	fmt.Println(exists, ttl, err, count)
	// Output: true 0s <nil> 1
}

func ExampleError() {
	store := newStore()
	defer store.Close()

	err := store.Set(context.Background(), "k", nil, -time.Second)
	var detail *memstore.Error
	if errors.As(err, &detail) {
		fmt.Println(detail.Op, detail.Key, errors.Is(err, memstore.ErrInvalidTTL))
	}
	// Output: Set k true
}
