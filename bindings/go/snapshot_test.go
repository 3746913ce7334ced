// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func TestASnapshotBringsAStoreBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "forever", []byte("v"), 0))
	must(t, store.Set(ctx, "timed", []byte("w"), time.Hour))
	must(t, store.Save(ctx, path))
	must(t, store.Set(ctx, "forever", []byte("changed"), 0))
	must(t, store.Close())

	again := open(t, memstore.Config{})
	must(t, again.Set(ctx, "timed", []byte("mine"), 0))
	must(t, again.Load(ctx, path))
	for key, want := range map[string]string{"forever": "v", "timed": "mine"} {
		value, found, err := again.Get(ctx, key)
		must(t, err)
		if !found || string(value) != want {
			t.Errorf("%s is %q, %v, want %q", key, value, found, want)
		}
	}
	if size := again.Size(); size != 2 {
		t.Errorf("%d entries, want 2", size)
	}
}

func TestADamagedSnapshotIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "key", []byte("value"), 0))
	must(t, store.Save(ctx, path))
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0o600))

	other := open(t, memstore.Config{})
	wantError(t, other.Load(ctx, path), memstore.ErrCorruptSnapshot)
	wantError(t, other.Load(ctx, path+".absent"), memstore.ErrIO)
	wantError(t, other.Load(ctx, ""), memstore.ErrInvalidArgument)
	wantError(t, other.Save(ctx, "a\x00b"), memstore.ErrInvalidArgument)
	if size := other.Size(); size != 0 {
		t.Errorf("%d entries, want none", size)
	}
}

func TestAContextThatHasEndedSavesAndLoadsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	store := open(t, memstore.Config{})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, store.Save(ended, path), context.Canceled)
	wantError(t, store.Load(ended, path), context.Canceled)
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file")
	}
}

// A context that ends while the file is written: however far it came, the file is the old or the new.
func TestAContextThatEndsStopsASave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	store := open(t, memstore.Config{MemoryLimit: 64 << 20})
	must(t, store.Set(ctx, "old", []byte("v"), 0))
	must(t, store.Save(ctx, path))
	for i := range 100000 {
		must(t, store.Set(ctx, fmt.Sprint("key/", i), make([]byte, 100), 0))
	}
	stopped := 0
	for delay := time.Duration(0); delay < 20*time.Millisecond; delay += time.Millisecond {
		ending, cancel := context.WithTimeout(ctx, delay+time.Microsecond)
		err := store.Save(ending, path)
		cancel()
		if err != nil {
			wantError(t, err, context.DeadlineExceeded)
			stopped++
		}
		if _, err := os.Stat(path + ".tmp"); err == nil {
			t.Fatal("something was left behind")
		}
	}
	if stopped == 0 {
		t.Error("no context has stopped it")
	}
	again := open(t, memstore.Config{MemoryLimit: 64 << 20})
	must(t, again.Load(ctx, path))
	if size := again.Size(); size != 1 && size != 100001 {
		t.Errorf("%d entries", size)
	}
}

func TestWarmLoadsWhatIsNotThere(t *testing.T) {
	store := open(t, memstore.Config{})
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprint("key/", i))
	}
	must(t, store.Set(ctx, "key/7", []byte("mine"), 0))
	var asked atomic.Int64
	load := func(_ context.Context, key string) ([]byte, error) {
		asked.Add(1)
		if key == "key/8" {
			return nil, memstore.ErrKeyNotFound
		}
		return []byte("row of " + key), nil
	}
	must(t, store.Warm(ctx, append(keys, "key/9"), time.Hour, load))
	if asked.Load() != 999 || store.Size() != 999 {
		t.Errorf("asked for %d keys, %d are there; want 999 both", asked.Load(), store.Size())
	}
	if value, _, _ := store.Get(ctx, "key/7"); string(value) != "mine" {
		t.Errorf("key/7 is %q", value)
	}
}

func TestWarmGoesOnWhenAKeyFails(t *testing.T) {
	store := open(t, memstore.Config{})
	broken := errors.New("broken")
	err := store.Warm(ctx, []string{"a", "b", "c"}, 0, func(_ context.Context, key string) ([]byte, error) {
		if key == "b" {
			return nil, broken
		}
		return []byte(key), nil
	})
	wantError(t, err, broken)
	if store.Size() != 2 {
		t.Errorf("%d entries, want 2", store.Size())
	}
}

func TestWarmGoesOnWhenAKeyIsNone(t *testing.T) {
	store := open(t, memstore.Config{})
	err := store.Warm(ctx, []string{"a", "", "c"}, 0, func(_ context.Context, key string) ([]byte, error) {
		return []byte(key), nil
	})
	wantError(t, err, memstore.ErrInvalidArgument)
	if store.Size() != 2 {
		t.Errorf("%d entries, want 2", store.Size())
	}
}

