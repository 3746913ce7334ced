// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// row is a loader of one row that counts how often it is asked.
func row(value string, calls *atomic.Int32) memstore.Loader {
	return func(context.Context, string) ([]byte, error) {
		calls.Add(1)
		return []byte(value), nil
	}
}

// held is a loader that says when it is called and waits to be let go.
func held(value string) (load memstore.Loader, entered chan struct{}, leave chan struct{}) {
	entered, leave = make(chan struct{}, 1), make(chan struct{})
	return func(context.Context, string) ([]byte, error) {
		entered <- struct{}{}
		<-leave
		return []byte(value), nil
	}, entered, leave
}

type loaded struct {
	value []byte
	err   error
}

func loadInBackground(ctx context.Context, store *memstore.Store, load memstore.Loader) chan loaded {
	out := make(chan loaded, 1)
	go func() {
		value, err := store.GetOrLoad(ctx, "k", 0, load)
		out <- loaded{value, err}
	}()
	return out
}

func expectLoaded(t *testing.T, out chan loaded, want string) {
	t.Helper()
	got := <-out
	if got.err != nil || string(got.value) != want {
		t.Fatalf("got %q, %v; want %q", got.value, got.err, want)
	}
}

func TestWhatIsNotThereIsLoadedOnce(t *testing.T) {
	store := open(t, memstore.Config{})
	var calls atomic.Int32
	for range 3 {
		value, err := store.GetOrLoad(ctx, "k", time.Minute, row("row", &calls))
		if err != nil || string(value) != "row" {
			t.Fatalf("got %q, %v", value, err)
		}
	}
	ttl, err := store.GetTTL(ctx, "k")
	must(t, err)
	if calls.Load() != 1 || ttl > time.Minute || ttl < 50*time.Second {
		t.Fatalf("%d loads, ttl %v", calls.Load(), ttl)
	}
}

func TestTenThousandGoroutinesLoadOnceAndHoldNoThreads(t *testing.T) {
	store := open(t, memstore.Config{})
	load, entered, leave := held("row")
	first := loadInBackground(ctx, store, load)
	<-entered
	before, threadsBefore := runtime.NumGoroutine(), pprof.Lookup("threadcreate").Count()
	var group sync.WaitGroup
	for range 10_000 {
		group.Add(1)
		go func() {
			defer group.Done()
			value, err := store.GetOrLoad(ctx, "k", 0, load)
			if err != nil || string(value) != "row" {
				t.Errorf("got %q, %v", value, err)
			}
		}()
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() < before+9_000 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if threads := pprof.Lookup("threadcreate").Count() - threadsBefore; threads > 1000 {
		t.Errorf("%d threads", threads)
	}
	close(leave)
	group.Wait()
	expectLoaded(t, first, "row")
	if stats := store.GetStats(); stats.Loads != 1 {
		t.Fatalf("%d loads", stats.Loads)
	}
}

func TestAWriteDuringALoadWins(t *testing.T) {
	store := open(t, memstore.Config{})
	writes := map[string]func() error{
		"newer": func() error { return store.Set(ctx, "k", []byte("newer"), 0) },
		"":      func() error { return store.Delete(ctx, "k") },
	}
	for want, write := range writes {
		value, err := store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) {
			return []byte("older"), write()
		})
		if err != nil || string(value) != "older" {
			t.Fatalf("got %q, %v", value, err)
		}
		left, _, err := store.Get(ctx, "k")
		must(t, err)
		if string(left) != want {
			t.Fatalf("%q is left, want %q", left, want)
		}
		must(t, store.Clear(ctx))
	}
}

func TestWhoAsksAfterADeleteDoesNotJoinTheOlderLoad(t *testing.T) {
	store := open(t, memstore.Config{})
	var calls atomic.Int32
	load, entered, leave := held("older")
	before := loadInBackground(ctx, store, load)
	<-entered
	must(t, store.Delete(ctx, "k"))
	value, err := store.GetOrLoad(ctx, "k", 0, row("newer", &calls))
	if err != nil || string(value) != "newer" {
		t.Fatalf("got %q, %v", value, err)
	}
	close(leave)
	expectLoaded(t, before, "older")
	value, _, err = store.Get(ctx, "k")
	if err != nil || string(value) != "newer" {
		t.Fatalf("%q is stored, %v", value, err)
	}
}

