// SPDX-License-Identifier: Apache-2.0

package bigcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	original "github.com/allegro/bigcache/v3"
	memstore "github.com/weisyn/memstore/bindings/go"
)

// shape is what both have, but for what returns types of their own.
type shape interface {
	Set(key string, entry []byte) error
	Get(key string) ([]byte, error)
	Append(key string, entry []byte) error
	Delete(key string) error
	Reset() error
	Len() int
	ResetStats() error
	Close() error
}

var (
	_ shape = (*BigCache)(nil)
	_ shape = (*original.BigCache)(nil)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, config Config) *BigCache {
	t.Helper()
	config.HardMaxCacheSize = 16
	c, err := New(context.Background(), config)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func openOriginal(t testing.TB) *original.BigCache {
	t.Helper()
	config := original.DefaultConfig(time.Hour)
	config.Shards, config.Verbose = 16, false
	c, err := original.New(context.Background(), config)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// quiet is the default configuration without its log.
func quiet() Config {
	config := DefaultConfig(time.Hour)
	config.Verbose = false
	return config
}

// both runs a test with the original and with this one.
func both(t *testing.T, test func(t *testing.T, c shape)) {
	t.Run("original", func(t *testing.T) { test(t, openOriginal(t)) })
	t.Run("memstore", func(t *testing.T) { test(t, open(t, quiet())) })
}

// absent says whether an error is either one's "not found".
func absent(err error) bool { return err == ErrEntryNotFound || err == original.ErrEntryNotFound }

func TestEntriesComeBack(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		for _, size := range []int{0, 1, 1000, 100_000} {
			key, want := fmt.Sprint("key", size), bytes.Repeat([]byte{7}, size)
			must(t, c.Set(key, want))
			got, err := c.Get(key)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("size %d: %d bytes, %v", size, len(got), err)
			}
		}
		if c.Len() != 4 {
			t.Errorf("%d entries", c.Len())
		}
		must(t, c.Delete("key1"))
		if err := c.Delete("key1"); !absent(err) {
			t.Errorf("a second Delete: %v", err)
		}
		if _, err := c.Get("key1"); !absent(err) {
			t.Errorf("Get after Delete: %v", err)
		}
		must(t, c.Append("list", []byte("a")))
		must(t, c.Append("list", []byte("b")))
		if got, err := c.Get("list"); err != nil || string(got) != "ab" {
			t.Errorf("got %q, %v", got, err)
		}
		must(t, c.ResetStats())
		must(t, c.Reset())
		if c.Len() != 0 {
			t.Errorf("%d entries after Reset", c.Len())
		}
	})
}

