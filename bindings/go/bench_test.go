// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

const (
	benchEntries = 1_000_000
	benchValue   = 100
	benchKey     = 16
)

// benchKeys is all keys in one string, in random order: successive gets meet entries far apart, and
// the collector, which is not what is measured, has nothing to scan.
type benchKeys string

func (k benchKeys) at(i int) string {
	start := i % benchEntries * benchKey
	return string(k[start : start+benchKey])
}

// fill replaces the strings of dst by the keys from i on.
func (k benchKeys) fill(dst []string, i int) {
	for j := range dst {
		dst[j] = k.at(i + j)
	}
}

// openBench opens the store of all benchmarks: a million small entries. It stays open until the end.
var openBench = sync.OnceValues(func() (*memstore.Store, benchKeys) {
	store, err := memstore.Open(memstore.Config{MemoryLimit: 1 << 30, MaxEntriesInWindow: benchEntries})
	if err != nil {
		panic(err)
	}
	packed := make([]byte, 0, benchEntries*benchKey)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(benchEntries) {
		packed = fmt.Appendf(packed, "key/%012d", i)
	}
	keys, value := benchKeys(packed), make([]byte, benchValue)
	for i := range benchEntries {
		if err := store.Set(ctx, keys.at(i*7919), value, 0); err != nil {
			panic(err)
		}
	}
	return store, keys
})

func benchStore(b *testing.B) (*memstore.Store, benchKeys) {
	store, keys := openBench()
	b.ReportAllocs()
	b.ResetTimer()
	return store, keys
}

