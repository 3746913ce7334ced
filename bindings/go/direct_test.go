// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

var directReads = flag.Int("memstore.direct", 2_000_000, "reads of the test that looks for torn values; a quarter with the race detector")

// openDirect opens a store that is read directly, unless this build cannot.
func openDirect(t testing.TB, config memstore.Config) *memstore.Store {
	t.Helper()
	store := open(t, config)
	if _, direct := store.DirectAnswers(); direct != memstore.DirectAvailable {
		t.Fatalf("the store is read directly: %v, this build can: %v", direct, memstore.DirectAvailable)
	}
	return store
}

// wantAnswers checks how many reads were answered without the library.
func wantAnswers(t testing.TB, store *memstore.Store, fewest int) {
	t.Helper()
	if answers, direct := store.DirectAnswers(); direct {
		t.Logf("%d reads were answered directly", answers)
		if answers < uint64(fewest) {
			t.Errorf("%d reads were answered directly, want %d at least", answers, fewest)
		}
	}
}

func TestStoresThatAreNotReadDirectly(t *testing.T) {
	for name, config := range map[string]memstore.Config{
		"not wanted":          {LibraryReads: true},
		"another hash":        {HashFunction: "fnv"},
		"another policy":      {Eviction: "lru"},
		"a small limit":       {MemoryLimit: 2 << 20},
		"creation times":      {StoreCreationTime: true},
		"ttls of last access": {TTLMode: "access", DefaultTTL: time.Hour},
		"refreshes":           {RefreshAfter: time.Hour},
		"latencies":           {TrackOperationLatency: true},
		"followed keys":       {AccessSampleRatio: 1},
	} {
		store := open(t, config)
		must(t, store.Set(ctx, "k", []byte("v"), 0))
		for range 100 {
			wantValue(t, store, "k", "v")
		}
		if answers, _ := store.DirectAnswers(); answers != 0 {
			t.Errorf("%s: %d reads were answered directly", name, answers)
		}
		if stats := store.GetStats(); stats.Hits != 100 {
			t.Errorf("%s: %d hits are counted", name, stats.Hits)
		}
	}
}

// TestDirectReadsAgreeWithTheLibrary asks both ways for keys of every size, with values of many, with and
// without a ttl; a second store, filled alike, is read through the library alone.
func TestDirectReadsAgreeWithTheLibrary(t *testing.T) { agreesWithTheLibrary(t, memstore.Config{}) }

// Above 4 GiB places count other units.
func TestDirectReadsOfALargeStoreAgreeWithTheLibrary(t *testing.T) {
	agreesWithTheLibrary(t, memstore.Config{MemoryLimit: 20 << 30})
}

func agreesWithTheLibrary(t *testing.T, config memstore.Config) {
	t.Helper()
	store, oracle := openDirect(t, config), open(t, memstore.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	var keys []string
	for size := range 300 {
		for range 4 {
			key := make([]byte, size+1)
			for i := range key {
				key[i] = byte(random.Uint32())
			}
			keys = append(keys, string(key))
		}
	}
	for i, key := range keys {
		value := bytes.Repeat([]byte{byte(i)}, []int{0, 1, 100, 511, 512, 513, 5000, 65533, 65534}[i%9])
		ttl := []time.Duration{0, time.Hour, 100 * 24 * time.Hour, time.Millisecond}[i/9%4]
		for _, s := range []*memstore.Store{store, oracle} {
			must(t, s.Set(ctx, key, value, ttl))
		}
	}
	time.Sleep(5 * time.Millisecond) // past the shortest ttl
	reads, misses, direct, batches := 0, 0, 0, 0
	buffer := make([]byte, 600)
	for _, key := range append(keys, "absent", "absent too, and rather long for a key", strings.Repeat("a", 120)) {
		want, there, err := oracle.Get(ctx, key)
		must(t, err)
		for range 3 {
			got, found, err := store.Get(ctx, key)
			if err != nil || found != there || !bytes.Equal(got, want) {
				t.Fatalf("Get(%q): %d bytes, %v, %v, want %d, %v", key, len(got), found, err, len(want), there)
			}
			got, found, err = store.GetInto(ctx, key, buffer)
			if err != nil || found != there || !bytes.Equal(got, want) {
				t.Fatalf("GetInto(%q): %d bytes, %v, %v, want %d, %v", key, len(got), found, err, len(want), there)
			}
			if found, err := store.Has(ctx, key); err != nil || found != there {
				t.Fatalf("Has(%q): %v, %v, want %v", key, found, err, there)
			}
			reads += 2
			if !there {
				misses += 2
			}
			if len(key) <= 128 && there && len(want) <= 513 {
				direct++ // the other way's buffer may be too small for the value
			}
		}
	}
	for group := keys; len(group) != 0; group = group[min(len(group), 1+len(group)%9):] {
		some := append([]string{"absent"}, group[:min(len(group), len(group)%8)]...)
		want, err := oracle.GetMany(ctx, some)
		must(t, err)
		before, _ := store.DirectAnswers()
		got, err := store.GetMany(ctx, some)
		must(t, err)
		if !maps.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("GetMany(%q): %d values, want %d", some, len(got), len(want))
		}
		reads += len(some)
		misses += len(some) - len(want)
		if after, _ := store.DirectAnswers(); after != before {
			batches++
			direct += len(some)
		}
	}
	if _, is := store.DirectAnswers(); is && batches < 10 {
		t.Errorf("%d batches were answered directly", batches)
	}
	if stats := store.GetStats(); stats.Misses != uint64(misses) || stats.Hits != uint64(reads-misses) {
		t.Errorf("counted %d hits and %d misses of %d reads that missed %d times", stats.Hits, stats.Misses, reads, misses)
	}
	wantAnswers(t, store, direct)
}

