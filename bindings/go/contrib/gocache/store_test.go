// SPDX-License-Identifier: Apache-2.0

package gocache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	original "github.com/allegro/bigcache/v3"
	"github.com/eko/gocache/lib/v4/cache"
	"github.com/eko/gocache/lib/v4/marshaler"
	"github.com/eko/gocache/lib/v4/store"
	bigcache "github.com/eko/gocache/store/bigcache/v4"
	memstore "github.com/weisyn/memstore/bindings/go"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, config memstore.Config, options ...store.Option) *Store {
	t.Helper()
	memory, err := memstore.Open(config)
	must(t, err)
	t.Cleanup(func() { _ = memory.Close() })
	return New(memory, options...)
}

// both runs a test with one of gocache's own stores and with this one.
func both(t *testing.T, test func(t *testing.T, s store.StoreInterface)) {
	t.Run("bigcache", func(t *testing.T) {
		client, err := original.New(ctx, original.DefaultConfig(time.Hour))
		must(t, err)
		defer client.Close()
		test(t, bigcache.NewBigcache(client))
	})
	t.Run("memstore", func(t *testing.T) { test(t, open(t, memstore.Config{})) })
}

func TestValuesComeBackAndGo(t *testing.T) {
	both(t, func(t *testing.T, s store.StoreInterface) {
		c := cache.New[[]byte](s)
		for _, key := range []string{"key", "a key, with commas", "gocache_tag_x"} {
			if _, err := c.Get(ctx, key); err == nil {
				t.Errorf("%q: an absent key has no error", key)
			}
			must(t, c.Set(ctx, key, []byte("value")))
			got, err := c.Get(ctx, key)
			if err != nil || string(got) != "value" {
				t.Errorf("%q: got %q, %v", key, got, err)
			}
			must(t, s.Set(ctx, key, "a string"))
			if got, err := c.Get(ctx, key); err != nil || string(got) != "a string" {
				t.Errorf("%q: got %q, %v", key, got, err)
			}
			must(t, c.Delete(ctx, key))
			if _, err := c.Get(ctx, key); err == nil {
				t.Errorf("%q: a deleted key has no error", key)
			}
		}
		if s.Set(ctx, "key", 7) == nil {
			t.Error("a number is taken")
		}
	})
}

func TestTagsInvalidate(t *testing.T) {
	both(t, func(t *testing.T, s store.StoreInterface) {
		for i := range 10 {
			tags := []string{fmt.Sprint("tag", i%2), fmt.Sprint("own", i)}
			must(t, s.Set(ctx, fmt.Sprint("key", i), []byte{byte(i)}, store.WithTags(tags)))
		}
		must(t, s.Set(ctx, "untagged", []byte{}))
		must(t, s.Invalidate(ctx))
		must(t, s.Invalidate(ctx, store.WithInvalidateTags([]string{"tag1", "own4"})))
		must(t, s.Invalidate(ctx, store.WithInvalidateTags([]string{"none such"})))
		for i := range 10 {
			_, err := s.Get(ctx, fmt.Sprint("key", i))
			if gone := i%2 == 1 || i == 4; gone != (err != nil) {
				t.Errorf("key%d: %v", i, err)
			}
		}
		_, err := s.Get(ctx, "untagged")
		must(t, err)
		must(t, s.Clear(ctx))
		if _, err := s.Get(ctx, "untagged"); err == nil {
			t.Error("it outlived Clear")
		}
	})
}

