// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// results is figures by name; each name is a row of the table.
type results map[string]float64

const (
	valueSize = 100
	hitSize   = 100
	// What the caches that everything fits in are opened with.
	roomy = 1 << 30
)

// child measures one workload of one peer in a process of its own and writes the results.
func child(p peer, workload string, entries, operations int) {
	out := results{}
	switch workload {
	case "speed":
		measureSpeed(p, entries, operations, out)
	case "new":
		measureNew(p, operations, out)
	case "overhead":
		measureOverhead(p, 2*entries, 32, "overhead 32 B", out)
	case "overhead-large":
		measureOverhead(p, entries, 500, "overhead 500 B", out)
	case "hits":
		measureHits(p, 10*operations, out)
	case "large":
		measureLarge(p, 5*entries, operations, out)
	}
	check(json.NewEncoder(os.Stdout).Encode(out))
}

// each runs work on a share of the stream for every goroutine and returns nanoseconds an operation and
// goroutine.
func each(goroutines int, s stream, work func(from, to int)) float64 {
	var all sync.WaitGroup
	share := s.len() / goroutines
	begin := time.Now()
	for g := range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			work(g*share, (g+1)*share)
		}()
	}
	all.Wait()
	return float64(time.Since(begin).Nanoseconds()) / float64(share)
}

func reader(c cache, s stream) func(from, to int) {
	return func(from, to int) {
		buffer := make([]byte, 0, 4*valueSize)
		for i := from; i < to; i++ {
			if value, found := c.get(s.key(i), buffer); found {
				verify(value, s.numbers[i], valueSize)
			}
		}
	}
}

// manyReader reads as many keys at a time.
func manyReader(c many, s stream, size int) func(from, to int) {
	return func(from, to int) {
		values := c.newBatch()
		keys := make([]string, 0, size)
		for i := from; i+size <= to; i += size {
			keys = keys[:0]
			for j := range size {
				keys = append(keys, s.key(i+j))
			}
			values.read(keys)
			for j := range size {
				if value, found := values.at(j); found {
					verify(value, s.numbers[i+j], valueSize)
				}
			}
		}
	}
}

// allocations is how many objects a get leaves to the collector.
func allocations(c cache, s stream) float64 {
	buffer, at := make([]byte, 0, 4*valueSize), 0
	return testing.AllocsPerRun(10000, func() {
		c.get(s.key(at), buffer)
		at++
	})
}

func writer(c cache, s stream, size int) func(from, to int) {
	return func(from, to int) {
		value := make([]byte, size)
		for i := from; i < to; i++ {
			fillValue(value, s.numbers[i])
			c.set(s.key(i), value)
		}
	}
}

// mixer reads nineteen times in twenty.
func mixer(c cache, s stream, size int, latencies *[]time.Duration, lock *sync.Mutex) func(from, to int) {
	return func(from, to int) {
		buffer, value := make([]byte, 0, 4*valueSize), make([]byte, size)
		mine := make([]time.Duration, 0, (to-from)/16)
		for i := from; i < to; i++ {
			if i%20 == 0 {
				fillValue(value, s.numbers[i])
				c.set(s.key(i), value)
				continue
			}
			if i%16 != 1 {
				c.get(s.key(i), buffer)
				continue
			}
			begin := time.Now()
			c.get(s.key(i), buffer)
			mine = append(mine, time.Since(begin))
		}
		lock.Lock()
		*latencies = append(*latencies, mine...)
		lock.Unlock()
	}
}

func measureSpeed(p peer, entries, operations int, out results) {
	random := rand.New(rand.NewPCG(1, 2))
	c := p.open(roomy, 2*entries)
	defer c.close()
	writer(c, inOrder(entries, 0), valueSize)(0, entries)
	flat, skewed := uniform(operations, entries, random), zipf(operations, entries, 0.99, random)
	runtime.GC()
	for _, goroutines := range []int{1, 2} {
		out[fmt.Sprintf("get uniform %dg", goroutines)] = each(goroutines, flat, reader(c, flat))
		out[fmt.Sprintf("get Zipf %dg", goroutines)] = each(goroutines, skewed, reader(c, skewed))
	}
	for name, s := range map[string]stream{"uniform": flat, "Zipf": skewed} {
		if m, ok := c.(many); ok {
			for _, batch := range []int{16, 100} {
				out[fmt.Sprintf("many %s %d", name, batch)] = each(1, s, manyReader(m, s, batch))
			}
		}
	}
	out["get, allocations"] = allocations(c, flat)
	var latencies []time.Duration
	var lock sync.Mutex
	out["mixed 95/5 2g"] = each(2, skewed, mixer(c, skewed, valueSize, &latencies, &lock))
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	out["get p99 in mixed"] = float64(latencies[len(latencies)*99/100])
	out["get p99.9 in mixed"] = float64(latencies[len(latencies)*999/1000])
	// A store that appends goes to new memory at first, and to what was overwritten from then on.
	for _, name := range []string{"overwrite", "overwrite on"} {
		for _, goroutines := range []int{1, 2} {
			out[fmt.Sprintf("%s %dg", name, goroutines)] = each(goroutines, flat, writer(c, flat, valueSize))
		}
	}
}