func TestAppendsOfManyGoroutinesLoseNothing(t *testing.T) {
	both(t, func(t *testing.T, c shape) {
		var group sync.WaitGroup
		for range 4 {
			group.Add(1)
			go func() {
				defer group.Done()
				for range 100 {
					if err := c.Append("list", []byte("x")); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		group.Wait()
		if got, err := c.Get("list"); err != nil || len(got) != 400 {
			t.Errorf("%d bytes, %v; want 400", len(got), err)
		}
	})
}

func TestRandomCallsHaveTheSameResults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	theirs, ours := openOriginal(t), open(t, quiet())
	for range 20_000 {
		key := fmt.Sprint(random.IntN(500))
		var want, got error
		switch random.IntN(5) {
		case 0:
			want, got = theirs.Delete(key), ours.Delete(key)
		case 1:
			value := bytes.Repeat([]byte(key), random.IntN(50))
			want, got = theirs.Set(key, value), ours.Set(key, value)
		case 2:
			want, got = theirs.Append(key, []byte("+")), ours.Append(key, []byte("+"))
		default:
			var wanted, value []byte
			wanted, want = theirs.Get(key)
			value, got = ours.Get(key)
			if !bytes.Equal(value, wanted) {
				t.Fatalf("%q is %d bytes, want %d", key, len(value), len(wanted))
			}
		}
		if absent(got) != absent(want) || (got == nil) != (want == nil) {
			t.Fatalf("%q: %v, want %v", key, got, want)
		}
	}
	if ours.Len() != theirs.Len() {
		t.Errorf("%d entries, want %d", ours.Len(), theirs.Len())
	}
	stats, theirStats := ours.Stats(), theirs.Stats()
	if stats != Stats(theirStats) {
		t.Errorf("%+v, want %+v", stats, theirStats)
	}
	seen := map[string]bool{}
	it := ours.Iterator()
	if _, err := it.Value(); err != ErrInvalidIteratorState {
		t.Errorf("before SetNext: %v", err)
	}
	for it.SetNext() {
		entry, err := it.Value()
		want, theirErr := theirs.Get(entry.Key())
		if err != nil || theirErr != nil || seen[entry.Key()] || !bytes.Equal(entry.Value(), want) {
			t.Errorf("%q: %v, %v", entry.Key(), err, theirErr)
		}
		if age := time.Since(time.Unix(int64(entry.Timestamp()), 0)); age < 0 || age > time.Hour {
			t.Errorf("%q is %v old", entry.Key(), age)
		}
		if entry.Hash() != (fnv64a{}).Sum64(entry.Key()) {
			t.Errorf("%q: hash %d", entry.Key(), entry.Hash())
		}
		seen[entry.Key()] = true
	}
	if len(seen) != theirs.Len() {
		t.Errorf("%d entries were iterated over", len(seen))
	}
	if again := ours.Stats(); again != stats {
		t.Errorf("after the iterator %+v, want %+v", again, stats)
	}
}

func TestCallbacksAreToldWhy(t *testing.T) {
	type removal struct {
		key    string
		reason RemoveReason
	}
	removed := make(chan removal, 10)
	config := quiet()
	config.OnRemoveWithReason = func(key string, _ []byte, reason RemoveReason) {
		select {
		case removed <- removal{key, reason}:
		default: // enough
		}
	}
	c := open(t, config)
	must(t, c.Set("deleted", nil))
	must(t, c.Delete("deleted"))
	if got := <-removed; got != (removal{"deleted", Deleted}) {
		t.Errorf("got %v", got)
	}
	must(t, c.Store().Set(background, "expired", nil, time.Millisecond))
	if got := <-removed; got != (removal{"expired", Expired}) {
		t.Errorf("got %v", got)
	}

	filtered := open(t, config.OnRemoveFilterSet(NoSpace))
	must(t, filtered.Set("k", nil))
	must(t, filtered.Delete("k"))
	for i := range 20_000 { // more than there is room for
		must(t, filtered.Set(fmt.Sprint(i), make([]byte, 1<<10)))
	}
	if got := <-removed; got.reason != NoSpace {
		t.Errorf("got %v", got)
	}
}

// What a callback is too slow for is lost, and counted.
func TestRemovalsThatNobodyIsToldOfAreCounted(t *testing.T) {
	var calls atomic.Uint64
	let := make(chan struct{})
	config := quiet()
	config.OnRemove = func(string, []byte) { <-let; calls.Add(1) }
	c := open(t, config)
	deletes := uint64(0)
	for ; c.Store().GetEventStats().Dropped == 0; deletes++ {
		must(t, c.Set("k", nil))
		must(t, c.Delete("k"))
	}
	if c.Lost() == 0 {
		t.Error("none is lost")
	}
	close(let)
	for deadline := time.Now().Add(time.Minute); calls.Load()+c.Lost() < deletes && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if calls.Load()+c.Lost() != deletes {
		t.Errorf("%d calls and %d lost of %d", calls.Load(), c.Lost(), deletes)
	}
	if lost := open(t, quiet()).Lost(); lost != 0 {
		t.Errorf("%d are lost without a callback", lost)
	}
}

func TestOnRemoveAndInfo(t *testing.T) {
	removed := make(chan string, 1)
	config := Config{OnRemove: func(key string, entry []byte) { removed <- key + string(entry) }}
	c := open(t, config)
	must(t, c.Set("k", []byte("v")))
	value, response, err := c.GetWithInfo("k")
	if err != nil || string(value) != "v" || response.EntryStatus != 0 || c.Capacity() <= 0 {
		t.Errorf("got %q, %v, %v", value, response, err)
	}
	must(t, c.Delete("k"))
	if got := <-removed; got != "kv" {
		t.Errorf("got %q", got)
	}
	if _, err := c.Get(""); !absent(err) || !absent(c.Delete("")) {
		t.Errorf("the empty key: %v", err)
	}
}

func TestTheContextClosesTheCache(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := New(ctx, quiet())
	must(t, err)
	cancel()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if err := c.Set("k", nil); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cache is still open")
		}
	}
	must(t, c.Close())
	if _, err := NewBigCache(Config{Shards: 3}); err == nil {
		t.Error("three shards are no power of two")
	} else if _, is := err.(*memstore.Error); !is {
		t.Errorf("got %T", err)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	for _, config := range []Config{
		{LifeWindow: -1}, {MaxEntrySize: -1}, {MaxEntriesInWindow: -1}, {HardMaxCacheSize: -1}, {HardMaxCacheSize: math.MaxInt}, {Shards: 3},
	} {
		if c, err := New(context.Background(), config); err == nil {
			t.Errorf("%+v is taken", config)
			must(t, c.Close())
		}
	}
}

func TestAClosedCacheSaysSo(t *testing.T) {
	c := open(t, quiet())
	must(t, c.Set("k", nil))
	must(t, c.Close())
	must(t, c.Close())
	_, get := c.Get("k")
	for _, err := range []error{get, c.Set("k", nil), c.Append("k", nil), c.Delete("k"), c.Reset()} {
		if !errors.Is(err, memstore.ErrCacheClosed) {
			t.Errorf("got %v", err)
		}
	}
	if c.Len() != 0 || c.Capacity() != 0 || c.Iterator().SetNext() {
		t.Error("a closed cache has entries")
	}
}

func TestASmallLimitIsNotSpentOnTheIndex(t *testing.T) {
	for _, size := range []int{0, 1, 8} {
		for _, entries := range []int{DefaultConfig(time.Hour).MaxEntriesInWindow, 1 << 30} {
			config := quiet()
			config.HardMaxCacheSize, config.MaxEntriesInWindow = size, entries
			c, err := NewBigCache(config)
			must(t, err)
			if taken, limit := c.Capacity(), c.Store().Capacity(); taken > limit/5 {
				t.Errorf("an empty cache for %d entries takes %d bytes of %d", entries, taken, limit)
			}
			must(t, c.Set("k", []byte("v")))
			must(t, c.Close())
		}
	}
}
