// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// gatherer is what was thought of to save crossings: goroutines leave keys in a queue, another one takes all that
// wait and reads them by one call. docs/design/go-reads.md has what BenchmarkGathered says of it.
type gatherer struct {
	store *memstore.Store
	queue chan *gathered
}

type gathered struct {
	key   string
	value []byte
	found bool
	done  chan struct{}
}

func newGatherer(store *memstore.Store, readers int) *gatherer {
	g := &gatherer{store, make(chan *gathered, 1024)}
	for range readers {
		go g.read()
	}
	return g
}

const gatheredMost = 128

func (g *gatherer) read() {
	var values memstore.Values
	waiting := make([]*gathered, 0, gatheredMost)
	keys := make([]string, 0, gatheredMost)
	for first := range g.queue {
		waiting, keys = append(waiting[:0], first), append(keys[:0], first.key)
		for more := true; more && len(waiting) < gatheredMost; {
			select {
			case next, open := <-g.queue:
				if more = open; open {
					waiting, keys = append(waiting, next), append(keys, next.key)
				}
			default:
				more = false
			}
		}
		if err := g.store.GetManyInto(ctx, keys, &values); err != nil {
			panic(err)
		}
		for i, one := range waiting {
			value, found := values.At(i)
			one.value, one.found = append(one.value[:0], value...), found
			one.done <- struct{}{}
		}
	}
}

func (g *gatherer) get(one *gathered) bool {
	g.queue <- one
	<-one.done
	return one.found
}

// BenchmarkGathered compares GetInto with a gatherer of one reader and of two, by how many goroutines read.
func BenchmarkGathered(b *testing.B) {
	store, keys := openBench()
	for _, goroutines := range []int{1, 64, 1000} {
		run := func(name string, get func(one *gathered) bool) {
			b.Run(fmt.Sprintf("%s/%d", name, goroutines), func(b *testing.B) {
				var group sync.WaitGroup
				var left atomic.Int64
				left.Store(int64(b.N))
				for range goroutines {
					spawn(&group, func() {
						one := &gathered{value: make([]byte, 0, benchValue), done: make(chan struct{}, 1)}
						for i := rand.IntN(benchEntries); left.Add(-1) >= 0; i++ {
							one.key = keys.at(i)
							if !get(one) {
								b.Error("not found")
								return
							}
						}
					})
				}
				group.Wait()
			})
		}
		run("GetInto", func(one *gathered) bool {
			value, found, _ := store.GetInto(ctx, one.key, one.value[:0])
			one.value = value
			return found
		})
		for _, readers := range []int{1, 2} {
			g := newGatherer(store, readers)
			run(fmt.Sprintf("gathered by %d", readers), g.get)
			close(g.queue)
		}
	}
}

// BenchmarkDirectMany compares the two ways to read several keys.
func BenchmarkDirectMany(b *testing.B) {
	_, keys := openBench()
	for _, way := range []bool{false, true} {
		store := open(b, memstore.Config{MemoryLimit: 1 << 30, MaxEntriesInWindow: benchEntries, LibraryReads: !way})
		for i := range benchEntries {
			must(b, store.Set(ctx, keys.at(i*7919), make([]byte, benchValue), 0))
		}
		for _, n := range []int{2, 4, 8, 16, 100} {
			for _, hot := range []bool{true, false} {
				b.Run(fmt.Sprintf("%d/hot=%v/direct=%v", n, hot, way), func(b *testing.B) { benchMany(b, store, keys, n, hot) })
			}
		}
		must(b, store.Close())
	}
}

func benchMany(b *testing.B, store *memstore.Store, keys benchKeys, n int, hot bool) {
	var values memstore.Values
	batch := make([]string, n)
	keys.fill(batch, 0)
	for i := 1; b.Loop(); i++ {
		if !hot {
			keys.fill(batch, i*n)
		}
		if err := store.GetManyInto(ctx, batch, &values); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/key")
}