// measureLarge is what many small entries do to the tail of reads, and to the collector: its time, its work and the
// pause that it makes, beside those of this process with nothing in the cache.
func measureLarge(p peer, entries, operations int, out results) {
	const size = 32
	random := rand.New(rand.NewPCG(5, 6))
	s := zipf(operations, entries, 0.99, random)
	c := p.open(roomy, entries)
	defer c.close()
	measureCollection(", empty", out)
	writer(c, inOrder(entries, 0), size)(0, entries)
	measureCollection("", out)
	var latencies []time.Duration
	var lock sync.Mutex
	each(2, s, mixer(c, s, size, &latencies, &lock))
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	for name, share := range map[string]int{"p50": 500, "p99": 990, "p99.9": 999} {
		out["get "+name+" of 5 M"] = float64(latencies[len(latencies)*share/1000])
	}
}

// measureCollection is the median of a few collections.
func measureCollection(where string, out results) {
	var times, work, pauses []float64
	for range 5 {
		before := collectorState()
		begin := time.Now()
		runtime.GC()
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
		after := collectorState()
		work = append(work, (after.processor-before.processor)*1000)
		pauses = append(pauses, float64(after.paused-before.paused)/1000)
	}
	out["one collection"+where+", ms"] = median(times)
	out["its processor time"+where+", ms"] = median(work)
	out["its pauses"+where+", µs"] = median(pauses)
}

// collected is what the collector has done since the process began.
type collected struct {
	processor float64 // seconds
	paused    uint64  // nanoseconds
}

func collectorState() collected {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(sample)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	state := collected{paused: memory.PauseTotalNs}
	for _, class := range sample {
		state.processor += class.Value.Float64()
	}
	return state
}

// measureNew writes keys that were never there into a cache that is full nearly all the time.
func measureNew(p peer, operations int, out results) {
	const budget = 128 << 20
	s := inOrder(5*operations, 0)
	before := resident()
	c := p.open(budget, budget/(keySize+valueSize))
	defer c.close()
	out["set new 1g"] = each(1, s, writer(c, s, valueSize))
	out["resident at 128 MiB, MiB"] = grown(before, s) / (1 << 20)
}

// measureOverhead is the growth of resident memory over keys and values, for each entry.
func measureOverhead(p peer, entries, size int, name string, out results) {
	s := inOrder(entries, 0)
	before := resident()
	c := p.open(int64(entries)*int64(keySize+size)*3, entries)
	defer c.close()
	writer(c, s, size)(0, entries)
	time.Sleep(200 * time.Millisecond)
	buffer, found := make([]byte, 0, 2*size), 0
	for i := 0; i < entries; i += 101 {
		if _, there := c.get(s.key(i), buffer); there {
			found++
		}
	}
	kept := float64(found) / float64((entries+100)/101)
	out[name+", entries kept"] = kept
	out[name+", B"] = grown(before, s)/(kept*float64(entries)) - float64(keySize+size)
}

// measureHits plays Zipf 0.9 over as many keys as there are requests, and writes what missed.
func measureHits(p peer, requests int, out results) {
	const budget = 64 << 20
	random := rand.New(rand.NewPCG(3, 4))
	s := zipf(requests, requests, 0.9, random)
	before := resident()
	c := p.open(budget, budget/(keySize+hitSize))
	defer c.close()
	buffer, value, hits := make([]byte, 0, 4*hitSize), make([]byte, hitSize), 0
	for i := range s.len() {
		if got, found := c.get(s.key(i), buffer); found {
			verify(got, s.numbers[i], hitSize)
			hits++
			continue
		}
		fillValue(value, s.numbers[i])
		c.set(s.key(i), value)
	}
	out["hit ratio at 64 MiB"] = float64(hits) / float64(s.len())
	out["resident beside it, MiB"] = grown(before, s) / (1 << 20)
}

// grown is what there is more in memory than before, of which the keys were a part and are yet.
func grown(before float64, s stream) float64 {
	now := resident()
	runtime.KeepAlive(s)
	return now - before
}

// resident is what this process has in memory, after the Go heap has given back what it can.
func resident() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	check(err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	_, err = fmt.Sscanf(strings.TrimSpace(rest), "%f", &kib)
	check(err)
	return kib * 1024
}
