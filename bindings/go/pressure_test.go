// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

var ctx = context.Background()

// The failures of a store that is short of memory or time.

func openSmall(t *testing.T, config Config) *Store {
	t.Helper()
	store, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// view is memstore_view of the library's header.
type view struct {
	data, size, version, expiry, pin uintptr
}

// pin holds the values of keys in place until the function it returns is called.
func pin(t *testing.T, store *Store, keys []string) (release func()) {
	t.Helper()
	views := make([]view, len(keys))
	for i, key := range keys {
		if status := native.GlueGetView(store.handle, -1, nil, unsafe.StringData(key), len(key), pointerTo(&views[i])); status != 0 {
			t.Fatalf("nothing to pin under %s: %d", key, status)
		}
	}
	return func() {
		for i := range views {
			native.MemstoreViewRelease(pointerTo(&views[i]))
		}
	}
}

func fill(t *testing.T, store *Store, n, size int) []string {
	t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("fill/%06d", i)
		if err := store.Set(ctx, keys[i], make([]byte, size), 0); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// waitLong has what is called from now on wait as long as it takes on a machine that is busy otherwise.
func waitLong(t *testing.T, store *Store) {
	t.Helper()
	if err := store.Reconfigure(ctx, "performance.lock_timeout", "1m"); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryExhaustedWhenPinsHoldAll(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 2 << 20, LockTimeout: 500 * time.Millisecond, Shards: 4})
	var releases []func()
	var err error
	for i := 0; err == nil && i < 3000; i++ {
		key := fmt.Sprint(i)
		if err = store.Set(ctx, key, make([]byte, 1000), 0); err == nil {
			releases = append(releases, pin(t, store, []string{key}))
		}
	}
	if !errors.Is(err, ErrMemoryExhausted) {
		t.Errorf("with everything pinned: %v", err)
	}
	if stats := store.GetStats(); stats.RejectedMemory != 1 {
		t.Errorf("RejectedMemory = %d, want 1", stats.RejectedMemory)
	}
	for _, release := range releases {
		release()
	}
	waitLong(t, store)
	if err := store.Set(ctx, "after", make([]byte, 1000), 0); err != nil {
		t.Errorf("after the pins are gone: %v", err)
	}
}

// Two entries of the largest size allowed cannot stand side by side, and the pinned one cannot go.
func TestGCPressureWhenWaitingIsNoUse(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 8 << 20, LockTimeout: 20 * time.Millisecond, Shards: 4})
	value := make([]byte, 8<<20)
	err := store.Set(ctx, "held", value, 0)
	for errors.Is(err, ErrEntryTooLarge) && len(value) > 1<<20 {
		value = value[4<<10:]
		err = store.Set(ctx, "held", value, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	release := pin(t, store, []string{"held"})
	if err := store.Set(ctx, "wanted", value, 0); !errors.Is(err, ErrGCPressure) {
		t.Errorf("with too much of the memory pinned: %v", err)
	}
	release()
	waitLong(t, store)
	if err := store.Set(ctx, "wanted", value, 0); err != nil {
		t.Errorf("after the pin is gone: %v", err)
	}
}

// Each value is larger than any gap that the ones before it have left, so the store has to clear
// what lies around a gap.
func TestALargeValueThatGrowsIsStoredInTime(t *testing.T) {
	const longest = 30 * time.Second // so that it is not the machine's load that ends a Set
	store, err := Open(Config{MemoryLimit: 8 << 20, LockTimeout: longest})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for size := 2516582; err == nil && size < 3_900_000; size += 419430 {
			err = store.Set(ctx, "k", make([]byte, size), 0)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
		_ = store.Close()
	case <-time.After(8 * longest): // no Close: it would wait for the call that hangs
		t.Error("four Sets go on twice as long as lock_timeout allows")
	}
}

func TestMemoryFragmentationWhenPinsHoldDeadBytes(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 8 << 20, LockTimeout: 500 * time.Millisecond})
	keys := fill(t, store, 1000, 1000)
	release := pin(t, store, keys)
	if err := store.DeleteMany(ctx, keys); err != nil {
		t.Fatal(err)
	}
	if err := store.Compact(ctx, 0); !errors.Is(err, ErrMemoryFragmentation) {
		t.Errorf("Compact with pinned dead bytes: %v", err)
	}
	release()
	waitLong(t, store)
	if err := store.Compact(ctx, 0); err != nil {
		t.Errorf("Compact after the pins are gone: %v", err)
	}
}

