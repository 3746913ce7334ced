// SPDX-License-Identifier: Apache-2.0

package gocache_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/store"
	memstore "github.com/weisyn/memstore/bindings/go"
	"github.com/weisyn/memstore/bindings/go/contrib/gocache"
)

func ExampleNew() {
	memory, err := memstore.Open(memstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer memory.Close()

	ctx := context.Background()
	blocks := cache.New[[]byte](gocache.New(memory, store.WithExpiration(time.Minute)))
	_ = blocks.Set(ctx, "block/42", []byte("a block"), store.WithTags([]string{"fork 7"}))
	value, err := blocks.Get(ctx, "block/42")
	fmt.Println(string(value), err)

	_ = blocks.Invalidate(ctx, store.WithInvalidateTags([]string{"fork 7"}))
	_, err = blocks.Get(ctx, "block/42")
	fmt.Println(err)
	// Output:
	// a block <nil>
	// value not found in store
}
