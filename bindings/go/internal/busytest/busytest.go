// SPDX-License-Identifier: Apache-2.0

// Package busytest makes stores in which writes and removals are refused at random.
package busytest

import (
	"context"
	"fmt"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// Open opens a store of so many bytes that lets one write at a time and none wait for it, in which somebody writes half of the time until
// the test is over. The store is closed then.
func Open(t testing.TB, bytes int64) *memstore.Store {
	t.Helper()
	store, err := memstore.New(memstore.WithMemoryLimit(bytes), memstore.WithSetting("performance.max_concurrent_writers", "1"),
		memstore.WithSetting("performance.lock_timeout", "0"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		items := make(map[string][]byte)
		for i := range 2000 {
			items[fmt.Sprint("busy ", i)] = make([]byte, 100)
		}
		for ctx.Err() == nil {
			begun := time.Now()
			_ = store.SetMany(ctx, items, 0) // which is refused now and then, as all are
			time.Sleep(time.Since(begun))    // so that others have their turns, too
		}
	}()
	t.Cleanup(func() {
		enough()
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}
