// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// What waits for its LockTimeout of ten minutes in place of its context fails by longestEnd.
const (
	longTimeout = 10 * time.Minute
	longestEnd  = time.Minute
)

// longestSearch is what a write may take that finds room after all: what has the store's lock may be
// slow.
const longestSearch = 100 * time.Millisecond

// isWritten waits until a write is done, or is seen to wait for memory.
func isWritten(t *testing.T, store *memstore.Store, roomMadeBefore uint64, written <-chan error) bool {
	t.Helper()
	for {
		select {
		case err := <-written:
			must(t, err)
			return true
		case <-time.After(longestSearch):
			if store.GetStats().RoomMade != roomMadeBefore {
				return false
			}
		}
	}
}

// crowded is a store in which a write waits for memory that views hold and has the only place for
// writers if there is but one, until the test is over or calls what is returned. One write is queued.
func crowded(t *testing.T, writers int) (*memstore.Store, func()) {
	t.Helper()
	store := open(t, memstore.Config{MemoryLimit: 4 << 20, Shards: 1, MaxConcurrentWriters: writers, LockTimeout: longTimeout,
		BatchTimeout: time.Hour})
	must(t, store.Set(ctx, "old", []byte("1"), 0))
	must(t, store.SetAsync(ctx, "queued", []byte("1"), 0))
	value := make([]byte, 3000)
	release, held, written := make(chan struct{}), make(chan bool), make(chan error)
	holding := 0
	write := func() { written <- store.Set(ctx, fmt.Sprint("held ", holding), value, 0) }
	for waits := false; !waits; {
		before := store.GetStats().RoomMade
		go write()
		waits = !isWritten(t, store, before, written)
		if !waits {
			key := fmt.Sprint("held ", holding)
			holding++
			go func() {
				_, err := store.View(ctx, key, func([]byte) error { held <- true; <-release; return nil })
				noError(t, err)
				held <- false
			}()
			<-held
		}
	}
	done := false
	let := func() {
		if done {
			return
		}
		done = true
		close(release)
		for range holding {
			<-held
		}
		must(t, <-written)
	}
	t.Cleanup(let)
	return store, let
}

// waiter is a call that has to wait in a crowded store.
type waiter = func(ctx context.Context, store *memstore.Store) error

var waiters = map[string]waiter{
	"Set":    func(ctx context.Context, s *memstore.Store) error { return s.Set(ctx, "new", []byte("2"), 0) },
	"Delete": func(ctx context.Context, s *memstore.Store) error { return s.Delete(ctx, "old") },
	"Remove": func(ctx context.Context, s *memstore.Store) error {
		_, err := s.Remove(ctx, "old")
		return err
	},
	"Add":     func(ctx context.Context, s *memstore.Store) error { return s.Add(ctx, "new", []byte("2"), 0) },
	"Replace": func(ctx context.Context, s *memstore.Store) error { return s.Replace(ctx, "old", []byte("2"), 0) },
	"CompareAndSet": func(ctx context.Context, s *memstore.Store) error {
		_, version, _, err := s.GetVersioned(ctx, "old")
		return errors.Join(err, s.CompareAndSet(ctx, "old", []byte("2"), 0, version))
	},
	"Increment": func(ctx context.Context, s *memstore.Store) error {
		_, err := s.Increment(ctx, "old", 1, 1, 0)
		return err
	},
	"SetUntil": func(ctx context.Context, s *memstore.Store) error {
		return s.SetUntil(ctx, "new", []byte("2"), time.Now().Add(time.Hour))
	},
	"UpdateTTL": func(ctx context.Context, s *memstore.Store) error { return s.UpdateTTL(ctx, "old", time.Hour) },
	"SetMany": func(ctx context.Context, s *memstore.Store) error {
		return s.SetMany(ctx, map[string][]byte{"old": nil, "new": nil}, 0)
	},
	"DeleteMany": func(ctx context.Context, s *memstore.Store) error {
		return s.DeleteMany(ctx, []string{"old", "held 1"})
	},
	"DeleteByPattern": func(ctx context.Context, s *memstore.Store) error {
		_, err := s.DeleteByPattern(ctx, "old")
		return err
	},
	"Clear": func(ctx context.Context, s *memstore.Store) error { return s.Clear(ctx) },
	"Commit": func(ctx context.Context, s *memstore.Store) error {
		return s.NewBatch().Delete("old").Set("new", []byte("2"), 0).Commit(ctx)
	},
}

// afterWaiting makes a call with a context that ends, ever later until the call came to wait before that: the end of the
// context may come first where others have the processor. It returns the context's error and the call's.
func afterWaiting(t *testing.T, how string, call func(context.Context) error) (cause, err error) {
	t.Helper()
	for patience := 20 * time.Millisecond; ; patience *= 2 {
		ending, cancel := context.WithCancel(ctx)
		if how == "deadline" {
			ending, cancel = context.WithTimeout(ctx, patience)
		} else {
			time.AfterFunc(patience, cancel)
		}
		err = call(ending)
		cause = ending.Err()
		cancel()
		var failure *memstore.Error
		if patience > longestEnd || !errors.As(err, &failure) || failure.Err != cause {
			return cause, err
		}
	}
}

