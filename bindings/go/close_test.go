// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestCloseWhileInUse(t *testing.T) {
	for round := range 20 {
		store := open(t, memstore.Config{})
		var workers sync.WaitGroup
		var closed atomic.Int32
		for worker := range 8 {
			spawn(&workers, func() {
				for i := 0; ; i++ {
					key := fmt.Sprint("k", i%100)
					err := useOnce(store, worker, key)
					if errors.Is(err, memstore.ErrCacheClosed) {
						return
					}
					if err != nil {
						t.Errorf("worker %d: %v", worker, err)
						return
					}
				}
			})
		}
		for range 4 {
			spawn(&workers, func() {
				for range 100 * round {
					runtime.Gosched()
				}
				if err := store.Close(); err == nil {
					closed.Add(1)
				} else if !errors.Is(err, memstore.ErrCacheClosed) {
					t.Errorf("Close: %v", err)
				}
			})
		}
		workers.Wait()
		if closed.Load() != 1 {
			t.Errorf("%d of 4 Closes succeeded, want 1", closed.Load())
		}
	}
}

// useOnce is one call, another for each worker.
func useOnce(store *memstore.Store, worker int, key string) error {
	var err error
	switch worker {
	case 0:
		err = store.Set(ctx, key, []byte(key), 0)
	case 1:
		_, _, err = store.Get(ctx, key)
	case 2:
		err = store.SetMany(ctx, map[string][]byte{key: nil, key + "'": make([]byte, 20<<10)}, 0)
	case 3:
		_, err = store.GetMany(ctx, []string{key, key + "'"})
	case 4:
		_, err = store.Keys(ctx, "k1*")
	case 5:
		err = store.Delete(ctx, key)
	case 6:
		_, err = store.DeleteByPattern(ctx, "k2*")
	default:
		_, _, _, err = store.GetVersioned(ctx, key)
	}
	return err
}

// After Close nothing else matters that may be wrong with a call.
func TestBadArgumentsAfterClose(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Close())
	calls := make(map[string]func() error)
	for name, call := range methods(store, "") {
		calls[name] = func() error { return call(ctx) }
	}
	calls["Keys ["] = func() error { _, err := store.Keys(ctx, "["); return err }
	calls["CountByPattern ["] = func() error { _, err := store.CountByPattern(ctx, "["); return err }
	calls["DeleteByPattern ["] = func() error { _, err := store.DeleteByPattern(ctx, "["); return err }
	calls["Scan ["] = func() error { return scanAll(store.Scan(ctx, "[")) }
	calls["Compact -1"] = func() error { return store.Compact(ctx, -1) }
	calls["Maintain -1"] = func() error { return store.Maintain(ctx, -1) }
	calls["Subscribe 0"] = func() error { _, err := store.Subscribe(0, 0); return err }
	calls["Subscribe -1"] = func() error { _, err := store.Subscribe(memstore.EventRemovals, -1); return err }
	calls["OnEvent nil"] = func() error { _, err := store.OnEvent(memstore.EventRemovals, nil); return err }
	calls["GetLatency 99"] = func() error { _, err := store.GetLatency(99); return err }
	calls["Save nowhere"] = func() error { return store.Save(ctx, "") }
	calls["Load nowhere"] = func() error { return store.Load(ctx, "") }
	calls["GetOrLoad empty"] = func() error { _, err := store.GetOrLoad(ctx, "", 0, nil); return err }
	calls["GetOrLoadMany empty"] = func() error { _, err := store.GetOrLoadMany(ctx, []string{""}, 0, nil); return err }
	calls["GetManyInto nil"] = func() error { return store.GetManyInto(ctx, nil, nil) }
	calls["Setting NUL"] = func() error { _, err := store.Setting("\x00"); return err }
	calls["Reconfigure NUL"] = func() error { return store.Reconfigure(ctx, "\x00", "") }
	for name, call := range calls {
		if err := call(); !errors.Is(err, memstore.ErrCacheClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDroppedStoresAreFreed(t *testing.T) {
	before := residentBytes(t)
	for range 60 {
		store, err := memstore.New(memstore.WithMemoryLimit(16<<20), memstore.WithLogger(slog.New(slog.DiscardHandler)))
		must(t, err)
		for i := range 80 {
			must(t, store.Set(ctx, fmt.Sprint(i), make([]byte, 100<<10), 0))
		}
		runtime.GC()
	}
	eventually(t, "resident memory is back", func() bool {
		runtime.GC()
		return residentBytes(t) < before+100<<20
	})
}

func TestADroppedStoreIsWarnedOfAndAClosedOneIsNot(t *testing.T) {
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	drop := func(close bool) {
		store, err := memstore.New(memstore.WithMemoryLimit(8<<20), memstore.WithLogger(logger))
		must(t, err)
		if close {
			must(t, store.Close())
		}
	}
	for range 3 {
		drop(true)
	}
	drop(false)
	eventually(t, "a warning", func() bool {
		runtime.GC()
		return strings.Contains(log.String(), "dropped without Close")
	})
	for range 3 {
		runtime.GC()
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "close_test.go:") {
		t.Errorf("the log is %q, want one line that says where the store was opened", text)
	}
}

// lockedBuffer is a buffer for a logger.
type lockedBuffer struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

func residentBytes(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("resident memory is read from /proc")
	}
	var total, resident int
	if _, err := fmt.Sscan(string(text), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}
