// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// rows is a loader of many that knows all keys but "absent", and counts the keys it is asked for.
func rows(asked *atomic.Int32) memstore.ManyLoader {
	return func(_ context.Context, keys []string) (map[string][]byte, error) {
		asked.Add(int32(len(keys)))
		values := make(map[string][]byte)
		for _, key := range keys {
			if key != "absent" {
				values[key] = []byte("row " + key)
			}
		}
		return values, nil
	}
}

func TestManyAreLoadedByOneCall(t *testing.T) {
	store := open(t, memstore.Config{Settings: map[string]string{"loader.negative_ttl": "1h"}})
	must(t, store.Set(ctx, "there", []byte("there"), 0))
	var asked atomic.Int32
	for range 2 {
		values, err := store.GetOrLoadMany(ctx, []string{"a", "there", "b", "absent", "a"}, 0, rows(&asked))
		if err != nil || len(values) != 3 || string(values["a"]) != "row a" || string(values["there"]) != "there" {
			t.Fatalf("got %q, %v", values, err)
		}
	}
	if asked.Load() != 3 { // "absent" is remembered
		t.Errorf("%d keys were loaded, want 3", asked.Load())
	}
	if values, err := store.GetOrLoadMany(ctx, nil, 0, nil); err != nil || len(values) != 0 {
		t.Errorf("no keys: %q, %v", values, err)
	}
}

func TestEachKeyOfManyIsLoadedOnceHoweverManyAsk(t *testing.T) {
	store := open(t, memstore.Config{})
	var asked atomic.Int32
	load := rows(&asked)
	slow := func(ctx context.Context, keys []string) (map[string][]byte, error) {
		for range 100 {
			runtime.Gosched()
		}
		return load(ctx, keys)
	}
	var workers sync.WaitGroup
	for worker := range 32 {
		spawn(&workers, func() {
			keys := make([]string, 50)
			for i := range keys {
				keys[i] = fmt.Sprint((i*7 + worker*3) % 64) // in other orders, so that each waits for others
			}
			values, err := store.GetOrLoadMany(ctx, keys, 0, slow)
			noError(t, err)
			for _, key := range keys {
				if string(values[key]) != "row "+key {
					t.Errorf("%q is %q", key, values[key])
				}
			}
		})
	}
	workers.Wait()
	if asked.Load() != 64 {
		t.Errorf("%d keys were loaded, want 64", asked.Load())
	}
}

func TestALoadOfManyThatFails(t *testing.T) {
	store := open(t, memstore.Config{})
	broken := errors.New("the database is away")
	for name, load := range map[string]memstore.ManyLoader{
		"error": func(context.Context, []string) (map[string][]byte, error) { return nil, broken },
		"panic": func(context.Context, []string) (map[string][]byte, error) { panic("oh") },
		"exit":  func(context.Context, []string) (map[string][]byte, error) { runtime.Goexit(); return nil, nil },
		"nested": func(ctx context.Context, keys []string) (map[string][]byte, error) {
			// The second of the keys waits for the load that runs here.
			_, err := store.GetOrLoad(ctx, keys[1], 0, constant)
			return nil, err
		},
	} {
		want := memstore.ErrLoaderFailed
		if name == "error" {
			want = broken
		}
		values, err := store.GetOrLoadMany(ctx, []string{"a", "b"}, 0, load)
		if values != nil {
			t.Errorf("%s: %q", name, values)
		}
		wantError(t, err, want)
	}
	var asked atomic.Int32
	_, err := store.GetOrLoadMany(ctx, []string{"a", "b"}, 0, rows(&asked))
	if err != nil || asked.Load() != 2 {
		t.Errorf("afterwards: %v, %d keys", err, asked.Load())
	}
	_, err = store.GetOrLoadMany(ctx, []string{"c", ""}, 0, rows(&asked))
	wantError(t, err, memstore.ErrInvalidArgument)
	if values, err := store.GetOrLoadMany(ctx, []string{"c"}, 0, nil); err != nil || string(values["c"]) != "row c" {
		t.Errorf("what was loaded beside a failure: %q, %v", values, err)
	}
}

func TestALoadOfManyEndsWhenNobodyWaitsForAnyOfThem(t *testing.T) {
	store := open(t, memstore.Config{})
	entered, ended := make(chan struct{}), make(chan struct{})
	load := func(ctx context.Context, keys []string) (map[string][]byte, error) {
		close(entered)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
	brief, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() {
		_, err := store.GetOrLoadMany(brief, []string{"a", "b", "c"}, 0, load)
		result <- err
	}()
	<-entered
	cancel()
	wantError(t, <-result, context.Canceled)
	<-ended
}

func TestALoadOfManyGoesOnForWhoWaitsForOneOfThem(t *testing.T) {
	store := open(t, memstore.Config{})
	entered, leave := make(chan struct{}), make(chan struct{})
	load := func(ctx context.Context, keys []string) (map[string][]byte, error) {
		close(entered)
		<-leave
		if !slices.Equal(keys, []string{"a", "b"}) || ctx.Err() != nil {
			return nil, fmt.Errorf("keys %q, %w", keys, ctx.Err())
		}
		return map[string][]byte{"a": []byte("A"), "b": []byte("B")}, nil
	}
	brief, cancel := context.WithCancel(ctx)
	first := make(chan error, 1)
	go func() {
		_, err := store.GetOrLoadMany(brief, []string{"a", "b"}, 0, load)
		first <- err
	}()
	<-entered
	second := make(chan loaded, 1)
	joined := newDoneAsked()
	go func() {
		value, err := store.GetOrLoad(joined, "b", 0, constant)
		second <- loaded{value, err}
	}()
	<-joined.asked // it waits now
	cancel()
	wantError(t, <-first, context.Canceled)
	close(leave)
	expectLoaded(t, second, "B")
}

// doneAsked is a context that tells when somebody begins to wait for its end.
type doneAsked struct {
	context.Context
	asked chan struct{}
	once  sync.Once
}

func newDoneAsked() *doneAsked { return &doneAsked{Context: ctx, asked: make(chan struct{})} }

func (d *doneAsked) Done() <-chan struct{} {
	d.once.Do(func() { close(d.asked) })
	return d.Context.Done()
}