func TestWarmTellsWhatTheStoreCannotTake(t *testing.T) {
	for _, setting := range []string{"", "fail"} {
		store := open(t, memstore.Config{MaxEntrySize: 100, OnStoreError: setting})
		err := store.Warm(ctx, []string{"a", "large", "c"}, 0, func(_ context.Context, key string) ([]byte, error) {
			if key == "large" {
				return make([]byte, 1000), nil
			}
			return []byte("v"), nil
		})
		wantError(t, err, memstore.ErrEntryTooLarge)
		var failure *memstore.Error
		if !errors.As(err, &failure) || failure.Key != "large" || store.Size() != 2 {
			t.Errorf("%q: %v, %d entries", setting, err, store.Size())
		}
	}
}

func TestWarmEndsWithItsContext(t *testing.T) {
	store := open(t, memstore.Config{})
	ending, cancel := context.WithCancel(ctx)
	var keys []string
	for i := range 1000 {
		keys = append(keys, fmt.Sprint("key/", i))
	}
	err := store.Warm(ending, keys, 0, func(_ context.Context, key string) ([]byte, error) {
		if key == "key/200" {
			cancel()
		}
		return []byte("v"), nil
	})
	wantError(t, err, context.Canceled)
	if size := store.Size(); size < 128 || size >= 999 {
		t.Errorf("%d entries are there", size)
	}
}

func TestWarmRateBoundsTheKeysAskedFor(t *testing.T) {
	store := open(t, memstore.Config{WarmRate: 10})
	must(t, store.Reconfigure(ctx, "loader.warm_rate", "1000"))
	var keys []string
	for i := range 400 {
		keys = append(keys, fmt.Sprint("key/", i))
	}
	began := time.Now()
	must(t, store.Warm(ctx, keys, 0, func(_ context.Context, key string) ([]byte, error) { return []byte("v"), nil }))
	// The last group waits until the others have had their time.
	if took := time.Since(began); took < 298*time.Millisecond {
		t.Errorf("400 keys at 1000 a second took %v", took)
	}
}

func TestWarmTakesUpARateThatIsSetMeanwhile(t *testing.T) {
	store := open(t, memstore.Config{})
	var keys []string
	for i := range 1024 + 2 { // whole groups at any rate, and one at 10 a second
		keys = append(keys, fmt.Sprint("key/", i))
	}
	soon, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	must(t, store.Warm(soon, keys, 0, func(_ context.Context, key string) ([]byte, error) {
		if key == "key/1000" {
			return nil, store.Reconfigure(ctx, "loader.warm_rate", "10")
		}
		return []byte("v"), nil
	}))
}

func TestWarmMakesUpForLittleOfAStall(t *testing.T) {
	store := open(t, memstore.Config{WarmRate: 100})
	var keys []string
	for i := range 60 {
		keys = append(keys, fmt.Sprint("key/", i))
	}
	var goesOn time.Time
	must(t, store.Warm(ctx, keys, 0, func(_ context.Context, key string) ([]byte, error) {
		if key == "key/0" {
			time.Sleep(600 * time.Millisecond)
			goesOn = time.Now()
		}
		return []byte("v"), nil
	}))
	// 10 of them are made up for, and the last 5 wait for their turn alone.
	if took := time.Since(goesOn); took < 320*time.Millisecond {
		t.Errorf("49 keys at 100 a second after a stall took %v", took)
	}
}

func TestAFileThatCannotBeUsedIsToldWithTheReason(t *testing.T) {
	store := open(t, memstore.Config{})
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	_, yaml := memstore.OpenYAML(file + ".absent")
	for _, test := range []struct{ err, reason error }{
		{store.Load(ctx, file+".absent"), fs.ErrNotExist},
		{store.Load(ctx, folder), syscall.EISDIR},
		{store.Load(ctx, file+"/below"), syscall.ENOTDIR},
		{store.Save(ctx, folder), syscall.EISDIR},
		{store.Save(ctx, folder+"/absent/file"), fs.ErrNotExist},
		{yaml, fs.ErrNotExist},
	} {
		wantError(t, test.err, memstore.ErrIO)
		wantError(t, test.err, test.reason)
		t.Log(test.err)
	}
}

// TestAFileThatCannotGrowIsToldWithTheReason: of the file's folder nothing tells it.
func TestAFileThatCannotGrowIsToldWithTheReason(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }()

	store := open(t, memstore.Config{})
	must(t, store.Set(ctx, "key", make([]byte, 100_000), 0))
	path := filepath.Join(t.TempDir(), "snapshot")
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: before.Max}))
	err := store.Save(ctx, path)
	wantError(t, err, memstore.ErrIO)
	wantError(t, err, syscall.EFBIG)
}

func TestWarmWithNoKeysLooksAtItsContext(t *testing.T) {
	store := open(t, memstore.Config{})
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantErrorOf(t, store.Warm(ended, nil, 0, constant), "Warm", "", context.Canceled)
}
