// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"fmt"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// BenchmarkCalls has what a call costs beside its look-up: entries that are always in the processor's
// caches.
func BenchmarkCalls(b *testing.B) {
	store := open(b, memstore.Config{MemoryLimit: 64 << 20})
	must(b, store.Set(ctx, "k", make([]byte, 100), 0))
	for _, kib := range []int{12, 16, 20, 32} { // on both sides of the larger scratch buffer
		must(b, store.Set(ctx, fmt.Sprint(kib), make([]byte, kib<<10), 0))
	}
	load := func(context.Context, string) ([]byte, error) { return nil, memstore.ErrKeyNotFound }
	call := func(name string, call func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	call("Get", func() error { _, _, err := store.Get(ctx, "k"); return err })
	call("GetVersioned", func() error { _, _, _, err := store.GetVersioned(ctx, "k"); return err })
	call("GetOrLoad", func() error { _, err := store.GetOrLoad(ctx, "k", 0, load); return err })
	batch := store.NewBatch()
	keys := make([]string, 16)
	for i := range keys {
		keys[i] = fmt.Sprint("batch/", i)
	}
	value := make([]byte, 100)
	call("Commit of 16", func() error {
		for _, key := range keys {
			batch.Set(key, value, 0)
		}
		return batch.Commit(ctx)
	})
	for _, kib := range []int{12, 16, 20, 32} {
		key := fmt.Sprint(kib)
		call("Get of "+key+" KiB", func() error { _, _, err := store.Get(ctx, key); return err })
	}
}
