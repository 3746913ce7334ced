// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

func subscribe(t testing.TB, store *memstore.Store, kinds memstore.EventKind, queue int) *memstore.Subscription {
	t.Helper()
	subscription, err := store.Subscribe(kinds, queue)
	must(t, err)
	t.Cleanup(func() { noError(t, subscription.Close()) })
	return subscription
}

func wantEvent(t testing.TB, event memstore.Event, kind memstore.EventKind, key, value string) {
	t.Helper()
	if event.Kind != kind || event.Key != key || string(event.Value) != value {
		t.Errorf("got %v of %q with %q, want %v of %q with %q", event.Kind, event.Key, event.Value, kind, key, value)
	}
}

func nextEvent(t testing.TB, subscription *memstore.Subscription) memstore.Event {
	t.Helper()
	event, found, err := subscription.Poll()
	must(t, err)
	if !found {
		t.Fatal("there is no event")
	}
	return event
}

func TestEachRemovalIsToldWithItsCause(t *testing.T) {
	store := open(t, memstore.Config{Maintenance: "manual"})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	before := time.Now().Add(-time.Second)

	must(t, store.Set(ctx, "k", []byte("1"), time.Hour))
	must(t, store.Set(ctx, "k", []byte(""), 0))
	event := nextEvent(t, all)
	wantEvent(t, event, memstore.EventReplaced, "k", "1")
	if event.Version == 0 || event.At.Before(before) || event.At.After(time.Now().Add(time.Second)) ||
		event.ExpiresAt.Before(time.Now().Add(59*time.Minute)) {
		t.Errorf("%+v", event)
	}
	must(t, store.Delete(ctx, "k"))
	event = nextEvent(t, all)
	wantEvent(t, event, memstore.EventDeleted, "k", "")
	if !event.ExpiresAt.IsZero() {
		t.Errorf("an entry that never expires was to expire at %v", event.ExpiresAt)
	}
	must(t, store.Set(ctx, "t", []byte("short"), time.Millisecond))
	time.Sleep(10 * time.Millisecond)
	must(t, store.Maintain(ctx, 0))
	wantEvent(t, nextEvent(t, all), memstore.EventExpired, "t", "short")
	must(t, store.Set(ctx, "c", make([]byte, 100_000), 0))
	must(t, store.Clear(ctx))
	wantEvent(t, nextEvent(t, all), memstore.EventCleared, "c", string(make([]byte, 100_000)))
	if _, found, err := all.Poll(); found || err != nil {
		t.Errorf("Poll of an empty queue: %v, %v", found, err)
	}
	if text := (memstore.EventDeleted | memstore.EventExpired).String(); text != "expired|deleted" {
		t.Error(text)
	}
}

func TestAFullQueueDropsAndSaysSo(t *testing.T) {
	store := open(t, memstore.Config{})
	two := subscribe(t, store, memstore.EventReplaced, 2)
	for i := range 10 {
		must(t, store.Set(ctx, "k", []byte{byte(i)}, 0))
	}
	if dropped := two.Dropped(); dropped != 7 {
		t.Errorf("dropped %d of 9 in a queue of 2", dropped)
	}
	nextEvent(t, two)
	nextEvent(t, two)
	must(t, store.Set(ctx, "k", nil, 0))
	if event := nextEvent(t, two); event.Dropped != 7 {
		t.Errorf("the next event says that %d were lost", event.Dropped)
	}
	stats := store.GetEventStats()
	if stats.Subscriptions != 1 || stats.Dropped != 7 || stats.Queued != 3 || stats.Memory == 0 {
		t.Errorf("%+v", *stats)
	}
	must(t, two.Close())
	if two.Dropped() != 7 {
		t.Error("the count is forgotten")
	}
}

func TestNextWaitsForAnEventOrItsContext(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := all.Next(soon)
	wantError(t, err, context.DeadlineExceeded)

	go func() {
		noError(t, store.Set(ctx, "k", []byte("v"), 0))
		noError(t, store.Delete(ctx, "k"))
	}()
	event, err := all.Next(ctx)
	must(t, err)
	wantEvent(t, event, memstore.EventDeleted, "k", "v")
}

