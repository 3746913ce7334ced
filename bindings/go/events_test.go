// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
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

func TestASubscriptionOutlivesAnUnreachableStore(t *testing.T) {
	for range 20 {
		store, err := memstore.Open(memstore.Config{MemoryLimit: 4 << 20})
		must(t, err)
		all, err := store.Subscribe(memstore.EventRemovals, 0)
		must(t, err)
		must(t, store.Set(ctx, "k", []byte("v"), 0))
		must(t, store.Delete(ctx, "k"))
		must(t, store.Close())
		store = nil
		runtime.GC()
		wantEvent(t, nextEvent(t, all), memstore.EventDeleted, "k", "v")
		all = nil
		runtime.GC()
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
