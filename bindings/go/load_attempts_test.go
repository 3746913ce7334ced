// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

var errBusy = fmt.Errorf("the database is busy: %w", memstore.ErrLoadRetry)

// busyUntil is a loader that asks to be called again until its n-th call.
func busyUntil(n int32, calls *atomic.Int32) memstore.Loader {
	return func(context.Context, string) ([]byte, error) {
		if calls.Add(1) < n {
			return nil, errBusy
		}
		return []byte("row"), nil
	}
}

var quickRetries = memstore.Config{LoadRetryInitial: time.Millisecond, LoadRetryMax: 2 * time.Millisecond}

func TestALoaderThatAsksForItIsCalledAgain(t *testing.T) {
	store := open(t, quickRetries)
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, busyUntil(4, &calls))
	must(t, err)
	if string(value) != "row" || calls.Load() != 4 {
		t.Errorf("%q after %d calls", value, calls.Load())
	}
	wantValue(t, store, "k", "row")
	if stats := store.GetStats(); stats.LoadFailures != 0 {
		t.Errorf("%d loads have failed", stats.LoadFailures)
	}
	_, err = store.GetOrLoad(ctx, "failing", 0, func(context.Context, string) ([]byte, error) {
		calls.Add(1)
		return nil, errors.New("no")
	})
	if err == nil || calls.Load() != 5 {
		t.Errorf("%v after %d calls of one that does not ask", err, calls.Load()-4)
	}
}

func TestALoaderOfManyThatAsksForItIsCalledAgain(t *testing.T) {
	store := open(t, quickRetries)
	calls := 0
	values, err := store.GetOrLoadMany(ctx, []string{"a", "b"}, 0, func(_ context.Context, keys []string) (map[string][]byte, error) {
		if calls++; calls < 3 {
			return nil, errBusy
		}
		slices.Sort(keys)
		return map[string][]byte{keys[0]: []byte("1")}, nil
	})
	must(t, err)
	if calls != 3 || len(values) != 1 || string(values["a"]) != "1" {
		t.Errorf("%q after %d calls", values, calls)
	}
}

func TestRetriesEndWithTheTimeout(t *testing.T) {
	config := quickRetries
	config.LoadTimeout = 50 * time.Millisecond
	store := open(t, config)
	var calls atomic.Int32
	_, err := store.GetOrLoad(ctx, "k", 0, busyUntil(1<<30, &calls))
	wantErrorOf(t, err, "GetOrLoad", "k", memstore.ErrLoadRetry)
	if calls.Load() < 2 {
		t.Errorf("%d calls", calls.Load())
	}
	if stats := store.GetStats(); stats.LoadFailures != 1 {
		t.Errorf("%d loads have failed, want 1", stats.LoadFailures)
	}
}

func TestALastAttemptIsMadeBeforeTheTimeout(t *testing.T) {
	store := open(t, memstore.Config{LoadTimeout: 400 * time.Millisecond, LoadRetryInitial: time.Hour, LoadRetryMax: time.Hour})
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, busyUntil(2, &calls))
	if err != nil || calls.Load() != 2 {
		t.Errorf("%q, %v after %d calls", value, err, calls.Load())
	}
	calls.Store(0)
	_, err = store.GetOrLoad(ctx, "other", 0, busyUntil(1<<30, &calls))
	wantErrorOf(t, err, "GetOrLoad", "other", memstore.ErrLoadRetry)
	if calls.Load() != 2 {
		t.Errorf("%d calls, want 2", calls.Load())
	}
}

func TestRetriesEndWithTheCallersAndTheStore(t *testing.T) {
	store := open(t, memstore.Config{LoadRetryInitial: time.Hour, LoadRetryMax: time.Hour, LoadTimeout: 24 * time.Hour})
	var calls atomic.Int32
	called := make(chan struct{}, 2)
	load := func(context.Context, string) ([]byte, error) {
		calls.Add(1)
		called <- struct{}{}
		return nil, errBusy
	}
	given, cancel := context.WithCancel(ctx)
	out := loadInBackground(given, store, load)
	<-called
	cancel()
	wantError(t, (<-out).err, context.Canceled)
	out = loadInBackground(ctx, store, load)
	<-called
	must(t, store.Close())
	wantError(t, (<-out).err, memstore.ErrCacheClosed)
	if calls.Load() != 2 {
		t.Errorf("%d calls, want 2", calls.Load())
	}
}

