// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func ExampleStore_Has() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_ = store.Set(ctx, "peer/1", nil, 0)
	one, _ := store.Has(ctx, "peer/1")
	two, err := store.Has(ctx, "peer/2")
	fmt.Println(one, two, err, store.GetStats().Misses) // asking counts no hit and no miss
	// Output: true false <nil> 0
}

func ExampleStore_CountByPattern() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	for _, key := range []string{"tx/1", "tx/2", "block/1"} {
		_ = store.Set(ctx, key, nil, 0)
	}
	count, err := store.CountByPattern(ctx, "tx/[0-9]")
	fmt.Println(count, err)
	_, err = store.CountByPattern(ctx, "tx/[0-9")
	fmt.Println(errors.Is(err, memstore.ErrInvalidPattern))
	// Output:
	// 2 <nil>
	// true
}

func ExampleBatch_ExpectAbsent() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	batch := store.NewBatch()
	for range 2 {
		batch.Reset() // a batch can be filled again
		batch.ExpectAbsent("lock").Set("lock", []byte("mine"), time.Second).Set("owner", []byte("me"), time.Second)
		err := batch.Commit(ctx)
		fmt.Println(err == nil, errors.Is(err, memstore.ErrKeyExists))
	}
	// Output:
	// true false
	// false true
}

func ExampleSubscription_Poll() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	events, err := store.Subscribe(memstore.EventDeleted, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	for i := range 3 { // of which the queue holds two
		_ = store.Set(ctx, fmt.Sprint(i), nil, 0)
		_ = store.Delete(ctx, fmt.Sprint(i))
	}
	for {
		event, there, err := events.Poll() // what there is now; Next waits
		if !there || err != nil {
			break
		}
		fmt.Println(event.Key)
	}
	fmt.Println("lost:", events.Dropped(), store.GetEventStats().Dropped)
	// Output:
	// 0
	// 1
	// lost: 1 1
}

func ExampleStore_ReconfigureAll() {
	store := newStore()
	defer store.Close()

	// All of it or nothing: the number of shards is for opening a store.
	ctx := context.Background()
	err := store.ReconfigureAll(ctx, memstore.Config{MemoryLimit: 32 << 20, Shards: 2})
	limit, _ := store.Setting("performance.memory_limit")
	fmt.Println(errors.Is(err, memstore.ErrUnsupported), limit)

	err = store.ReconfigureAll(ctx, memstore.Config{MemoryLimit: 32 << 20, DefaultTTL: time.Hour})
	limit, _ = store.Setting("performance.memory_limit")
	fmt.Println(err, limit)
	// Output:
	// true 16MiB
	// <nil> 32MiB
}

func ExampleStore_ResetStats() {
	store := newStore()
	defer store.Close()

	ctx := context.Background()
	_, _, _ = store.Get(ctx, "absent")
	_ = store.Set(ctx, "k", nil, 0)
	store.ResetStats()
	_, _, _ = store.Get(ctx, "k")
	fmt.Println(store.GetHitRate(), store.GetStats().Misses, store.Size())
	// Output: 1 0 1
}

func ExampleStore_AdviseJSON() {
	store := newStore()
	defer store.Close()

	report, err := store.AdviseJSON() // for tools; AdviseText is for people
	fmt.Println(json.Valid(report), err)
	// Output: true <nil>
}