func TestErrorsAndTypes(t *testing.T) {
	s := open(t, memstore.Config{MaxEntrySize: 1000})
	_, err := s.Get(ctx, "absent")
	if !errors.Is(err, store.NotFound{}) || !errors.Is(err, memstore.ErrKeyNotFound) {
		t.Errorf("absent: %v", err)
	}
	_, _, err = s.GetWithTTL(ctx, "absent")
	if !errors.Is(err, store.NotFound{}) {
		t.Errorf("absent: %v", err)
	}
	must(t, s.Delete(ctx, "absent"))
	if err := s.Set(ctx, "large", make([]byte, 2000)); !errors.Is(err, memstore.ErrEntryTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for name, err := range map[string]error{
		"Set": s.Set(ctx, 7, "v"), "Delete": s.Delete(ctx, 7), "value": s.Set(ctx, "key", 7),
	} {
		if err == nil {
			t.Errorf("%s takes a number", name)
		}
	}
	if _, err := s.Get(ctx, 7); err == nil {
		t.Error("Get takes a number")
	}
	must(t, s.memory.Set(ctx, "foreign", []byte{200}, 0))
	if _, err := s.Get(ctx, "foreign"); !errors.Is(err, errNotOurs) {
		t.Errorf("what somebody else stored: %v", err)
	}
	must(t, s.Invalidate(ctx, store.WithInvalidateTags([]string{"x"})))
	if s.GetType() != Type {
		t.Error("the type is", s.GetType())
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Get(done, "key"); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if err := s.Invalidate(done, store.WithInvalidateTags([]string{"x"})); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

func TestTimesToLive(t *testing.T) {
	s := open(t, memstore.Config{}, store.WithExpiration(time.Hour))
	must(t, s.Set(ctx, "default", "v"))
	must(t, s.Set(ctx, "own", "v", store.WithExpiration(time.Minute)))
	for key, most := range map[string]time.Duration{"default": time.Hour, "own": time.Minute} {
		value, left, err := s.GetWithTTL(ctx, key)
		if err != nil || string(value.([]byte)) != "v" || left <= 0 || left > most {
			t.Errorf("%s: %v, %v, %v", key, value, left, err)
		}
	}
	lasting := open(t, memstore.Config{})
	must(t, lasting.Set(ctx, "key", "v"))
	if _, left, err := lasting.GetWithTTL(ctx, "key"); err != nil || left != 0 {
		t.Errorf("for good: %v, %v", left, err)
	}
	byStore := open(t, memstore.Config{DefaultTTL: time.Minute})
	must(t, byStore.Set(ctx, "key", "v"))
	if _, left, err := byStore.GetWithTTL(ctx, "key"); err != nil || left <= 0 || left > time.Minute {
		t.Errorf("the memstore's default: %v, %v", left, err)
	}
}

// farther is a store of another type: a chain fills nothing up to the first of the type that had the value.
type farther struct{ *Store }

func (farther) GetType() string { return "farther" }

func TestChainsLoadersAndMarshalers(t *testing.T) {
	near, far := open(t, memstore.Config{}), open(t, memstore.Config{})
	must(t, far.Set(ctx, "key", "far"))
	chain := cache.NewChain[[]byte](cache.New[[]byte](near), cache.New[[]byte](farther{far}))
	if got, err := chain.Get(ctx, "key"); err != nil || string(got) != "far" {
		t.Fatalf("got %q, %v", got, err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := near.Get(ctx, "key"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the chain does not fill the nearer store")
		}
	}

	loaded := 0
	loader := cache.NewLoadable[[]byte](func(_ context.Context, key any) ([]byte, []store.Option, error) {
		loaded++
		return []byte(key.(string)), nil, nil
	}, cache.New[[]byte](near))
	if got, err := loader.Get(ctx, "cold"); err != nil || string(got) != "cold" {
		t.Errorf("got %q, %v", got, err)
	}
	must(t, loader.Close())
	if _, err := near.Get(ctx, "cold"); err != nil || loaded != 1 {
		t.Errorf("%d loads, %v", loaded, err)
	}

	type block struct{ Height int }
	blocks := marshaler.New(cache.New[any](near))
	must(t, blocks.Set(ctx, "block", block{42}))
	got, err := blocks.Get(ctx, "block", new(block))
	if err != nil || got.(*block).Height != 42 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestManyGoroutines(t *testing.T) {
	s := open(t, memstore.Config{})
	var group sync.WaitGroup
	for g := range 8 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range 200 {
				key, tag := fmt.Sprint("key", i%20), fmt.Sprint("tag", i%3)
				if err := s.Set(ctx, key, key, store.WithTags([]string{tag})); err != nil {
					t.Error(err)
				}
				if value, err := s.Get(ctx, key); err == nil && string(value.([]byte)) != key {
					t.Errorf("under %s lies %s", key, value)
				}
				if i%50 == g {
					_ = s.Invalidate(ctx, store.WithInvalidateTags([]string{tag}))
				}
			}
		}()
	}
	group.Wait()
}
