// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// Each key has one writer, which counts up, and every reader checks that it never sees a key go
// back or a torn value, while other goroutines evict, delete by pattern, list and read statistics.
func TestReadersNeverGoBack(t *testing.T) {
	start := seed(t)
	store := open(t, memstore.Config{MemoryLimit: 8 << 20})
	var stop atomic.Bool
	var group sync.WaitGroup
	const keys = 4
	for writer := range keys {
		spawn(&group, func() {
			random := rand.New(rand.NewPCG(start, uint64(writer)))
			for count := uint64(1); !stop.Load(); count++ {
				noError(t, store.Set(ctx, fmt.Sprint("count/", writer), counted(count, random.IntN(3000)), 0))
			}
		})
	}
	for range 3 {
		spawn(&group, func() {
			var last [keys]uint64
			for i := 0; !stop.Load(); i++ {
				key := i % keys
				value, found, err := store.Get(ctx, fmt.Sprint("count/", key))
				noError(t, err)
				if !found {
					continue
				}
				count := checkCounted(t, value)
				if count < last[key] {
					t.Errorf("key %d went back from %d to %d", key, last[key], count)
				}
				last[key] = count
			}
		})
	}
	spawn(&group, func() { churn(t, store, &stop) })
	time.Sleep(400 * time.Millisecond)
	stop.Store(true)
	group.Wait()
}

// counted is a value of some size that tells a count and is the same byte throughout.
func counted(count uint64, size int) []byte {
	value := make([]byte, 8+size)
	binary.LittleEndian.PutUint64(value, count)
	for i := range value[8:] {
		value[8+i] = byte(count)
	}
	return value
}

func checkCounted(t *testing.T, value []byte) uint64 {
	count := binary.LittleEndian.Uint64(value)
	for _, b := range value[8:] {
		if b != byte(count) {
			t.Errorf("a torn value: %d in one of %d", b, count)
			break
		}
	}
	return count
}

func churn(t *testing.T, store *memstore.Store, stop *atomic.Bool) {
	for i := 0; !stop.Load(); i++ {
		ttl := time.Duration(i%3) * time.Millisecond
		noError(t, store.Set(ctx, fmt.Sprint("noise/", i%5000), make([]byte, 3000), ttl))
		if i%1000 == 0 {
			if _, err := store.DeleteByPattern(ctx, "noise/*7"); err != nil {
				t.Errorf("DeleteByPattern: %v", err)
			}
			if _, err := store.Keys(ctx, "noise/1*"); err != nil {
				t.Errorf("Keys: %v", err)
			}
			if used := store.GetMemoryUsage(); used.Charged > used.Limit {
				t.Errorf("%d bytes are charged, %d allowed", used.Charged, used.Limit)
			}
			store.GetStats()
		}
	}
}

// A batch writes the same count under all its keys. Readers never see a mix in GetMany, nor a key
// behind one read before.
func TestBatchesAreOneInstant(t *testing.T) {
	for _, way := range []bool{false, true} {
		t.Run(fmt.Sprint("direct ", way), func(t *testing.T) { batchesAreOneInstant(t, memstore.Config{LibraryReads: !way}) })
	}
}

func batchesAreOneInstant(t *testing.T, config memstore.Config) {
	store := open(t, config)
	var stop atomic.Bool
	var group sync.WaitGroup
	keys := []string{"b/0", "b/1", "b/2", "b/3", "b/4", "b/5"}
	asked := keys
	if !config.LibraryReads {
		asked = keys[1:4] // larger batches are read by the library
	}
	spawn(&group, func() {
		for count := uint64(1); !stop.Load(); count++ {
			items := make(map[string][]byte, len(keys))
			for _, key := range keys {
				items[key] = counted(count, 50)
			}
			noError(t, store.SetMany(ctx, items, 0))
		}
	})
	for reader := range 2 {
		spawn(&group, func() {
			last := uint64(0)
			for i := reader; !stop.Load(); i++ {
				if i%2 == 0 {
					last = max(last, oneInstant(t, store, asked, last))
					continue
				}
				value, found, err := store.Get(ctx, keys[i%len(keys)])
				noError(t, err)
				if found {
					if count := checkCounted(t, value); count < last {
						t.Errorf("count %d after %d was seen under another key", count, last)
					} else {
						last = count
					}
				}
			}
		})
	}
	time.Sleep(400 * time.Millisecond)
	stop.Store(true)
	group.Wait()
}

func oneInstant(t *testing.T, store *memstore.Store, keys []string, last uint64) uint64 {
	values, err := store.GetMany(ctx, keys)
	noError(t, err)
	if len(values) == 0 {
		return last
	}
	count := checkCounted(t, values[keys[0]])
	for _, key := range keys {
		if other := checkCounted(t, values[key]); other != count || other < last {
			t.Errorf("GetMany saw %d and %d after %d", count, other, last)
		}
	}
	return count
}

func TestCompareAndSetLosesNoUpdate(t *testing.T) {
	store := open(t, memstore.Config{})
	const goroutines, each = 8, 200
	var group sync.WaitGroup
	for range goroutines {
		spawn(&group, func() {
			for range each {
				addOne(t, store)
				if _, err := store.Increment(ctx, "n", 1, 0, 0); err != nil {
					t.Errorf("Increment: %v", err)
				}
			}
		})
	}
	group.Wait()
	value, _, err := store.Get(ctx, "c")
	must(t, err)
	if count := checkCounted(t, value); count != goroutines*each {
		t.Errorf("CompareAndSet counted %d of %d", count, goroutines*each)
	}
	wantValue(t, store, "n", fmt.Sprint(goroutines*each))
}

func addOne(t *testing.T, store *memstore.Store) {
	for {
		value, version, found, err := store.GetVersioned(ctx, "c")
		noError(t, err)
		count := uint64(0)
		if found {
			count = checkCounted(t, value)
		}
		err = store.CompareAndSet(ctx, "c", counted(count+1, 3), 0, version)
		if err == nil {
			return
		}
		if !errors.Is(err, memstore.ErrVersionMismatch) {
			t.Errorf("CompareAndSet: %v", err)
			return
		}
	}
}
