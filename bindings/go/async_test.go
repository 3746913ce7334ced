// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// never is a BatchTimeout that no test waits for.
const never = time.Hour

func TestSetAsyncIsSeenAfterFlush(t *testing.T) {
	store := open(t, memstore.Config{BatchTimeout: never})
	must(t, store.Set(ctx, "b", []byte("old"), 0))
	must(t, store.SetAsync(ctx, "a", []byte("1"), 0))
	must(t, store.SetAsync(ctx, "b", []byte("2"), time.Hour))
	must(t, store.SetAsync(ctx, "empty", nil, memstore.DefaultTTL))
	wantAbsent(t, store, "a")
	wantValue(t, store, "b", "old")
	must(t, store.Flush(ctx))
	wantValue(t, store, "a", "1")
	wantValue(t, store, "b", "2")
	wantValue(t, store, "empty", "")
	if ttl, err := store.GetTTL(ctx, "b"); err != nil || ttl < 59*time.Minute || ttl > time.Hour {
		t.Errorf("ttl %v, %v", ttl, err)
	}
	must(t, store.Flush(ctx))
}

func TestBatchSizeAndTimeoutApplyWhatIsQueued(t *testing.T) {
	store := open(t, memstore.Config{BatchSize: 3, BatchTimeout: never})
	for i := range 3 {
		if store.Size() != 0 {
			t.Fatalf("%d of 3 writes are enough", i)
		}
		must(t, store.SetAsync(ctx, fmt.Sprint(i), nil, 0))
	}
	if store.Size() != 3 {
		t.Errorf("Size = %d when 3 writes were queued", store.Size())
	}

	timed := open(t, memstore.Config{BatchTimeout: 5 * time.Millisecond})
	must(t, timed.SetAsync(ctx, "k", nil, 0))
	for deadline := time.Now().Add(time.Minute); timed.Size() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never applied")
		}
	}

	atOnce := false
	direct := open(t, memstore.Config{EnableBatchOptimization: &atOnce, BatchTimeout: never})
	must(t, direct.SetAsync(ctx, "k", []byte("v"), 0))
	wantValue(t, direct, "k", "v")
}

func TestLaterWritesAreNotOvertakenBySetAsync(t *testing.T) {
	store := open(t, memstore.Config{BatchTimeout: never})
	must(t, store.SetAsync(ctx, "set", []byte("1"), 0))
	must(t, store.Set(ctx, "set", []byte("2"), 0))
	must(t, store.SetAsync(ctx, "deleted", []byte("1"), 0))
	must(t, store.Delete(ctx, "deleted"))
	must(t, store.SetAsync(ctx, "many", []byte("1"), 0))
	must(t, store.SetMany(ctx, map[string][]byte{"many": []byte("2")}, 0))
	must(t, store.SetAsync(ctx, "n", []byte("41"), 0))
	if sum, err := store.Increment(ctx, "n", 1, 0, 0); sum != 42 || err != nil {
		t.Errorf("Increment = %d, %v", sum, err)
	}
	must(t, store.SetAsync(ctx, "twice", []byte("1"), 0))
	must(t, store.SetAsync(ctx, "twice", []byte("2"), 0))
	must(t, store.Flush(ctx))
	wantValue(t, store, "set", "2")
	wantAbsent(t, store, "deleted")
	wantValue(t, store, "many", "2")
	wantValue(t, store, "twice", "2")
}

func TestSetAsyncRefusesWhatCanNeverBeStored(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100, BatchTimeout: never})
	wantError(t, store.SetAsync(ctx, "", nil, 0), memstore.ErrInvalidArgument)
	wantError(t, store.SetAsync(ctx, "k", make([]byte, 100), 0), memstore.ErrEntryTooLarge)
	wantError(t, store.SetAsync(ctx, "k", nil, -time.Second), memstore.ErrInvalidTTL)
	must(t, store.Flush(ctx))
	if stats := store.GetStats(); store.Size() != 0 || stats.RejectedTooLarge != 1 || stats.RejectedInvalidTTL != 1 {
		t.Errorf("Size %d, %+v", store.Size(), stats)
	}
}

// What a full store refuses is told by one Flush, and refuses nothing else.
func TestFlushTellsWhatWasRefused(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 4 << 20, Eviction: "none", BatchTimeout: never})
	value := make([]byte, 20_000)
	for i := range 8 {
		must(t, store.SetAsync(ctx, fmt.Sprint("queued", i), value, 0))
	}
	// With some seeds of the hash it is the index of a shard that finds no room.
	isFull := func(err error) bool {
		return errors.Is(err, memstore.ErrCacheFull) || errors.Is(err, memstore.ErrShardOverflow)
	}
	var err error
	for i := 0; err == nil; i++ {
		err = store.Set(ctx, fmt.Sprint(i), value, 0)
	}
	if !isFull(err) {
		t.Fatal(err)
	}
	before := store.Size()
	if err := store.Flush(ctx); !isFull(err) {
		t.Error(err)
	}
	must(t, store.Flush(ctx))
	stats := store.GetStats()
	refused := int(stats.RejectedFull+stats.RejectedMemory) - 1
	if refused < 1 || refused > 7 || store.Size() != before+8-refused {
		t.Errorf("%d of 8 refused, Size %d -> %d", refused, before, store.Size())
	}
}

func TestSetAsyncFromManyGoroutines(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 64 << 20, BatchTimeout: time.Millisecond})
	var group sync.WaitGroup
	for writer := range 8 {
		spawn(&group, func() {
			for i := range 2000 {
				noError(t, store.SetAsync(ctx, fmt.Sprint(writer, "/", i%50), []byte(fmt.Sprint(i)), 0))
				if i%500 == 499 {
					noError(t, store.Flush(ctx))
					wantValue(t, store, fmt.Sprint(writer, "/", i%50), fmt.Sprint(i))
				}
			}
		})
	}
	group.Wait()
	if store.Size() != 8*50 {
		t.Errorf("Size = %d", store.Size())
	}
	must(t, store.Close())
	if err := store.SetAsync(ctx, "k", nil, 0); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Errorf("SetAsync after Close: %v", err)
	}
	wantError(t, store.Flush(ctx), memstore.ErrCacheClosed)
}