func TestEventsRangeUntilTheStoreIsClosed(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	byChannel := subscribe(t, store, memstore.EventRemovals, 0).Channel(ctx, 10)
	const count = 1000
	go func() {
		for i := range count + 1 {
			noError(t, store.Set(ctx, "k", []byte(fmt.Sprint(i)), 0))
		}
		noError(t, store.Close())
	}()
	told := 0
	for event, err := range all.All(ctx) {
		must(t, err)
		wantEvent(t, event, memstore.EventReplaced, "k", fmt.Sprint(told))
		told++
	}
	for event := range byChannel {
		wantEvent(t, event, memstore.EventReplaced, "k", fmt.Sprint(told-count))
		told++
	}
	if told != 2*count {
		t.Errorf("told %d events, want %d", told, 2*count)
	}
}

func TestRangingEndsWithTheContext(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	soon, cancel := context.WithCancel(ctx)
	time.AfterFunc(10*time.Millisecond, cancel)
	var last error
	for _, err := range all.All(soon) {
		last = err
	}
	wantError(t, last, context.Canceled)
	for range all.Events(soon) {
		t.Error("an event of a context that is done")
	}
	if _, open := <-all.Channel(soon, 0); open {
		t.Error("a channel of a context that is done")
	}
}

func TestClosingASubscriptionEndsWaits(t *testing.T) {
	store := open(t, memstore.Config{})
	for range 20 {
		all := subscribe(t, store, memstore.EventRemovals, 0)
		var waiting sync.WaitGroup
		for range 4 {
			spawn(&waiting, func() {
				if _, err := all.Next(ctx); !errors.Is(err, memstore.ErrCacheClosed) {
					t.Errorf("Next of a subscription that is closed: %v", err)
				}
			})
		}
		runtime.Gosched()
		must(t, all.Close())
		waiting.Wait()
		must(t, all.Close())
		_, _, err := all.Poll()
		wantError(t, err, memstore.ErrCacheClosed)
	}
}

func TestACallbackMayCallTheStoreAndCloseIt(t *testing.T) {
	store := open(t, memstore.Config{})
	done := make(chan error)
	calls := 0
	_, err := store.OnEvent(memstore.EventDeleted, func(event memstore.Event) {
		calls++
		noError(t, store.Set(ctx, event.Key, []byte("back"), 0))
		if calls < 10 {
			noError(t, store.Delete(ctx, event.Key))
			return
		}
		done <- store.Close()
	})
	must(t, err)
	must(t, store.Set(ctx, "k", []byte("v"), 0))
	must(t, store.Delete(ctx, "k"))
	must(t, <-done)
}

