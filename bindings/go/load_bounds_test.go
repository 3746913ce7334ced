// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// awaitLine waits until so many wait.
func awaitLine(gate *gate, n int) {
	for {
		gate.mutex.Lock()
		length := gate.line.Len()
		gate.mutex.Unlock()
		if length == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *gate) placesTaken() int64 {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return g.taken
}

// awaitWaiting waits until the load that the context belongs to waits for another, and for what that does to its place.
func awaitWaiting(ctx context.Context) {
	mine := ctx.Value(flightKey{}).(*flight)
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		circles.Lock()
		waits = len(mine.waitsFor) != 0
		circles.Unlock()
	}
}

func TestAGateLetsInByTurns(t *testing.T) {
	gate := newGate(2)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	never := make(chan struct{})
	if !gate.enter(ctx, never, 1) {
		t.Fatal("kept out")
	}
	large, small := make(chan bool), make(chan bool)
	go func() { large <- gate.enter(ctx, never, 2) }()
	awaitLine(gate, 1)
	go func() { small <- gate.enter(context.Background(), never, 1) }() // it would fit, but comes later
	awaitLine(gate, 2)
	cancel()
	if <-large || !<-small || gate.taken != 2 {
		t.Errorf("%d places are taken", gate.taken)
	}
	gate.leave(1)
	gate.leave(1)
	ended := make(chan struct{})
	close(ended)
	if !gate.enter(ctx, ended, 2) || gate.enter(context.Background(), ended, 1) || gate.taken != 2 || gate.line.Len() != 0 {
		t.Errorf("%d places are taken, %d wait", gate.taken, gate.line.Len())
	}
}

func TestPausesGrow(t *testing.T) {
	store, err := Open(Config{LoadRetryInitial: 10 * time.Millisecond, LoadRetryMax: 35 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	for made, most := range map[int]time.Duration{1: 10, 2: 20, 3: 35, 4: 35, 1000: 35} {
		longest := time.Duration(0)
		for range 2000 {
			longest = max(longest, (&attempts{store: store, made: made}).pause())
		}
		if most *= time.Millisecond; longest > most || longest < most*3/4 {
			t.Errorf("pause %d is %v at most, want up to %v", made, longest, most)
		}
	}
}

// Who leads "k" waits for a place which another has who waits for "k".
func TestAPlaceIsLentWhileALoaderWaits(t *testing.T) {
	for name, config := range map[string]Config{"loads": {MaxLoads: 1}, "bytes": {MaxLoadBytes: 1}} {
		config.LoadTimeout = time.Minute
		store, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		gate := map[string]*gate{"loads": store.bounds.loads, "bytes": store.bounds.bytes}[name]
		constant := func(context.Context, string) ([]byte, error) { return nil, nil }
		inOuter, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			_, err := store.GetOrLoad(context.Background(), "outer", 0, func(ctx context.Context, _ string) ([]byte, error) {
				close(inOuter)
				<-goOn
				return store.GetOrLoad(ctx, "k", 0, constant)
			})
			ended <- err
		}()
		<-inOuter
		go func() {
			_, err := store.GetOrLoad(context.Background(), "k", 0, constant)
			ended <- err
		}()
		awaitLine(gate, 1)
		close(goOn)
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if gate.placesTaken() == 0 {
				break
			}
		}
		if err := store.Close(); err != nil || gate.taken != 0 {
			t.Errorf("%s: %d places are taken, %v", name, gate.taken, err)
		}
	}
}

// Who joins a load that a loader makes may do so before its loader is called.
func TestAPlaceIsNotLentToItsOwnLoads(t *testing.T) {
	store, err := Open(Config{MaxLoads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	constant := func(context.Context, string) ([]byte, error) { return nil, nil }
	_, err = store.GetOrLoad(context.Background(), "outer", 0, func(ctx context.Context, _ string) ([]byte, error) {
		inner, err := store.find(ctx, getOrLoad, "inner", new(flights))
		if err != nil || !inner.mine {
			t.Errorf("found %v, %v", inner, err)
			return nil, err
		}
		joined := make(chan error)
		go func() {
			_, err := store.GetOrLoad(ctx, "inner", 0, constant)
			joined <- err
		}()
		awaitWaiting(ctx)
		if taken := store.bounds.loads.placesTaken(); taken != 1 {
			t.Errorf("%d places are taken while the only loader runs", taken)
		}
		store.lead(ctx, "inner", inner.call, 0, constant)
		return nil, <-joined
	})
	if err != nil {
		t.Error(err)
	}
}

// What a value takes is known to the next load of whoever was given it, and a loader that fails says nothing about it.
func TestWhatLoadsAreExpectedToTakeIsByTheValuesBefore(t *testing.T) {
	store, err := Open(Config{MaxLoadBytes: 1 << 20, LoadTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	ctx, failed := context.Background(), errors.New("away")
	load := func(context.Context, string) ([]byte, error) { return make([]byte, 1000), nil }
	for i := range 2000 {
		store.bounds.mean.Store(0)
		if _, err := store.GetOrLoad(ctx, fmt.Sprint(i), 0, load); err != nil {
			t.Fatal(err)
		}
		if mean := store.bounds.mean.Load(); mean != 1000 {
			t.Fatalf("load %d: values are expected to take %d bytes", i, mean)
		}
	}
	for i := range 20 {
		if _, err := store.GetOrLoad(ctx, fmt.Sprint("fails ", i), 0, func(context.Context, string) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
			t.Fatal(err)
		}
		_, err := store.GetOrLoadMany(ctx, []string{fmt.Sprint("one ", i), fmt.Sprint("two ", i)}, 0, func(context.Context, []string) (map[string][]byte, error) { return nil, failed })
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
	}
	if mean := store.bounds.mean.Load(); mean != 1000 {
		t.Errorf("values are expected to take %d bytes after loads that failed", mean)
	}
}