// stamped is a value that shows whether it is whole and whose it is.
func stamped(key uint64, size int, stamp uint64) []byte {
	value := make([]byte, 16+size*8)
	for i := 0; i < len(value); i += 8 {
		binary.LittleEndian.PutUint64(value[i:], key*0x9e3779b97f4a7c15^stamp)
	}
	binary.LittleEndian.PutUint64(value, stamp)
	return value
}

func isWhole(value []byte, key uint64) bool {
	if len(value) < 16 || len(value)%8 != 0 {
		return false
	}
	want := key*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(value)
	for i := 8; i < len(value); i += 8 {
		if binary.LittleEndian.Uint64(value[i:]) != want {
			return false
		}
	}
	return true
}

// TestDirectReadsAreNeverTorn reads while others overwrite, evict, grow the index, delete, batch and clear, in
// a store so small that memory is used again all the time.
func TestDirectReadsAreNeverTorn(t *testing.T) {
	const keys, readers = 40000, 3
	reads := *directReads
	if underRace() {
		reads /= 4
	}
	grown := &countingHandler{event: "index_grown"}
	store := openDirect(t, memstore.Config{MemoryLimit: 4 << 20, Verbose: true, Logger: slog.New(grown)})
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("a key of some length %d%s", i, strings.Repeat("+", i%40))
	}
	var stop atomic.Bool
	var stamp, refused atomic.Uint64
	var writers, group sync.WaitGroup
	write := func(work func(random *rand.Rand, stamp uint64) error) {
		writers.Add(1)
		go func() {
			defer writers.Done()
			random := rand.New(rand.NewPCG(3, stamp.Add(1)))
			for !stop.Load() {
				err := work(random, stamp.Add(1))
				if errors.Is(err, memstore.ErrGCPressure) || errors.Is(err, memstore.ErrLockTimeout) {
					refused.Add(1) // a machine on which a reader gets no processor for so long
				} else if err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	write(func(random *rand.Rand, stamp uint64) error {
		i := random.IntN(keys)
		ttl := []time.Duration{0, 0, time.Hour, 2 * time.Millisecond}[random.IntN(4)]
		return store.Set(ctx, names[i], stamped(uint64(i), random.IntN(60), stamp), ttl)
	})
	write(func(random *rand.Rand, stamp uint64) error {
		items := make(map[string][]byte)
		for range 20 {
			i := random.IntN(keys)
			items[names[i]] = stamped(uint64(i), random.IntN(20), stamp)
		}
		if err := store.SetMany(ctx, items, 0); err != nil {
			return err
		}
		if stamp%4000 == 0 {
			return store.Clear(ctx)
		}
		if stamp%50 == 0 {
			_ = store.Compact(ctx, 0.1)
		}
		return store.Delete(ctx, names[random.IntN(keys)])
	})
	// A busy machine may let the readers be done before the writers have filled the store.
	patience := time.Now().Add(time.Minute)
	enough := func() bool { return store.GetStats().Evictions > 0 || time.Now().After(patience) }
	var torn, hits atomic.Int64
	for r := range readers {
		group.Add(1)
		go func() {
			defer group.Done()
			random := rand.New(rand.NewPCG(5, uint64(r)))
			buffer, mine := make([]byte, 600), int64(0)
			var several memstore.Values
			for n := 0; n < reads/readers || !enough(); n++ {
				i := random.Uint64N(keys)
				if i%16 == 0 {
					if err := store.GetManyInto(ctx, names[i:min(i+3, keys)], &several); err != nil {
						t.Error(err)
						return
					}
					for j, value := range several.All() {
						if !isWhole(value, i+uint64(j)) {
							torn.Add(1)
						}
					}
					continue
				}
				value, found, err := store.GetInto(ctx, names[i], buffer)
				if err != nil {
					t.Error(err)
					return
				}
				if found {
					mine++
					if !isWhole(value, i) {
						torn.Add(1)
					}
				}
			}
			hits.Add(mine)
		}()
	}
	group.Wait()
	stop.Store(true)
	writers.Wait()
	stats := store.GetStats()
	t.Logf("%d reads, %d hits, %d writes of which %d were refused, %d evictions, %d expirations", reads, hits.Load(),
		stamp.Load(), refused.Load(), stats.Evictions, stats.Expirations)
	if torn.Load() != 0 {
		t.Errorf("%d values were torn", torn.Load())
	}
	if hits.Load() == 0 || stats.Evictions == 0 {
		t.Error("nothing was read, or nothing evicted")
	}
	wantAnswers(t, store, reads/2) // what is about to expire is asked of the library
	must(t, store.Close())
	if grown.count.Load() == 0 {
		t.Error("the index did not grow")
	}
}

// countingHandler counts the records of an event.
type countingHandler struct {
	slog.Handler
	event string
	count atomic.Int64
}

func (h *countingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *countingHandler) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "event" && attr.Value.String() == h.event {
			h.count.Add(1)
		}
		return true
	})
	return nil
}