func refusals(store *memstore.Store) uint64 {
	stats := store.GetStats()
	return stats.RejectedFull + stats.RejectedMemory + stats.RejectedTimeout + stats.RejectedCondition
}

func TestWaitEndsWithTheContext(t *testing.T) {
	store, let := crowded(t, 1)
	before, size := refusals(store), store.Size()
	path := filepath.Join(t.TempDir(), "snapshot")
	calls := maps.Clone(waiters)
	calls["Save"] = func(ctx context.Context, s *memstore.Store) error { return s.Save(ctx, path) }
	calls["Maintain"] = func(ctx context.Context, s *memstore.Store) error { return s.Maintain(ctx, 0) }
	// Once somebody has tried to write what is queued, Maintain does.
	_, err := afterWaiting(t, "cancelled", func(ctx context.Context) error { return store.Save(ctx, path) })
	wantError(t, err, context.Canceled)
	for name, call := range calls {
		for _, how := range []string{"deadline", "cancelled"} {
			begun := time.Now()
			cause, err := afterWaiting(t, how, func(ctx context.Context) error { return call(ctx, store) })
			if took := time.Since(begun); took > longestEnd {
				t.Errorf("%s, %s: took %v", name, how, took)
			}
			var failure *memstore.Error
			if !errors.Is(err, cause) || !errors.Is(err, memstore.ErrLockTimeout) || !errors.As(err, &failure) || failure.Op != name {
				t.Errorf("%s, %s: got error %v", name, how, err)
			}
		}
	}
	if store.Size() != size || refusals(store) != before {
		t.Errorf("there are %d entries, not %d; %d refusals, not %d", store.Size(), size, refusals(store), before)
	}
	wantValue(t, store, "old", "1")
	wantAbsent(t, store, "new")
	let()
	for name, call := range calls {
		must(t, store.Set(ctx, "old", []byte("1"), 0))
		must(t, store.Delete(ctx, "new"))
		if err := call(ctx, store); err != nil {
			t.Errorf("%s: %v with nothing to wait for", name, err)
		}
	}
}