func TestAContextThatEndsDoesNotHarmTheLoad(t *testing.T) {
	store := open(t, memstore.Config{})
	load, entered, leave := held("row")
	brief, cancel := context.WithCancel(ctx)
	first := loadInBackground(brief, store, load)
	<-entered
	second := loadInBackground(ctx, store, load)
	eventually(t, "both wait", func() bool { return store.WaitingFor("k") == 2 })
	cancel()
	if got := <-first; !errors.Is(got.err, context.Canceled) {
		t.Fatalf("got %v", got.err)
	}
	close(leave)
	expectLoaded(t, second, "row")
}

func TestALoadThatNobodyWaitsForIsCancelled(t *testing.T) {
	store := open(t, memstore.Config{})
	brief, cancel := context.WithCancel(ctx)
	entered, cancelled := make(chan struct{}), make(chan struct{})
	first := loadInBackground(brief, store, func(ctx context.Context, key string) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	})
	<-entered
	cancel()
	<-cancelled
	if got := <-first; !errors.Is(got.err, context.Canceled) {
		t.Fatalf("got %v", got.err)
	}
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, row("row", &calls))
	if err != nil || string(value) != "row" {
		t.Fatalf("got %q, %v", value, err)
	}
}

func TestAnErrorOfTheLoaderReachesAllAndTheNextLoadsAnew(t *testing.T) {
	store := open(t, memstore.Config{})
	down := errors.New("the database is down")
	_, err := store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) { return nil, down })
	if !errors.Is(err, down) {
		t.Fatalf("got %v", err)
	}
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, row("row", &calls))
	if err != nil || string(value) != "row" {
		t.Fatalf("got %q, %v", value, err)
	}
}

func TestThatAKeyDoesNotExistIsRemembered(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{"loader.negative_ttl": "1h"}})
	var calls atomic.Int32
	for range 3 {
		_, err := store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) {
			calls.Add(1)
			return nil, memstore.ErrKeyNotFound
		})
		if !errors.Is(err, memstore.ErrKeyNotFound) {
			t.Fatalf("got %v", err)
		}
	}
	if calls.Load() != 1 {
		t.Fatalf("%d loads", calls.Load())
	}
}

func TestAPanicInALoaderIsAnError(t *testing.T) {
	store := open(t, memstore.Config{})
	_, err := store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) { panic("boom") })
	if !errors.Is(err, memstore.ErrLoaderFailed) || !strings.Contains(err.Error(), "boom") {
		t.Fatalf("got %v", err)
	}
	_, err = store.GetOrLoad(ctx, "k", 0, func(context.Context, string) ([]byte, error) {
		runtime.Goexit()
		return nil, nil
	})
	if !errors.Is(err, memstore.ErrLoaderFailed) {
		t.Fatalf("got %v", err)
	}
}

func TestALoaderThatWaitsForItselfIsTold(t *testing.T) {
	store := open(t, memstore.Config{})
	for range 500 { // whoever is called first
		var inner error
		value, err := store.GetOrLoad(ctx, "a", 0, func(ctx context.Context, key string) ([]byte, error) {
			_, err := store.GetOrLoad(ctx, "b", 0, func(ctx context.Context, key string) ([]byte, error) {
				_, inner = store.GetOrLoad(ctx, "a", 0, nil)
				return []byte("b"), nil
			})
			return []byte("a"), err
		})
		if err != nil || string(value) != "a" || !errors.Is(inner, memstore.ErrLoaderFailed) {
			t.Fatalf("got %q, %v, %v", value, err, inner)
		}
		must(t, store.Clear(ctx))
	}
}

func TestALoaderOfManyThatWaitsForItselfIsTold(t *testing.T) {
	store := open(t, memstore.Config{})
	for range 500 {
		var inner error
		values, err := store.GetOrLoadMany(ctx, []string{"a"}, 0, func(ctx context.Context, _ []string) (map[string][]byte, error) {
			_, err := store.GetOrLoadMany(ctx, []string{"b"}, 0, func(ctx context.Context, _ []string) (map[string][]byte, error) {
				_, inner = store.GetOrLoadMany(ctx, []string{"a"}, 0, constants)
				return map[string][]byte{"b": nil}, nil
			})
			return map[string][]byte{"a": []byte("a")}, err
		})
		if err != nil || string(values["a"]) != "a" || !errors.Is(inner, memstore.ErrLoaderFailed) {
			t.Fatalf("got %q, %v, %v", values, err, inner)
		}
		must(t, store.Clear(ctx))
	}
}

func TestAValueThatTheStoreCannotTakeIsReturned(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 8})
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, row("much too large a value", &calls))
	if err != nil || string(value) != "much too large a value" {
		t.Fatalf("got %q, %v", value, err)
	}
	if _, found, err := store.Get(ctx, "k"); found || err != nil {
		t.Fatal("it is stored", err)
	}
	_, err = store.GetOrLoad(ctx, "k", -time.Second, row("v", &calls))
	if !errors.Is(err, memstore.ErrInvalidTTL) {
		t.Fatalf("got %v", err)
	}
}