// TestDirectReadsEndWithTheStore closes stores that are being read.
func TestDirectReadsEndWithTheStore(t *testing.T) {
	for range 20 {
		store := openDirect(t, memstore.Config{})
		must(t, store.Set(ctx, "key", []byte("value"), 0))
		var group sync.WaitGroup
		for range 3 {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					value, found, err := store.Get(ctx, "key")
					if err != nil {
						return
					}
					if !found || string(value) != "value" {
						t.Errorf("got %q, %v", value, found)
						return
					}
				}
			}()
		}
		time.Sleep(time.Millisecond)
		must(t, store.Close())
		group.Wait()
		if _, err := store.Has(ctx, "key"); err == nil {
			t.Error("a closed store answers")
		}
	}
}

// TestDirectReadsServeNothingThatHasExpired reads entries until they are gone: one of a ttl so long that the coarse clock
// decides at first, one of a short ttl.
func TestDirectReadsServeNothingThatHasExpired(t *testing.T) {
	store := openDirect(t, memstore.Config{})
	for _, ttl := range []time.Duration{1100 * time.Millisecond, 20 * time.Millisecond} {
		set := time.Now()
		must(t, store.Set(ctx, "key", []byte("value"), ttl))
		expired := time.Now().Add(ttl)
		for {
			begin := time.Now()
			_, found, err := store.Get(ctx, "key")
			must(t, err)
			if found && !begin.Before(expired) {
				t.Fatalf("a ttl of %v: served %v after it was over", ttl, begin.Sub(expired))
			}
			if !found {
				if time.Since(set) < ttl-2*time.Millisecond { // which are counted from where one begins
					t.Errorf("a ttl of %v: gone after %v", ttl, time.Since(set))
				}
				break
			}
		}
	}
	wantAnswers(t, store, 1)
}

// TestDirectReadsCanBeProfiled interrupts reads of entries with a ttl wherever they are, which may be in C code of which
// the scheduler does not know.
func TestDirectReadsCanBeProfiled(t *testing.T) {
	store := openDirect(t, memstore.Config{})
	must(t, store.Set(ctx, "key", []byte("value"), time.Hour))
	var profile bytes.Buffer
	must(t, pprof.StartCPUProfile(&profile))
	reads := 0
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; reads += 1000 {
		for range 1000 {
			if found, err := store.Has(ctx, "key"); !found || err != nil {
				t.Fatal(found, err)
			}
		}
	}
	pprof.StopCPUProfile()
	wantValue(t, store, "key", "value")
	wantAnswers(t, store, 1)
	if profile.Len() == 0 {
		t.Errorf("nothing was profiled of %d reads", reads)
	}
}

// BenchmarkDirect compares the two ways to read entries with and without a ttl.
func BenchmarkDirect(b *testing.B) {
	for _, ttl := range []time.Duration{0, time.Hour} {
		for _, way := range []bool{false, true} {
			benchReads(b, fmt.Sprintf("ttl=%v/direct=%v", ttl, way), way, ttl)
		}
	}
}

func benchReads(b *testing.B, name string, way bool, ttl time.Duration) {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 1 << 30, MaxEntriesInWindow: benchEntries, LibraryReads: !way})
	must(b, err)
	_, keys := openBench()
	for i := range benchEntries {
		must(b, store.Set(ctx, keys.at(i*7919), make([]byte, benchValue), ttl))
	}
	buffer := make([]byte, benchValue)
	for _, method := range []struct {
		name string
		read func(key string) bool
	}{
		{"Get", func(key string) bool { _, found, _ := store.Get(ctx, key); return found }},
		{"GetInto", func(key string) bool { _, found, _ := store.GetInto(ctx, key, buffer); return found }},
		{"Has", func(key string) bool { found, _ := store.Has(ctx, key); return found }},
	} {
		b.Run(method.name+"/"+name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ { // the keys are in random order
				if !method.read(keys.at(i)) {
					b.Fatal("not found")
				}
			}
		})
		b.Run(method.name+"/hot/"+name, func(b *testing.B) {
			for b.Loop() {
				method.read(keys.at(7))
			}
		})
	}
	must(b, store.Close())
}
