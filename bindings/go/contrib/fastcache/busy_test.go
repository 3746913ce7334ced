// SPDX-License-Identifier: Apache-2.0

package fastcache

import (
	"fmt"
	"sync"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// crowd has writers of other keys take turns in a store that lets one write at a time and none wait for it.
func crowd(t *testing.T) *Cache {
	store, err := memstore.New(memstore.WithMemoryLimit(smallest), memstore.WithSetting("performance.max_concurrent_writers", "1"),
		memstore.WithSetting("performance.lock_timeout", "0"))
	if err != nil {
		t.Fatal(err)
	}
	enough := make(chan struct{})
	var writers sync.WaitGroup
	for writer := range 2 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			items := make(map[string][]byte)
			for i := range 500 {
				items[fmt.Sprint(writer, i)] = make([]byte, 100)
			}
			for {
				select {
				case <-enough:
					return
				default:
					_ = store.SetMany(ctx, items, 0)
				}
			}
		}()
	}
	t.Cleanup(func() {
		close(enough)
		writers.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Cache{store: store}
}

// As with the original, which has no errors to return, nothing comes back that was removed or overwritten.
func TestNoRemovalIsLostInABusyCache(t *testing.T) {
	c, tooLarge := crowd(t), make([]byte, smallest)
	for name, remove := range map[string]func(k []byte){
		"Del":          c.Del,
		"Reset":        func([]byte) { c.Reset() },
		"Set refused":  func(k []byte) { c.Set(k, tooLarge) },
		"Set of other": func(k []byte) { c.Set(k, []byte("newer")) },
	} {
		for stored, key := 0, []byte("k"); stored < 200; {
			c.Set(key, []byte("older"))
			if c.Has(key) {
				stored++
			}
			remove(key)
			if got := c.Get(nil, key); string(got) == "older" {
				t.Errorf("%s: after %d: the older value is there", name, stored)
				break
			}
		}
	}
}