func TestGetOrLoadOfAClosedStore(t *testing.T) {
	store := open(t, memstore.Config{})
	must(t, store.Close())
	if _, err := store.GetOrLoad(ctx, "k", 0, nil); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Fatalf("got %v", err)
	}
}

// failing is a loader of a database that is away.
func failing(calls *atomic.Int32) memstore.Loader {
	return func(context.Context, string) ([]byte, error) {
		calls.Add(1)
		return nil, errors.New("the database is away")
	}
}

// openToExpire is a store with settings for loaders in which "old" was loaded, and has expired.
func openToExpire(t *testing.T, settings map[string]string) *memstore.Store {
	t.Helper()
	store := open(t, memstore.Config{Settings: settings})
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", time.Millisecond, row("old", &calls))
	if err != nil || string(value) != "old" {
		t.Fatalf("got %q, %v", value, err)
	}
	for has := true; has; has, err = store.Has(ctx, "k") {
		must(t, err)
	}
	return store
}

func TestWhatHasExpiredIsReturnedWhenItsLoadFails(t *testing.T) {
	store := openToExpire(t, map[string]string{"loader.max_stale": "1h"})
	var calls atomic.Int32
	value, err := store.GetOrLoad(ctx, "k", 0, failing(&calls))
	if err != nil || string(value) != "old" || calls.Load() != 1 {
		t.Fatalf("got %q, %v", value, err)
	}
	if stats := store.GetStats(); stats.StaleServed != 1 || stats.LoadFailures != 1 {
		t.Fatalf("%+v", stats)
	}
	must(t, store.Delete(ctx, "k"))
	if _, err = store.GetOrLoad(ctx, "k", 0, failing(&calls)); err == nil {
		t.Fatal("what was deleted is returned")
	}
}

func TestALoaderThatKeepsFailingIsNotCalled(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{
		"loader.breaker_failures": "3", "loader.breaker_open": "1h"}})
	var calls atomic.Int32
	for range 10 {
		if _, err := store.GetOrLoad(ctx, "k", 0, failing(&calls)); err == nil {
			t.Fatal("it does not fail")
		}
	}
	_, err := store.GetOrLoad(ctx, "k", 0, failing(&calls))
	stats := store.GetStats()
	if !errors.Is(err, memstore.ErrLoaderFailed) || calls.Load() != 3 || stats.BreakersOpen != 1 || stats.BreakersHalfOpen != 0 {
		t.Fatalf("%v, %d calls, %+v", err, calls.Load(), stats)
	}
	if rates, err := store.GetRates(); err != nil || rates.Alerts != memstore.AlertBreaker {
		t.Fatalf("%v, %+v", err, rates)
	}
}

// abandon asks for a key until the loader is called, and leaves.
func abandon(t *testing.T, store *memstore.Store, key string) {
	t.Helper()
	waits, leave := context.WithCancel(ctx)
	_, err := store.GetOrLoad(waits, key, 0, func(ctx context.Context, _ string) ([]byte, error) {
		leave()
		<-ctx.Done()
		return nil, errors.New("the statement was cancelled")
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestALoadThatNobodyWantsAnyMoreHasNotFailed(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{
		"loader.breaker_failures": "3", "loader.breaker_open": "1h"}})
	for i := range 3 {
		abandon(t, store, fmt.Sprint("k", i))
	}
	var calls atomic.Int32
	for i := range 3 { // the same keys, whose leases have come back then
		if value, err := store.GetOrLoad(ctx, fmt.Sprint("k", i), 0, row("row", &calls)); err != nil || string(value) != "row" {
			t.Fatal(string(value), err)
		}
	}
	if stats := store.GetStats(); calls.Load() != 3 || stats.LoadFailures != 0 || stats.BreakersOpen != 0 {
		t.Fatalf("%d calls, %+v", calls.Load(), stats)
	}
}

func TestALoadThatTakesTooLongHasFailed(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{
		"loader.breaker_failures": "1", "loader.breaker_open": "1h"}})
	waits, leave := context.WithTimeout(ctx, time.Second)
	defer leave()
	_, err := store.GetOrLoad(waits, "k", 0, func(ctx context.Context, _ string) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	var calls atomic.Int32
	if _, err := store.GetOrLoad(ctx, "k", 0, row("row", &calls)); !errors.Is(err, memstore.ErrLoaderFailed) {
		t.Fatal(err)
	}
	if stats := store.GetStats(); calls.Load() != 0 || stats.LoadFailures != 1 {
		t.Fatalf("%d calls, %+v", calls.Load(), stats)
	}
}

