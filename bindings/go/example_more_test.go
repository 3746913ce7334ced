// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func ExampleNew() {
	store, err := memstore.New(memstore.WithMemoryLimit(64<<20), memstore.WithDefaultTTL(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	fmt.Println(store.Capacity() >> 20)
	// Output: 64
}

func ExampleStore_GetManyInto() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "a", []byte("1"), 0)
	_ = store.Set(ctx, "c", []byte("3"), 0)
	keys := []string{"a", "b", "c"}
	var values memstore.Values // to be used again and again
	if err := store.GetManyInto(ctx, keys, &values); err != nil {
		log.Fatal(err)
	}
	for i, value := range values.All() {
		fmt.Println(keys[i], string(value))
	}
	// Output:
	// a 1
	// c 3
}

func ExampleStore_GetInto() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", []byte("value"), 0)
	buf := make([]byte, 0, 64)
	buf, found, err := store.GetInto(ctx, "k", buf)
	fmt.Println(string(buf), found, err)
	// Output: value true <nil>
}

func ExampleStore_View() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "k", []byte("0123456789"), 0)
	found, err := store.View(ctx, "k", func(value []byte) error {
		fmt.Println(len(value), string(value[:3])) // valid until the function returns
		return nil
	})
	fmt.Println(found, err)
	// Output:
	// 10 012
	// true <nil>
}

func ExampleBatch() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "head", []byte("41"), 0)
	_, version, _, _ := store.GetVersioned(ctx, "head")

	batch := store.NewBatch().
		Expect("head", version). // nobody has written it meanwhile
		Set("head", []byte("42"), 0).
		Set("block/42", []byte("header and transactions"), time.Hour).
		Delete("pending")
	fmt.Println(batch.Commit(ctx))

	err := store.NewBatch().Expect("head", version).Set("head", []byte("43"), 0).Commit(ctx)
	fmt.Println(errors.Is(err, memstore.ErrVersionMismatch))
	// Output:
	// <nil>
	// true
}

func ExampleStore_Scan() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for _, key := range []string{"tx/1", "tx/2", "block/1"} {
		_ = store.Set(ctx, key, []byte("of "+key), 0)
	}
	scan := store.Scan(ctx, "tx/[1-9]")
	found := maps.Collect(scan.All())
	if err := scan.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found), string(found["tx/2"]))
	// Output: 2 of tx/2
}

func ExampleStore_Prefix() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for _, key := range []string{"a*/1", "a*/2", "ab/3"} {
		_ = store.Set(ctx, key, nil, 0)
	}
	fmt.Println(slices.Sorted(maps.Keys(maps.Collect(store.Prefix("a*/")))))
	// Output: [a*/1 a*/2]
}

func ExampleStore_GetOrLoad() {
	store := newStore()
	defer store.Close()

	fromDatabase := func(ctx context.Context, key string) ([]byte, error) {
		if key != "block/42" {
			return nil, memstore.ErrKeyNotFound // which is remembered for loader.negative_ttl
		}
		fmt.Println("loading", key)
		return []byte("header and transactions"), nil
	}
	for range 2 {
		value, err := store.GetOrLoad(context.Background(), "block/42", time.Minute, fromDatabase)
		fmt.Println(string(value), err)
	}
	_, err := store.GetOrLoad(context.Background(), "block/43", time.Minute, fromDatabase)
	fmt.Println(errors.Is(err, memstore.ErrKeyNotFound))
	// Output:
	// loading block/42
	// header and transactions <nil>
	// header and transactions <nil>
	// true
}

func ExampleStore_GetOrLoadMany() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "a", []byte("cached"), 0)
	values, err := store.GetOrLoadMany(ctx, []string{"a", "b", "none"}, time.Minute,
		func(_ context.Context, keys []string) (map[string][]byte, error) {
			fmt.Println("loading", keys)
			return map[string][]byte{"b": []byte("loaded")}, nil
		})
	fmt.Println(len(values), string(values["a"]), string(values["b"]), err)
	// Output:
	// loading [b none]
	// 2 cached loaded <nil>
}

func ExampleTyped() {
	type Block struct {
		Height int64
		Hash   string
	}
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	blocks := memstore.NewTyped(store, "block/", memstore.Decimal[int64](), memstore.JSON[Block]())
	_ = blocks.Set(ctx, 42, Block{42, "0xabc"}, time.Hour)
	block, found, err := blocks.Get(ctx, 42)
	fmt.Println(block.Hash, found, err)

	raw, _, _ := store.Get(ctx, "block/42")
	fmt.Println(string(raw))
	// Output:
	// 0xabc true <nil>
	// {"Height":42,"Hash":"0xabc"}
}

func ExampleStore_Subscribe() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	events, err := store.Subscribe(memstore.EventDeleted|memstore.EventReplaced, 100)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	_ = store.Set(ctx, "k", []byte("1"), 0)
	_ = store.Set(ctx, "k", []byte("2"), 0)
	_ = store.Delete(ctx, "k")
	for event, err := range events.All(ctx) {
		fmt.Println(event.Kind, event.Key, string(event.Value), err)
		if event.Kind == memstore.EventDeleted {
			break
		}
	}
	// Output:
	// replaced k 1 <nil>
	// deleted k 2 <nil>
}

func ExampleSubscription_Channel() {
	store := newStore()
	ctx := context.Background()
	events, err := store.Subscribe(memstore.EventRemovals, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	_ = store.Set(ctx, "k", nil, 0)
	_ = store.Clear(ctx)
	_ = store.Close() // the channel ends after what had happened
	for event := range events.Channel(ctx, 16) {
		fmt.Println(event.Kind, event.Key)
	}
	// Output: cleared k
}

func ExampleStore_SetAsync() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for i := range 100 {
		_ = store.SetAsync(ctx, fmt.Sprint(i), nil, time.Minute)
	}
	fmt.Println(store.Flush(ctx), store.Size())
	// Output: <nil> 100
}

func ExampleStore_Reconfigure() {
	store := newStore()
	defer store.Close()

	err := store.Reconfigure(context.Background(), "performance.memory_limit", "32MiB")
	fmt.Println(err, store.Capacity()>>20)
	// Output: <nil> 32
}

// Reads that all call the library, rather than read its memory from Go code; what they return is the same.
func ExampleWithLibraryReads() {
	store, err := memstore.New(memstore.WithMemoryLimit(64<<20), memstore.WithLibraryReads())
	if err != nil {
		panic(err)
	}
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "block/42", []byte("a block"), 0)
	buffer := make([]byte, 4096)
	value, found, err := store.GetInto(ctx, "block/42", buffer)
	fmt.Println(string(value), found, err)
	// Output: a block true <nil>
}