// dropped opens a store that nobody closes and hands it to use; what use returns outlives it.
func dropped[T any](t testing.TB, use func(store *memstore.Store) T) T {
	t.Helper()
	store, err := memstore.Open(memstore.Config{
		MemoryLimit: 8 << 20, StoreName: t.Name(), Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	return use(store)
}

// collect runs the collector until a channel has something or is closed.
func collect[T any](t testing.TB, what string, channel <-chan T) (value T) {
	t.Helper()
	eventually(t, what, func() bool {
		runtime.GC()
		select {
		case value = <-channel:
			return true
		default:
			return false
		}
	})
	return value
}

func TestASubscriptionOutlivesADroppedStore(t *testing.T) {
	all := dropped(t, func(store *memstore.Store) *memstore.Subscription {
		all, err := store.Subscribe(memstore.EventRemovals, 0)
		must(t, err)
		must(t, store.Set(ctx, "k", []byte("v"), 0))
		must(t, store.Delete(ctx, "k"))
		return all
	})
	told := make(chan error)
	go func() {
		event, err := all.Next(ctx)
		if err == nil {
			wantEvent(t, event, memstore.EventDeleted, "k", "v")
			_, err = all.Next(ctx)
		}
		told <- err
	}()
	wantError(t, collect(t, "the end of the events", told), memstore.ErrCacheClosed)
	must(t, all.Close())
}

func TestWhoIsToldEventsDoesNotKeepAStoreFromBeingFreed(t *testing.T) {
	before := residentBytes(t)
	told := make(chan memstore.Event, 1)
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var channels []<-chan memstore.Event
	for range 20 {
		func() {
			store, err := memstore.Open(memstore.Config{MemoryLimit: 16 << 20, Logger: logger})
			must(t, err)
			_, err = store.OnEvent(memstore.EventDeleted, func(event memstore.Event) { told <- event })
			must(t, err)
			all, err := store.Subscribe(memstore.EventDeleted, 0)
			must(t, err)
			channels = append(channels, all.Channel(ctx, 1))
			for i := range 80 {
				must(t, store.Set(ctx, fmt.Sprint(i), make([]byte, 100<<10), 0))
			}
			must(t, store.Delete(ctx, "79"))
		}()
		if event := <-told; event.Key != "79" {
			t.Errorf("%+v", event)
		}
	}
	for _, channel := range channels {
		if event := <-channel; event.Key != "79" {
			t.Errorf("%+v", event)
		}
		collect(t, "the end of the channel", channel)
	}
	eventually(t, "resident memory is back, and warnings are there", func() bool {
		runtime.GC()
		return residentBytes(t) < before+100<<20 && strings.Count(log.String(), "dropped without Close") == len(channels)
	})
}

func TestEachOfThoseWhoWaitHasItsOwnContext(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	first := make(chan error)
	go func() {
		event, err := all.Next(ctx)
		wantEvent(t, event, memstore.EventDeleted, "k", "v")
		first <- err
	}()
	for range 20 { // before and while the other one waits
		soon, cancel := context.WithTimeout(ctx, time.Millisecond)
		_, err := all.Next(soon)
		cancel()
		wantError(t, err, context.DeadlineExceeded)
	}
	for range 1000 {
		if _, found, err := all.Poll(); found || err != nil {
			t.Fatalf("Poll of an empty queue that another waits for: %v, %v", found, err)
		}
	}
	must(t, store.Set(ctx, "k", []byte("v"), 0))
	must(t, store.Delete(ctx, "k"))
	must(t, <-first)
}

func TestPollAndNextTakeEachEventOnce(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	const count = 3000
	var told atomic.Int64
	var takers sync.WaitGroup
	for range 2 {
		spawn(&takers, func() {
			for range all.Events(ctx) {
				told.Add(1)
			}
		})
		spawn(&takers, func() {
			for {
				_, found, err := all.Poll()
				if err != nil {
					wantError(t, err, memstore.ErrCacheClosed)
					return
				}
				if found {
					told.Add(1)
				}
				runtime.Gosched()
			}
		})
	}
	for range count + 1 {
		must(t, store.Set(ctx, "k", nil, 0))
	}
	eventually(t, "all events are taken", func() bool { return told.Load() == count })
	must(t, store.Close())
	takers.Wait()
}

func TestANilContextWaitsForEvents(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	must(t, store.Set(ctx, "k", nil, 0))
	var none context.Context
	channel := all.Channel(none, 0)
	must(t, store.Delete(ctx, "k"))
	wantEvent(t, <-channel, memstore.EventDeleted, "k", "")
	time.AfterFunc(time.Millisecond, func() { noError(t, store.Close()) })
	if _, err := all.Next(none); !errors.Is(err, memstore.ErrCacheClosed) {
		t.Error(err)
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	store := open(t, memstore.Config{})
	for _, kinds := range []memstore.EventKind{0, 1 << 31} {
		_, err := store.Subscribe(kinds, 0)
		wantError(t, err, memstore.ErrInvalidArgument)
	}
	_, err := store.Subscribe(memstore.EventRemovals, -1)
	wantError(t, err, memstore.ErrInvalidArgument)
	must(t, store.Close())
	_, err = store.Subscribe(memstore.EventRemovals, 0)
	wantError(t, err, memstore.ErrCacheClosed)
	_, err = store.OnEvent(memstore.EventRemovals, func(memstore.Event) {})
	wantError(t, err, memstore.ErrCacheClosed)
	if *store.GetEventStats() != (memstore.EventStats{}) {
		t.Error("a closed store has events")
	}
}

func TestAlertsAreEvents(t *testing.T) {
	store, err := memstore.Open(memstore.Config{HitRateThreshold: 0.8, MetricsInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	alerts, err := store.Subscribe(memstore.EventAlert, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer alerts.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Windows of a millisecond end in between: some of them have a hundred reads.
	go func() {
		for ctx.Err() == nil {
			store.Get(ctx, "absent")
		}
	}()
	event, err := alerts.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if event.Kind != memstore.EventAlert || event.Alert != memstore.AlertHitRate || !event.Raised ||
		event.AlertValue > 0.01 || event.AlertThreshold != 0.8 || event.Key != "" || len(event.Value) != 0 {
		t.Errorf("%+v", event)
	}
	if event.Kind.String() != "alert" {
		t.Error(event.Kind)
	}
}

// TestABlockedCallbackHoldsUpNobody has a function that events are told to, and a logger, stand still while
// writers go on: the library's threads run no code of Go's, so that nothing of it can wait for them.
func TestABlockedCallbackHoldsUpNobody(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	logging := &blockingHandler{entered: make(chan struct{}, 1), leave: release}
	store := open(t, memstore.Config{MemoryLimit: 8 << 20, EventQueueMemory: 64 << 10, Logger: slog.New(logging), Verbose: true})
	var once sync.Once
	told := make(chan memstore.Event, 1)
	_, err := store.OnEvent(memstore.EventRemovals, func(event memstore.Event) {
		once.Do(func() {
			close(blocked)
			<-release
		})
		select {
		case told <- event:
		default:
		}
	})
	must(t, err)
	must(t, store.Set(ctx, "k", nil, 0))
	must(t, store.Delete(ctx, "k"))
	<-blocked
	<-logging.entered

	// Far more events than their queue has room for, evictions and, by Reconfigure, more records than theirs.
	var writers sync.WaitGroup
	for writer := range 4 {
		spawn(&writers, func() {
			for i := range 5000 {
				noError(t, store.Set(ctx, fmt.Sprint(writer, "/", i%3000), make([]byte, 1000), time.Hour))
			}
			for range 400 {
				noError(t, store.Reconfigure(ctx, "ttl.max_ttl", "1h"))
			}
		})
	}
	writers.Wait()
	must(t, store.Compact(ctx, 1))
	if stats := store.GetEventStats(); stats.Dropped == 0 || store.GetStats().Evictions == 0 {
		t.Errorf("nothing was lost, or nothing evicted: %+v", *stats)
	}
	close(release)
	if event := <-told; event.Key == "" {
		t.Errorf("%+v", event)
	}
	must(t, store.Close())
}

// blockingHandler stands still in its first record.
type blockingHandler struct {
	slog.Handler
	entered chan struct{}
	leave   chan struct{}
}

func (h *blockingHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *blockingHandler) Handle(context.Context, slog.Record) error {
	select {
	case h.entered <- struct{}{}:
		<-h.leave
	default:
	}
	return nil
}

// Closing a subscription ends also who waits for somebody to receive from its channel.
func TestClosingASubscriptionEndsAChannelThatNobodyReceivesFrom(t *testing.T) {
	store := open(t, memstore.Config{})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	channel := all.Channel(ctx, 1)
	for range 5 {
		must(t, store.Set(ctx, "k", nil, 0))
	}
	eventually(t, "the channel is full", func() bool { return len(channel) == 1 })
	must(t, all.Close())
	eventually(t, "the channel is closed", func() bool {
		select {
		case _, open := <-channel:
			return !open
		default:
			return false
		}
	})
}

// A large event leaves no large buffer behind.
func TestALargeEventIsNotKept(t *testing.T) {
	store := open(t, memstore.Config{MemoryLimit: 256 << 20, EventQueueMemory: 64 << 20})
	all := subscribe(t, store, memstore.EventRemovals, 0)
	const size = 32 << 20
	must(t, store.Set(ctx, "large", make([]byte, size), 0))
	must(t, store.Delete(ctx, "large"))
	must(t, store.Set(ctx, "small", []byte("v"), 0))
	must(t, store.Delete(ctx, "small"))
	if event := nextEvent(t, all); event.Key != "large" || len(event.Value) != size {
		t.Fatalf("%q with %d bytes", event.Key, len(event.Value))
	}
	wantEvent(t, nextEvent(t, all), memstore.EventDeleted, "small", "v")
	var memory runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > size {
		t.Errorf("%d bytes of the heap are in use", memory.HeapAlloc)
	}
	runtime.KeepAlive(all)
}

// What happens to a key is told in its order, however it is taken.
func TestEventsComeInTheirOrder(t *testing.T) {
	store := open(t, memstore.Config{EventQueueMemory: 16 << 20})
	const writers, writes = 4, 3000
	channel := subscribe(t, store, memstore.EventReplaced, 0).Channel(ctx, 10)
	called := make(chan memstore.Event)
	_, err := store.OnEvent(memstore.EventReplaced, func(event memstore.Event) { called <- event })
	must(t, err)
	var group sync.WaitGroup
	for way, events := range map[string]<-chan memstore.Event{"Channel": channel, "OnEvent": called} {
		spawn(&group, func() {
			next := map[string]int{}
			for range writers * (writes - 1) {
				event := <-events
				if want := fmt.Sprintf("%0100d", next[event.Key]); string(event.Value) != want || event.Dropped != 0 {
					t.Errorf("%s of %s: %q after %d events, %d lost", way, event.Key, event.Value, next[event.Key], event.Dropped)
				}
				next[event.Key]++
			}
		})
	}
	for writer := range writers {
		spawn(&group, func() {
			for i := range writes {
				noError(t, store.Set(ctx, fmt.Sprint("k", writer), fmt.Appendf(nil, "%0100d", i), 0))
			}
		})
	}
	group.Wait()
}