func TestWhatIsOldIsLoadedAnewInTheBackground(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{"loader.refresh_after": "1ms"}})
	var calls atomic.Int32
	if _, err := store.GetOrLoad(ctx, "k", 0, row("old", &calls)); err != nil {
		t.Fatal(err)
	}
	load, entered, leave := held("new")
	for begun := false; !begun; {
		value, err := store.GetOrLoad(ctx, "k", 0, load)
		if err != nil || string(value) != "old" {
			t.Fatalf("got %q, %v", value, err)
		}
		select {
		case <-entered:
			begun = true
		default:
		}
	}
	for range 10 {
		value, err := store.GetOrLoad(ctx, "k", 0, load)
		if err != nil || string(value) != "old" {
			t.Fatalf("got %q, %v", value, err)
		}
	}
	must(t, store.Reconfigure(ctx, "loader.refresh_after", "0"))
	close(leave)
	for {
		value, _, err := store.Get(ctx, "k")
		must(t, err)
		if string(value) == "new" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if stats := store.GetStats(); stats.Refreshes != 1 {
		t.Fatalf("%+v", stats)
	}
}

func TestALargeOldValueIsReturnedToo(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{"loader.refresh_after": "1ms", "loader.retry_max": "0"}})
	var calls atomic.Int32
	large := strings.Repeat("x", 100_000)
	for calls.Load() < 3 {
		value, err := store.GetOrLoad(ctx, "k", 0, row(large, &calls))
		if err != nil || string(value) != large {
			t.Fatalf("got %d bytes, %v", len(value), err)
		}
	}
}

func TestWhatIsTooLargeForTheFirstBufferIsReadOnce(t *testing.T) {
	for _, size := range []int{0, 512, 513, 1000, 100_000} {
		store := open(t, memstore.Config{RefreshAfter: time.Hour})
		value := strings.Repeat("x", size)
		must(t, store.Set(ctx, "k", []byte(value), 0))
		for range 10 {
			got, err := store.GetOrLoad(ctx, "k", 0, constant)
			if err != nil || string(got) != value {
				t.Fatalf("GetOrLoad: %d bytes, %v", len(got), err)
			}
			got, version, found, err := store.GetVersioned(ctx, "k")
			if err != nil || !found || version == 0 || string(got) != value {
				t.Fatalf("GetVersioned: %d bytes, %v, %d, %v", len(got), found, version, err)
			}
		}
		if stats := store.GetStats(); stats.Hits != 20 || stats.Misses != 0 {
			t.Errorf("20 reads of %d bytes are %d hits and %d misses", size, stats.Hits, stats.Misses)
		}
	}
}

// Loads that wait for several others, which wait for the same ones: there are more ways through them than could be followed.
func TestLoadersMayAskForManyThatAskForTheSame(t *testing.T) {
	store := open(t, memstore.Config{})
	const last = 80
	var asked atomic.Int32
	bottom := make(chan struct{})
	var load memstore.Loader
	load = func(ctx context.Context, key string) ([]byte, error) {
		n, err := strconv.Atoi(key)
		if err != nil || n < 2 {
			asked.Add(1)
			<-bottom // so that all of them wait at once
			return []byte{1}, err
		}
		sums := make(chan uint64, 2)
		for _, before := range []int{n - 1, n - 2} {
			go func() {
				value, err := store.GetOrLoad(ctx, strconv.Itoa(before), 0, load)
				noError(t, err)
				sums <- new(big.Int).SetBytes(value).Uint64()
			}()
		}
		asked.Add(1)
		return new(big.Int).SetUint64(<-sums + <-sums).Bytes(), nil
	}
	var callers sync.WaitGroup
	for n := range last + 1 {
		spawn(&callers, func() {
			_, err := store.GetOrLoad(ctx, strconv.Itoa(n), 0, load)
			noError(t, err)
		})
		eventually(t, "the loader asks for those below", func() bool { return asked.Load() == int32(n+1) })
	}
	close(bottom)
	callers.Wait()
	value, found, err := store.Get(ctx, strconv.Itoa(last))
	if got := new(big.Int).SetBytes(value).Uint64(); err != nil || !found || got != 37889062373143906 {
		t.Errorf("got %d, %v, %v", got, found, err)
	}
}