func TestARefreshIsTriedOnce(t *testing.T) {
	config := quickRetries
	config.RefreshAfter = time.Millisecond
	store := open(t, config)
	must(t, store.Set(ctx, "k", []byte("old"), 0))
	var calls atomic.Int32
	eventually(t, "a refresh", func() bool {
		value, err := store.GetOrLoad(ctx, "k", 0, busyUntil(1<<30, &calls))
		must(t, err)
		return string(value) == "old" && calls.Load() != 0
	})
	eventually(t, "its failure", func() bool { return store.GetStats().RefreshFailures != 0 })
}

func TestTheTimeoutEndsTheContextOfALoader(t *testing.T) {
	store := open(t, memstore.Config{LoadTimeout: 20 * time.Millisecond})
	wait := func(ctx context.Context, _ string) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, err := store.GetOrLoad(ctx, "k", 0, wait)
	wantErrorOf(t, err, "GetOrLoad", "k", context.DeadlineExceeded)
	must(t, store.Reconfigure(ctx, "loader.timeout", "0"))
	_, err = store.GetOrLoad(ctx, "k", 0, func(ctx context.Context, _ string) ([]byte, error) {
		if _, bounded := ctx.Deadline(); bounded {
			t.Error("a deadline without a timeout")
		}
		return nil, nil
	})
	must(t, err)
}

