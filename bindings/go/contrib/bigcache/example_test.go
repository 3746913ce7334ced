// SPDX-License-Identifier: Apache-2.0

package bigcache_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/weisyn/memstore/bindings/go/contrib/bigcache" // was "github.com/allegro/bigcache/v3"
)

// A program of bigcache's after its import was changed.
func Example() {
	cache, err := bigcache.New(context.Background(), bigcache.Config{
		Shards:             1024,
		LifeWindow:         10 * time.Minute,
		CleanWindow:        5 * time.Minute,
		MaxEntriesInWindow: 10_000,
		MaxEntrySize:       500,
		StatsEnabled:       true,
		Verbose:            false,
		HardMaxCacheSize:   32,
		OnRemove:           nil,
		OnRemoveWithReason: nil,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	if err := cache.Set("my-unique-key", []byte("value")); err != nil {
		log.Fatal(err)
	}
	entry, err := cache.Get("my-unique-key")
	fmt.Println(string(entry), err, cache.KeyMetadata("my-unique-key").RequestCount)
	_, err = cache.Get("another")
	fmt.Println(err)
	// Output:
	// value <nil> 1
	// Entry not found
}

// What bigcache has no method for is a method of the store below: here a time to live of one entry's own.
func ExampleBigCache_Store() {
	cache, err := bigcache.New(context.Background(), bigcache.Config{LifeWindow: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	ctx := context.Background()
	_ = cache.Store().Set(ctx, "brief", []byte("v"), time.Minute)
	left, err := cache.Store().GetTTL(ctx, "brief")
	fmt.Println(left <= time.Minute, err)
	// Output: true <nil>
}