// TestAValueIsReturnedWhereThereIsNoPlaceToLookAtIt holds all places that views may take, which looking at the age of a
// value takes one of, too.
func TestAValueIsReturnedWhereThereIsNoPlaceToLookAtIt(t *testing.T) {
	store := open(t, memstore.Config{LockTimeout: time.Millisecond, Settings: map[string]string{
		"performance.max_concurrent_readers": "1", "loader.refresh_after": "1h"}})
	must(t, store.Set(ctx, "k", []byte("value"), 0))
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := store.View(ctx, "k", func([]byte) error {
		for _, ctx := range []context.Context{limited, ctx} {
			var calls atomic.Int32
			value, err := store.GetOrLoad(ctx, "k", 0, row("loaded", &calls))
			if err != nil || string(value) != "value" || calls.Load() != 0 {
				return errors.Join(err, errors.New("got "+string(value)))
			}
		}
		return nil
	})
	must(t, err)
}

func TestAValueThatTheStoreCannotTakeIsReturnedUnlessThatShallFail(t *testing.T) {
	store := open(t, memstore.Config{MaxEntrySize: 100, OnStoreError: "fail"})
	large := func(context.Context, string) ([]byte, error) { return make([]byte, 1000), nil }
	_, err := store.GetOrLoad(ctx, "large", 0, large)
	wantError(t, err, memstore.ErrEntryTooLarge)
	_, err = store.GetOrLoadMany(ctx, []string{"large", "small"}, 0, func(context.Context, []string) (map[string][]byte, error) {
		return map[string][]byte{"large": make([]byte, 1000), "small": []byte("v")}, nil
	})
	wantError(t, err, memstore.ErrEntryTooLarge)
	wantValue(t, store, "small", "v")

	overtaken, err := store.GetOrLoad(ctx, "written", 0, func(context.Context, string) ([]byte, error) {
		return []byte("loaded"), store.Set(ctx, "written", []byte("set"), 0)
	})
	if must(t, err); string(overtaken) != "loaded" {
		t.Errorf("got %q, want what was loaded", overtaken)
	}

	must(t, store.Reconfigure(ctx, "loader.on_store_error", "bypass"))
	value, err := store.GetOrLoad(ctx, "large", 0, large)
	if must(t, err); len(value) != 1000 {
		t.Errorf("got %d bytes", len(value))
	}
	must(t, store.Reconfigure(ctx, "loader.on_store_error", "fail"))
	_, err = store.GetOrLoad(ctx, "large", 0, large)
	wantError(t, err, memstore.ErrEntryTooLarge)
}

// TestAValueIsLoadedAndReturnedWhereTheStoreCannotNoteTheLoad fills a store that does not evict, or asks for a key that is
// longer than any entry's.
func TestAValueIsLoadedAndReturnedWhereTheStoreCannotNoteTheLoad(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 1 << 20, Eviction: "none"})
	for i := 0; ; i++ {
		if err := store.Set(ctx, fmt.Sprint("filling ", i), []byte("v"), 0); err != nil {
			wantError(t, err, memstore.ErrCacheFull)
			break
		}
	}
	for _, key := range []string{strings.Repeat("k", 20000), strings.Repeat("k", 100000)} {
		t.Run(fmt.Sprint(len(key)), func(t *testing.T) {
			var calls atomic.Int32
			for range 2 {
				value, err := store.GetOrLoad(ctx, key, 0, row("loaded", &calls))
				if must(t, err); string(value) != "loaded" {
					t.Errorf("got %q", value)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("loaded %d times, want each time", calls.Load())
			}
			values, err := store.GetOrLoadMany(ctx, []string{key, "filling 1"}, 0,
				func(_ context.Context, keys []string) (map[string][]byte, error) {
					return map[string][]byte{keys[0]: []byte(fmt.Sprint(len(keys), " loaded"))}, nil
				})
			if must(t, err); string(values[key]) != "1 loaded" || string(values["filling 1"]) != "v" {
				t.Errorf("got %d values, %q and %q", len(values), values[key], values["filling 1"])
			}
			_, err = store.GetOrLoad(ctx, key, 0, func(context.Context, string) ([]byte, error) {
				return nil, memstore.ErrKeyNotFound
			})
			wantError(t, err, memstore.ErrKeyNotFound)
			must(t, store.Reconfigure(ctx, "loader.on_store_error", "fail"))
			if _, err = store.GetOrLoad(ctx, key, 0, row("loaded", &calls)); err == nil || calls.Load() != 2 {
				t.Errorf("got error %v after %d loads", err, calls.Load())
			}
			must(t, store.Reconfigure(ctx, "loader.on_store_error", "bypass"))
		})
	}
}