func TestShardOverflowWhenTheIndexCannotGrow(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 1 << 20, Shards: 1, Eviction: "none"})
	var err error
	stored := 0
	for ; err == nil && stored < 1_000_000; stored++ {
		err = store.Set(ctx, fmt.Sprintf("%x", stored), nil, 0)
	}
	if !errors.Is(err, ErrShardOverflow) {
		t.Errorf("a full store of tiny entries: %v", err)
	}
	if store.Size() != stored-1 {
		t.Errorf("Size = %d, want %d", store.Size(), stored-1)
	}
}

func TestLockTimeoutWhenTheBudgetEnds(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 32 << 20, Maintenance: "manual"})
	for i := range 20000 {
		if err := store.Set(ctx, fmt.Sprint(i), make([]byte, 500), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Millisecond)
	if err := store.Maintain(ctx, time.Nanosecond); !errors.Is(err, ErrLockTimeout) {
		t.Errorf("Maintain with next to no budget: %v", err)
	}
	if err := store.Maintain(ctx, 0); err != nil {
		t.Errorf("Maintain without a bound: %v", err)
	}
}

// A ttl of years does not fit the entry as it is, so UpdateTTL copies it, and meanwhile another
// write can come.
func TestTTLUpdateFailedWhenOvertaken(t *testing.T) {
	store := openSmall(t, Config{MemoryLimit: 32 << 20})
	fill(t, store, 1, 64<<10)
	var stop atomic.Bool
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		for !stop.Load() {
			if err := store.Set(ctx, "fill/000000", make([]byte, 64<<10), 0); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var err error
	for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
		err = store.UpdateTTL(ctx, "fill/000000", 3*365*24*time.Hour)
	}
	if !errors.Is(err, ErrTTLUpdateFailed) {
		t.Errorf("UpdateTTL beside writes: %v", err)
	}
	stop.Store(true)
	group.Wait()
}

// Reads that copy wait for no place, however many values are held.
func TestMaxConcurrentReaders(t *testing.T) {
	store := openSmall(t, Config{MaxConcurrentReaders: 2, LockTimeout: 50 * time.Millisecond})
	keys := fill(t, store, 500, 1000)
	release := pin(t, store, keys[:2])
	var third view
	start := time.Now()
	status := native.GlueGetView(store.handle, -1, nil, unsafe.StringData(keys[2]), len(keys[2]), pointerTo(&third))
	if err := check("GetView", keys[2], status); !errors.Is(err, ErrLockTimeout) || time.Since(start) < 50*time.Millisecond {
		t.Errorf("one value too many: %v after %v", err, time.Since(start))
	}
	for range 3 {
		if values, err := store.GetMany(ctx, keys); len(values) != 500 || err != nil {
			t.Errorf("GetMany: %d values, %v", len(values), err)
		}
	}
	if _, version, found, err := store.GetVersioned(ctx, keys[3]); version == 0 || !found || err != nil {
		t.Errorf("GetVersioned: %v, %v", found, err)
	}
	if value, _, err := store.Get(ctx, keys[4]); len(value) != 1000 || err != nil {
		t.Errorf("Get: %d bytes, %v", len(value), err)
	}
	release()
	pin(t, store, keys[2:4])()
}

func TestMaxConcurrentWriters(t *testing.T) {
	store := openSmall(t, Config{MaxConcurrentWriters: 1, LockTimeout: 20 * time.Second})
	var group sync.WaitGroup
	for writer := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 500 {
				key := fmt.Sprint(writer, "/", i)
				if err := store.Set(ctx, key, nil, 0); err != nil {
					t.Error(err)
				}
				if err := store.SetMany(ctx, map[string][]byte{key + "a": nil, key + "b": nil}, 0); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if store.Size() != 4*500*3 || store.GetStats().RejectedTimeout != 0 {
		t.Errorf("%d entries, %d writes timed out", store.Size(), store.GetStats().RejectedTimeout)
	}
}