func TestLoadsAtOnceAreBounded(t *testing.T) {
	for name, config := range map[string]memstore.Config{
		"loads": {MaxLoads: 2},
		"bytes": {MaxLoadBytes: 2 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, config)
			_, err := store.GetOrLoad(ctx, "first", 0, func(context.Context, string) ([]byte, error) { return make([]byte, 1000), nil })
			must(t, err)
			var running, most atomic.Int32
			var workers sync.WaitGroup
			for i := range 16 {
				spawn(&workers, func() {
					_, err := store.GetOrLoad(ctx, fmt.Sprint(i), 0, func(context.Context, string) ([]byte, error) {
						now := running.Add(1)
						defer running.Add(-1)
						for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
						}
						time.Sleep(2 * time.Millisecond)
						return make([]byte, 1000), nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			workers.Wait()
			if most.Load() != 2 {
				t.Errorf("%d loads at once, want 2", most.Load())
			}
		})
	}
}

func TestWhoFindsNoPlaceAmongLoadsIsToldSo(t *testing.T) {
	store := open(t, memstore.Config{MaxLoads: 1, LoadTimeout: 50 * time.Millisecond, BreakerFailures: 1})
	load, entered, leave := held("v")
	out := loadInBackground(ctx, store, load)
	<-entered
	_, err := store.GetOrLoad(ctx, "other", 0, constant)
	wantErrorOf(t, err, "GetOrLoad", "other", memstore.ErrLockTimeout)
	if store.GetStats().BreakersOpen != 0 {
		t.Error("a breaker is open for a loader that was not called")
	}
	given, cancel := context.WithCancel(ctx)
	cancelled := make(chan error)
	must(t, store.Reconfigure(ctx, "loader.timeout", "0"))
	go func() {
		_, err := store.GetOrLoad(given, "third", 0, constant)
		cancelled <- err
	}()
	cancel()
	wantError(t, <-cancelled, context.Canceled)
	leave <- struct{}{}
	expectLoaded(t, out, "v")
	_, err = store.GetOrLoad(ctx, "other", 0, constant)
	must(t, err)
}

// It may have the place of its loader no longer, who has given that to others.
func TestWhoOutlivesItsLoaderHasNoPartInItsPlace(t *testing.T) {
	store := open(t, memstore.Config{MaxLoads: 1, LoadTimeout: 50 * time.Millisecond})
	var outlives context.Context
	_, err := store.GetOrLoad(ctx, "outer", 0, func(ctx context.Context, _ string) ([]byte, error) {
		outlives = context.WithoutCancel(ctx)
		return nil, nil
	})
	must(t, err)
	load, entered, leave := held("v")
	out := loadInBackground(ctx, store, load)
	<-entered
	_, err = store.GetOrLoad(outlives, "other", 0, constant)
	wantErrorOf(t, err, "GetOrLoad", "other", memstore.ErrLockTimeout)
	leave <- struct{}{}
	expectLoaded(t, out, "v")
	_, err = store.GetOrLoad(outlives, "other", 0, constant)
	must(t, err)
}

// One place is enough for loaders that load other keys, alone or as others do.
func TestLoadersThatLoadNeedOnePlace(t *testing.T) {
	store := open(t, memstore.Config{MaxLoads: 1, MaxLoadBytes: 1, LoadTimeout: time.Minute})
	inner, entered, leave := held("inner")
	outer := func(ctx context.Context, _ string) ([]byte, error) {
		if _, err := store.GetOrLoad(ctx, "its own", 0, constant); err != nil {
			return nil, err
		}
		return store.GetOrLoad(ctx, "k", 0, constant)
	}
	out := loadInBackground(ctx, store, inner) // has the place
	<-entered
	var workers sync.WaitGroup
	for i := range 4 {
		spawn(&workers, func() {
			value, err := store.GetOrLoad(ctx, fmt.Sprint("outer ", i), 0, outer)
			if err != nil || string(value) != "inner" {
				t.Errorf("%q, %v", value, err)
			}
		})
	}
	leave <- struct{}{}
	expectLoaded(t, out, "inner")
	workers.Wait()
}

// refreshInLoader asks in a loader, which has the only place, for "part", whose age calls for a refresh, and says which
// keys its refresh asks for. The refresh must not run until the loader has returned, who waits for nothing of it.
func refreshInLoader(t *testing.T, ask func(context.Context, *memstore.Store, memstore.ManyLoader) error) []string {
	t.Helper()
	store := open(t, memstore.Config{MaxLoads: 1, RefreshAfter: time.Millisecond})
	must(t, store.Set(ctx, "part", []byte("old"), 0))
	var isInLoader atomic.Bool
	refreshed := make(chan []string, 1)
	load := func(_ context.Context, keys []string) (map[string][]byte, error) {
		if slices.Contains(keys, "part") {
			if isInLoader.Load() {
				t.Error("a refresh runs beside the loader that has the only place")
			}
			refreshed <- keys
		}
		values := make(map[string][]byte)
		for _, key := range keys {
			values[key] = []byte("new")
		}
		return values, nil
	}
	_, err := store.GetOrLoad(ctx, "whole", 0, func(ctx context.Context, _ string) ([]byte, error) {
		isInLoader.Store(true)
		defer isInLoader.Store(false)
		for store.WaitingFor("part") == 0 && len(refreshed) == 0 {
			if err := ask(ctx, store, load); err != nil {
				return nil, err
			}
		}
		eventually(t, "the refresh runs, or waits for a place", func() bool {
			return store.WaitingForPlaces() != 0 || len(refreshed) != 0
		})
		return nil, nil
	})
	must(t, err)
	keys := <-refreshed
	eventually(t, "the value is new", func() bool {
		value, _, err := store.Get(ctx, "part")
		return err == nil && string(value) == "new"
	})
	return keys
}

func TestARefreshThatALoaderBeginsHasAPlaceOfItsOwn(t *testing.T) {
	refreshInLoader(t, func(ctx context.Context, store *memstore.Store, load memstore.ManyLoader) error {
		_, err := store.GetOrLoad(ctx, "part", 0, func(ctx context.Context, key string) ([]byte, error) {
			values, err := load(ctx, []string{key})
			return values[key], err
		})
		return err
	})
}

func TestWhatALoaderRefreshesAmongManyHasAPlaceOfItsOwn(t *testing.T) {
	absent := 0
	keys := refreshInLoader(t, func(ctx context.Context, store *memstore.Store, load memstore.ManyLoader) error {
		absent++
		key := fmt.Sprint("absent ", absent)
		values, err := store.GetOrLoadMany(ctx, []string{"part", key}, 0, load)
		if string(values["part"]) != "old" || string(values[key]) != "new" {
			t.Errorf("got %q", values)
		}
		return err
	})
	if !slices.Equal(keys, []string{"part"}) {
		t.Errorf("the refresh asks for %q", keys)
	}
}

func TestWhatIsRefreshedAmongManyIsLoadedAlong(t *testing.T) {
	store := open(t, memstore.Config{MaxLoads: 1, RefreshAfter: time.Millisecond})
	must(t, store.Set(ctx, "part", []byte("old"), 0))
	var along atomic.Bool
	for i := 0; !along.Load(); i++ {
		if i == 10000 {
			t.Fatal("what is to be refreshed is never loaded along")
		}
		_, err := store.GetOrLoadMany(ctx, []string{"part", fmt.Sprint("absent ", i)}, 0,
			func(_ context.Context, keys []string) (map[string][]byte, error) {
				along.Store(len(keys) == 2)
				return map[string][]byte{"part": []byte("new")}, nil
			})
		must(t, err)
	}
}