// A context that may end but does not lets a call wait as long as any.
func TestWaitThatIsRewarded(t *testing.T) {
	store, let := crowded(t, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- store.Set(ctx, "new", []byte("2"), 0) }()
	select {
	case err := <-ended:
		t.Fatalf("ended with %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	let()
	must(t, <-ended)
	wantValue(t, store, "new", "2")
}

// LockTimeout holds with a context that ends later, and is told and counted once.
func TestWaitThatTheStoreEnds(t *testing.T) {
	store, _ := crowded(t, 1)
	must(t, store.Reconfigure(ctx, "performance.lock_timeout", "30ms"))
	ctx, cancel := context.WithTimeout(ctx, longTimeout)
	defer cancel()
	before := refusals(store)
	err := store.Delete(ctx, "old")
	wantError(t, err, memstore.ErrLockTimeout)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context has not ended: %v", err)
	}
	if refusals(store) != before+1 {
		t.Errorf("%d refusals, not %d", refusals(store), before+1)
	}
}

func TestWaitForMemoryEndsWithTheContext(t *testing.T) {
	store, let := crowded(t, 0)
	before := refusals(store)
	ended := make(chan error)
	value := make([]byte, 2900)
	for i := range 6 {
		go func() {
			_, err := afterWaiting(t, "deadline", func(ctx context.Context) error {
				if i%2 == 0 {
					return store.Set(ctx, "held 1", value, 0)
				}
				return store.NewBatch().Delete("old").Set("held 1", value, 0).Commit(ctx)
			})
			ended <- err
		}()
	}
	for range 6 {
		err := <-ended
		wantError(t, err, context.DeadlineExceeded)
		if !errors.Is(err, memstore.ErrGCPressure) && !errors.Is(err, memstore.ErrMemoryExhausted) {
			t.Errorf("got error %v", err)
		}
	}
	if refusals(store) != before {
		t.Errorf("%d refusals, not %d", refusals(store), before)
	}
	wantValue(t, store, "old", "1")
	wantValue(t, store, "held 1", string(make([]byte, 3000)))
	let()
	must(t, store.Set(ctx, "held 1", value, 0))
}

func TestWaitForAViewEndsWithTheContext(t *testing.T) {
	store := open(t, memstore.Config{MaxConcurrentReaders: 1, LockTimeout: longTimeout})
	must(t, store.Set(ctx, "key", []byte("1"), 0))
	_, err := store.View(ctx, "key", func([]byte) error {
		_, err := afterWaiting(t, "deadline", func(ctx context.Context) error {
			_, err := store.View(ctx, "key", func([]byte) error { t.Error("there is no place"); return nil })
			return err
		})
		return err
	})
	wantError(t, err, context.DeadlineExceeded)
	wantError(t, err, memstore.ErrLockTimeout)
	_, err = store.View(ctx, "key", func([]byte) error { return nil })
	must(t, err)
}

// Those who ask for a key whose first caller waits for the store end with their own contexts, not his.
func TestWaitForSomebodyWhoWaitsForTheStoreEndsWithTheContext(t *testing.T) {
	store, let := crowded(t, 1)
	first := make(chan error)
	go func() {
		_, err := store.GetOrLoad(ctx, "absent", 0, constant)
		first <- err
	}()
	eventually(t, "the first waits", func() bool { return store.GetStats().Misses != 0 })
	for range 3 {
		brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		begin := time.Now()
		_, err := store.GetOrLoad(brief, "absent", 0, constant)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if waited := time.Since(begin); waited > longestEnd {
			t.Errorf("waited for %v", waited)
		}
		cancel()
	}
	let()
	must(t, <-first)
}

// What the store has no place to note the load of, for as long as it lets a call wait, is not taken for a load of
// somebody else, which lasts as long as he likes.
func TestALoadThatTheStoreHasNoPlaceForIsNotWaitedForEver(t *testing.T) {
	for _, timeout := range []string{"0", "30ms"} {
		for _, how := range []string{"bypass", "fail"} {
			store, let := crowded(t, 1)
			must(t, store.Reconfigure(ctx, "performance.lock_timeout", timeout))
			must(t, store.Reconfigure(ctx, "loader.on_store_error", how))
			loaded := make(chan error, 2)
			go func() {
				_, err := store.GetOrLoad(ctx, "absent", 0, constant)
				loaded <- err
			}()
			go func() {
				_, err := store.GetOrLoadMany(ctx, []string{"missing"}, 0, func(context.Context, []string) (map[string][]byte, error) {
					return map[string][]byte{"missing": nil}, nil
				})
				loaded <- err
			}()
			for range 2 {
				select {
				case err := <-loaded:
					// There may be no memory to note it, either.
					refused := errors.Is(err, memstore.ErrLockTimeout) || errors.Is(err, memstore.ErrMemoryExhausted) ||
						errors.Is(err, memstore.ErrGCPressure)
					if how == "bypass" && err != nil || how == "fail" && !refused {
						t.Errorf("%s, %s: %v", timeout, how, err)
					}
				case <-time.After(longestEnd):
					t.Errorf("%s, %s: waits for ever", timeout, how)
				}
			}
			must(t, store.Reconfigure(ctx, "performance.lock_timeout", "10m"))
			let()
		}
	}
}

// A limit on its way down is given up when the context ends, and put back.
func TestAnAnswerThatWasWaitedForIsCountedOnce(t *testing.T) {
	const callers, rounds = 4, 20
	store := open(t, memstore.Config{MemoryLimit: 64 << 20, LockTimeout: longTimeout})
	cancelable, cancel := context.WithCancel(ctx)
	defer cancel()
	// Room is made for each of them, and to copy it takes longer than a call waits at first.
	value := make([]byte, 10<<20)
	for i := range 6 {
		must(t, store.Set(ctx, fmt.Sprint(i), value, 0))
	}
	var group sync.WaitGroup
	var rejected atomic.Uint64
	for round := range rounds {
		for range callers {
			spawn(&group, func() {
				switch err := store.Add(cancelable, fmt.Sprint("new ", round), value, 0); {
				case errors.Is(err, memstore.ErrKeyExists):
					rejected.Add(1)
				default:
					noError(t, err)
				}
			})
		}
		group.Wait()
	}
	if counted := store.GetStats().RejectedKeyExists; counted != rejected.Load() {
		t.Errorf("%d calls were rejected, %d counted", rejected.Load(), counted)
	}
}

func TestReconfigureEndsWithTheContext(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 256 << 20, LockTimeout: longTimeout})
	limit := store.Capacity()
	// lower has the context end a time after the limit has begun to go down, and tells whether that was before the end.
	lower := func(after time.Duration) bool {
		value := make([]byte, 20000)
		for i := range 13000 {
			must(t, store.Set(ctx, fmt.Sprint(i), value, 0))
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		full := store.Size()
		go func() {
			for store.Size() == full && ctx.Err() == nil {
				runtime.Gosched()
			}
			time.Sleep(after)
			cancel()
		}()
		err := store.Reconfigure(ctx, "performance.memory_limit", "16MiB")
		if err == nil {
			must(t, store.Reconfigure(context.Background(), "performance.memory_limit", fmt.Sprint(limit)))
			return false
		}
		wantError(t, err, context.Canceled)
		return true
	}
	if !lower(time.Millisecond) && !lower(0) && !lower(0) && !lower(0) {
		t.Error("the limit went down whole each time")
	}
	if store.Capacity() != limit {
		t.Errorf("the limit is %d, not %d", store.Capacity(), limit)
	}
}

// With a context that may end a call that need not wait makes no garbage either.
func TestWaitingAllocatesNothing(t *testing.T) {
	store := open(t, memstore.Config{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	value := []byte("1")
	if count := testing.AllocsPerRun(1000, func() {
		must(t, store.Set(ctx, "key", value, 0))
		_, err := store.Increment(ctx, "key", 1, 1, 0)
		must(t, err)
		must(t, store.Delete(ctx, "key"))
	}); count != 0 {
		t.Errorf("%v allocations", count)
	}
}
