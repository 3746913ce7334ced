// SPDX-License-Identifier: Apache-2.0

// Command demo replays an access trace through the Go binding and shows a few things that a store
// does.
//
//	demo TRACE_FILE
//
// The trace is in the format MSTRACE1: a 24-byte header (the name, the number of records as uint64,
// flags as uint32 with bit 0 for "sizes are present", a zero uint32), then records of a uint64 key
// and a uint32 size, all little-endian.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

const (
	traceName   = "MSTRACE1"
	defaultSize = 256      // of a value, where the trace tells no size
	maxSize     = 64 << 20 // a size above this means that the file is no trace
	memoryLimit = 16 << 20
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo TRACE_FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	store, err := memstore.Open(memstore.Config{MemoryLimit: memoryLimit})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := replay(store, path); err != nil {
		return err
	}
	return features(store)
}

type trace struct {
	reader  *bufio.Reader
	records uint64
}

func openTrace(file io.Reader) (*trace, error) {
	reader := bufio.NewReaderSize(file, 1<<20)
	var header [24]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil || string(header[:8]) != traceName {
		return nil, errors.New("not a trace: the file does not begin with a header of " + traceName)
	}
	return &trace{reader, binary.LittleEndian.Uint64(header[8:])}, nil
}

func (t *trace) next() (key uint64, size int, err error) {
	var record [12]byte
	if _, err := io.ReadFull(t.reader, record[:]); err != nil {
		return 0, 0, fmt.Errorf("the trace is cut off: %w", err)
	}
	size = int(binary.LittleEndian.Uint32(record[8:]))
	if size > maxSize {
		return 0, 0, fmt.Errorf("not a trace: it has a value of %d bytes", size)
	}
	if size == 0 {
		size = defaultSize
	}
	return binary.LittleEndian.Uint64(record[:]), size, nil
}

// replay asks for every key of the trace, and sets it when it is not there, as a cache in front of
// a database would.
func replay(store *memstore.Store, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	trace, err := openTrace(file)
	if err != nil {
		return err
	}
	ctx := context.Background()
	value := make([]byte, defaultSize)
	start := time.Now()
	for range trace.records {
		id, size, err := trace.next()
		if err != nil {
			return err
		}
		key := fmt.Sprintf("entry/%016x", id)
		_, found, err := store.Get(ctx, key)
		if err != nil {
			return err
		}
		if found {
			continue
		}
		if size > len(value) {
			value = make([]byte, size)
		}
		if err := store.Set(ctx, key, value[:size], 0); err != nil && !errors.Is(err, memstore.ErrEntryTooLarge) {
			return err
		}
	}
	report(store, trace.records, time.Since(start))
	return nil
}

func report(store *memstore.Store, requests uint64, elapsed time.Duration) {
	stats, memory := store.GetStats(), store.GetMemoryUsage()
	fmt.Printf("Go: %d requests in %v, a goroutine alone: %.2f million a second\n", requests,
		elapsed.Round(time.Millisecond), float64(requests)/elapsed.Seconds()/1e6)
	fmt.Printf("    hit ratio     %6.2f %%  (%d hits, %d misses)\n", 100*stats.HitRate, stats.Hits, stats.Misses)
	fmt.Printf("    entries       %6d    (%d evicted)\n", stats.Entries, stats.Evictions)
	fmt.Printf("    memory        %6.1f MB of %.1f MB allowed, %.1f MB of it live entries\n", mb(memory.Charged),
		mb(memory.Limit), mb(memory.Live))
}

func mb(bytes uint64) float64 { return float64(bytes) / 1e6 }

// features shows what a store does besides get and set. Each line tells what was done and what came
// of it.
func features(store *memstore.Store) error {
	ctx := context.Background()
	if err := store.Clear(ctx); err != nil {
		return err
	}
	if err := store.Set(ctx, "session/1", []byte("alive"), 30*time.Millisecond); err != nil {
		return err
	}
	ttl, err := store.GetTTL(ctx, "session/1")
	if err != nil {
		return err
	}
	time.Sleep(40 * time.Millisecond)
	_, found, err := store.Get(ctx, "session/1")
	if err != nil {
		return err
	}
	fmt.Printf("    TTL           set for 30 ms, %v left; after 40 ms found: %v\n", ttl, found)

	batch := map[string][]byte{"block/41": []byte("a"), "block/42": []byte("b"), "tx/7": []byte("c")}
	if err := store.SetMany(ctx, batch, 0); err != nil {
		return err
	}
	values, err := store.GetMany(ctx, []string{"block/41", "block/42", "block/43"})
	if err != nil {
		return err
	}
	fmt.Printf("    batch         3 entries set at one instant; of 3 keys asked for %d are there\n", len(values))

	keys, err := store.Keys(ctx, "block/*")
	if err != nil {
		return err
	}
	deleted, err := store.DeleteByPattern(ctx, "block/4?")
	if err != nil {
		return err
	}
	fmt.Printf("    pattern       block/* is %d keys; block/4? deleted %d, %d left\n", len(keys), deleted, store.Size())

	sum, err := store.Increment(ctx, "height", 1, 41, 0)
	if err != nil {
		return err
	}
	err = store.Add(ctx, "height", []byte("0"), 0)
	exists := errors.Is(err, memstore.ErrKeyExists)
	fmt.Printf("    conditions    counter is %d; adding it again says key exists: %v\n", sum, exists)
	err = store.Set(ctx, "k", nil, -time.Second)
	fmt.Printf("    errors        %v\n", err)
	return nil
}