func BenchmarkGet(b *testing.B) {
	store, keys := benchStore(b)
	for i := 0; b.Loop(); i++ {
		if _, found, err := store.Get(ctx, keys.at(i)); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkGetInto(b *testing.B) {
	store, keys := benchStore(b)
	buffer := make([]byte, benchValue)
	for i := 0; b.Loop(); i++ {
		if _, found, err := store.GetInto(ctx, keys.at(i), buffer); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkView(b *testing.B) {
	store, keys := benchStore(b)
	for i := 0; b.Loop(); i++ {
		if found, err := store.View(ctx, keys.at(i), func([]byte) error { return nil }); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

// BenchmarkGetHot reads one entry that is always in the processor's cache: the cost of the crossing
// and the copy.
func BenchmarkGetHot(b *testing.B) {
	store, keys := benchStore(b)
	for b.Loop() {
		if _, found, err := store.Get(ctx, keys.at(0)); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkGetMiss(b *testing.B) {
	store, keys := benchStore(b)
	absent := make([]byte, 0, benchEntries*benchKey)
	absent = append(absent, keys...)
	for i := range benchEntries {
		absent[i*benchKey] = 'K'
	}
	keys = benchKeys(absent)
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, found, err := store.Get(ctx, keys.at(i)); found || err != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	store, keys := benchStore(b)
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(benchEntries); pb.Next(); i++ {
			if _, found, err := store.Get(ctx, keys.at(i)); !found || err != nil {
				b.Error(found, err)
				return
			}
		}
	})
}

func BenchmarkHas(b *testing.B) {
	store, keys := benchStore(b)
	for i := 0; b.Loop(); i++ {
		if found, err := store.Has(ctx, keys.at(i)); !found || err != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	store, keys := benchStore(b)
	value := make([]byte, benchValue)
	for i := 0; b.Loop(); i++ {
		if err := store.Set(ctx, keys.at(i), value, 0); err != nil { // must would be a sixth of it
			b.Fatal(err)
		}
	}
}

// BenchmarkGetMany and BenchmarkSetMany tell the time of one batch, and of one key as ns/key.
func BenchmarkGetMany(b *testing.B) {
	for _, n := range []int{16, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			store, keys := benchStore(b)
			batch := make([]string, n)
			for i := 0; b.Loop(); i++ {
				keys.fill(batch, i*n)
				if values, err := store.GetMany(ctx, batch); len(values) != n || err != nil {
					b.Fatal(len(values), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
		})
	}
}

func BenchmarkSetMany(b *testing.B) {
	const n = 100
	store, keys := benchStore(b)
	batches := make([]map[string][]byte, 1000)
	value := make([]byte, benchValue)
	for i := range batches {
		batches[i] = make(map[string][]byte, n)
		for j := range n {
			batches[i][keys.at(i*n+j)] = value
		}
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		must(b, store.SetMany(ctx, batches[i%len(batches)], 0))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
}

// TestCallsAllocateWhatTheyReturn holds what the layer promises about garbage.
func TestCallsAllocateWhatTheyReturn(t *testing.T) {
	pooled := 0.0
	if underRace() {
		pooled = 2 // the race detector has pools forget a quarter of what they are given
	}
	for _, way := range []bool{false, true} {
		store := open(t, memstore.Config{LibraryReads: !way})
		must(t, store.Set(ctx, "k", make([]byte, 100), 0))
		must(t, store.Set(ctx, "brief", nil, time.Hour))
		value := make([]byte, 100)
		batch := store.NewBatch()
		ending, end := context.WithCancel(ctx)
		defer end()
		soon := time.Now().Add(time.Hour)
		keys, items := make([]string, 20), make(map[string][]byte)
		for i := range keys {
			keys[i] = fmt.Sprint("many ", i)
			items[keys[i]] = value
		}
		var values memstore.Values
		for name, test := range map[string]struct {
			want float64
			call func()
		}{
			"Get of a hit":           {1, func() { _, _, _ = store.Get(ctx, "k") }},
			"GetInto":                {0, func() { _, _, _ = store.GetInto(ctx, "k", value) }},
			"View":                   {0, func() { _, _ = store.View(ctx, "k", func([]byte) error { return nil }) }},
			"Get of a miss":          {0, func() { _, _, _ = store.Get(ctx, "absent") }},
			"GetVersioned":           {1, func() { _, _, _, _ = store.GetVersioned(ctx, "k") }},
			"GetVersioned, absent":   {0, func() { _, _, _, _ = store.GetVersioned(ctx, "absent") }},
			"GetOrLoad of a hit":     {1, func() { _, _ = store.GetOrLoad(ctx, "k", 0, constant) }},
			"Has":                    {0, func() { _, _ = store.Has(ctx, "k") }},
			"Set":                    {0, func() { _ = store.Set(ctx, "k", value, 0) }},
			"Delete":                 {0, func() { _ = store.Delete(ctx, "absent") }},
			"GetTTL":                 {1, func() { _, _ = store.GetTTL(ctx, "k") }}, // the error that there is none
			"a batch that is reused": {0, func() { _ = batch.Set("k", value, 0).Delete("absent").Commit(ctx) }},

			"Set, waiting":    {0, func() { _ = store.Set(ending, "k", value, 0) }},
			"SetWithTTL":      {0, func() { _ = store.SetWithTTL(ctx, "brief", value, time.Hour) }},
			"SetUntil":        {0, func() { _ = store.SetUntil(ctx, "brief", value, soon) }},
			"SetAsync":        {0, func() { _ = store.SetAsync(ctx, "later", value, 0) }},
			"Add and Remove":  {0, func() { _ = store.Add(ctx, "new", value, 0); _, _ = store.Remove(ctx, "new") }},
			"Replace":         {0, func() { _ = store.Replace(ctx, "k", value, 0) }},
			"CompareAndSet":   {0, func() { _ = store.CompareAndSet(ctx, "cas", value, 0, 0); _ = store.Delete(ctx, "cas") }},
			"Increment":       {0, func() { _, _ = store.Increment(ctx, "n", 1, 0, 0) }},
			"GetTTL of brief": {0, func() { _, _ = store.GetTTL(ctx, "brief") }},
			"GetExpiration":   {0, func() { _, _ = store.GetExpiration(ctx, "brief") }},
			"UpdateTTL":       {0, func() { _ = store.UpdateTTL(ctx, "brief", time.Hour) }},
			"SetMany":         {pooled, func() { _ = store.SetMany(ctx, items, 0) }},
			"GetManyInto":     {pooled, func() { _ = store.GetManyInto(ctx, keys, &values) }},
			"DeleteMany":      {pooled, func() { _ = store.DeleteMany(ctx, keys) }},
			"Size":            {0, func() { store.Size() }},
			"GetStats":        {1, func() { store.GetStats() }}, // the result
		} {
			if got := testing.AllocsPerRun(100, test.call); got > test.want {
				t.Errorf("%s, direct %v: makes %v allocations, want %v", name, way, got, test.want)
			}
		}
	}
}

// TestWhatCallsReturnHasItsOwnSize: a value that is kept does not keep a larger buffer.
func TestWhatCallsReturnHasItsOwnSize(t *testing.T) {
	for _, way := range []bool{false, true} {
		store := open(t, memstore.Config{LibraryReads: !way})
		for _, size := range []int{0, 1, 100, 512, 513, 5000, 16 << 10, 16<<10 + 1, 100_000} {
			must(t, store.Set(ctx, "k", make([]byte, size), 0))
			got, _, err := store.Get(ctx, "k")
			must(t, err)
			versioned, _, _, err := store.GetVersioned(ctx, "k")
			must(t, err)
			loaded, err := store.GetOrLoad(ctx, "k", 0, constant)
			must(t, err)
			for name, value := range map[string][]byte{"Get": got, "GetVersioned": versioned, "GetOrLoad": loaded} {
				// The allocator rounds up by an eighth at most, to 8 bytes at least.
				if value == nil || len(value) != size || cap(value) > size+size/8+64 {
					t.Errorf("%s of %d bytes, direct %v: %d in %d", name, size, way, len(value), cap(value))
				}
			}
		}
	}
}

func TestManyLargeValuesMakeNoGarbageBesidesThem(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 64 << 20})
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
		must(t, store.Set(ctx, keys[i], make([]byte, 8<<10), 0))
	}
	var before, after runtime.MemStats
	read := func() { _, err := store.GetMany(ctx, keys); must(t, err) }
	read()
	const rounds = 50
	runtime.ReadMemStats(&before)
	for range rounds {
		read()
	}
	runtime.ReadMemStats(&after)
	// The values are 800 kB, which a buffer of half a megabyte does not hold; a collection may take it.
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 1_150_000 {
		t.Errorf("GetMany of 819200 bytes allocates %d", each)
	}
}
