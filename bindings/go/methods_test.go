// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// nowhere is the path of a file that can be neither written nor read.
const nowhere = "/no such folder/snapshot"

// methods is every method that takes a context.
func methods(store *memstore.Store, key string) map[string]func(context.Context) error {
	keys, items, soon := []string{key}, map[string][]byte{key: []byte("w")}, time.Now().Add(time.Hour)
	return map[string]func(context.Context) error{
		"Save":            func(c context.Context) error { return store.Save(c, nowhere) },
		"Load":            func(c context.Context) error { return store.Load(c, nowhere) },
		"Warm":            func(c context.Context) error { return store.Warm(c, keys, 0, constant) },
		"Set":             func(c context.Context) error { return store.Set(c, key, nil, 0) },
		"SetAsync":        func(c context.Context) error { return store.SetAsync(c, key, nil, 0) },
		"Flush":           func(c context.Context) error { return store.Flush(c) },
		"Get":             func(c context.Context) error { _, _, err := store.Get(c, key); return err },
		"Delete":          func(c context.Context) error { return store.Delete(c, key) },
		"Remove":          func(c context.Context) error { _, err := store.Remove(c, key); return err },
		"Has":             func(c context.Context) error { _, err := store.Has(c, key); return err },
		"GetTTL":          func(c context.Context) error { _, err := store.GetTTL(c, key); return err },
		"UpdateTTL":       func(c context.Context) error { return store.UpdateTTL(c, key, 0) },
		"SetWithTTL":      func(c context.Context) error { return store.SetWithTTL(c, key, nil, 0) },
		"GetExpiration":   func(c context.Context) error { _, err := store.GetExpiration(c, key); return err },
		"SetMany":         func(c context.Context) error { return store.SetMany(c, items, 0) },
		"GetMany":         func(c context.Context) error { _, err := store.GetMany(c, keys); return err },
		"DeleteMany":      func(c context.Context) error { return store.DeleteMany(c, keys) },
		"HasMany":         func(c context.Context) error { _, err := store.HasMany(c, keys); return err },
		"Clear":           func(c context.Context) error { return store.Clear(c) },
		"Keys":            func(c context.Context) error { _, err := store.Keys(c, ""); return err },
		"DeleteByPattern": func(c context.Context) error { _, err := store.DeleteByPattern(c, ""); return err },
		"CountByPattern":  func(c context.Context) error { _, err := store.CountByPattern(c, ""); return err },
		"Add":             func(c context.Context) error { return store.Add(c, "new", nil, 0) },
		"Replace":         func(c context.Context) error { return store.Replace(c, key, nil, 0) },
		"CompareAndSet":   func(c context.Context) error { return store.CompareAndSet(c, "new", nil, 0, 0) },
		"Increment":       func(c context.Context) error { _, err := store.Increment(c, "new", 1, 0, 0); return err },
		"SetUntil":        func(c context.Context) error { return store.SetUntil(c, key, nil, soon) },
		"GetVersioned":    func(c context.Context) error { _, _, _, err := store.GetVersioned(c, key); return err },
		"GetCreated":      func(c context.Context) error { _, err := store.GetCreated(c, key); return err },
		"Compact":         func(c context.Context) error { return store.Compact(c, 1) },
		"Reconfigure":     func(c context.Context) error { return store.Reconfigure(c, "ttl.max_ttl", "0") },
		"ReconfigureAll":  func(c context.Context) error { return store.ReconfigureAll(c, memstore.Config{MemoryLimit: 32 << 20}) },
		"Maintain":        func(c context.Context) error { return store.Maintain(c, 0) },
		"GetManyInto":     func(c context.Context) error { return store.GetManyInto(c, keys, new(memstore.Values)) },
		"Scan":            func(c context.Context) error { return scanAll(store.Scan(c, "")) },
		"Commit":          func(c context.Context) error { return store.NewBatch().Set(key, nil, 0).Commit(c) },
		"GetOrLoad":       func(c context.Context) error { _, err := store.GetOrLoad(c, "loaded", 0, constant); return err },
		"GetOrLoadMany": func(c context.Context) error {
			_, err := store.GetOrLoadMany(c, []string{"loaded 2"}, 0, constants)
			return err
		},
		"View": func(c context.Context) error {
			_, err := store.View(c, key, func([]byte) error { return nil })
			return err
		},
		"GetInto": func(c context.Context) error { _, _, err := store.GetInto(c, key, nil); return err },
		"Count":   func(c context.Context) error { _, err := store.MemoryStore().Count(c); return err },
	}
}

// otherMethods is every method without a context that can fail.
func otherMethods(store *memstore.Store) map[string]func() error {
	return map[string]func() error{
		"Advise":       func() error { _, err := store.Advise(); return err },
		"AdviseReport": func() error { _, err := store.AdviseReport(); return err },
		"AdviseText":   func() error { _, err := store.AdviseText(); return err },
		"AdviseJSON":   func() error { _, err := store.AdviseJSON(); return err },
		"MetricsText":  func() error { _, err := store.MetricsText(); return err },
		"GetLatency":   func() error { _, err := store.GetLatency(memstore.OperationGet); return err },
		"GetRates":     func() error { _, err := store.GetRates(); return err },
		"Subscribe":    func() error { _, err := store.Subscribe(memstore.EventRemovals, 0); return err },
		"OnEvent":      func() error { _, err := store.OnEvent(memstore.EventRemovals, func(memstore.Event) {}); return err },
		"Setting":      func() error { _, err := store.Setting("shards"); return err },
		"Close":        func() error { return store.Close() },
	}
}

// typedMethods is every method of a typed view.
func typedMethods(store *memstore.Store) map[string]func(context.Context) error {
	v := memstore.NewTyped(store, "typed/", memstore.Decimal[int](), memstore.Text[string]())
	load := func(context.Context, int) (string, error) { return "", nil }
	loadMany := func(context.Context, []int) (map[int]string, error) { return nil, nil }
	return map[string]func(context.Context) error{
		"Get":           func(c context.Context) error { _, _, err := v.Get(c, 1); return err },
		"GetVersioned":  func(c context.Context) error { _, _, _, err := v.GetVersioned(c, 1); return err },
		"Set":           func(c context.Context) error { return v.Set(c, 1, "", 0) },
		"Add":           func(c context.Context) error { return v.Add(c, 2, "", 0) },
		"Replace":       func(c context.Context) error { return v.Replace(c, 1, "", 0) },
		"CompareAndSet": func(c context.Context) error { return v.CompareAndSet(c, 3, "", 0, 0) },
		"Delete":        func(c context.Context) error { return v.Delete(c, 1) },
		"Remove":        func(c context.Context) error { _, err := v.Remove(c, 1); return err },
		"DeleteMany":    func(c context.Context) error { return v.DeleteMany(c, []int{1}) },
		"Has":           func(c context.Context) error { _, err := v.Has(c, 1); return err },
		"HasMany":       func(c context.Context) error { _, err := v.HasMany(c, []int{1}); return err },
		"GetTTL":        func(c context.Context) error { _, err := v.GetTTL(c, 1); return err },
		"UpdateTTL":     func(c context.Context) error { return v.UpdateTTL(c, 1, 0) },
		"SetMany":       func(c context.Context) error { return v.SetMany(c, map[int]string{1: ""}, 0) },
		"GetMany":       func(c context.Context) error { _, err := v.GetMany(c, []int{1}); return err },
		"GetOrLoad":     func(c context.Context) error { _, err := v.GetOrLoad(c, 4, 0, load); return err },
		"GetOrLoadMany": func(c context.Context) error { _, err := v.GetOrLoadMany(c, []int{5}, 0, loadMany); return err },
		"All": func(c context.Context) error {
			for _, err := range v.All(c) {
				return err
			}
			return nil
		},
	}
}

// viewMethods is every method of a MemoryStore.
func viewMethods(store *memstore.Store, key string) map[string]func(context.Context) error {
	m, keys, items := store.MemoryStore(), []string{key}, map[string][]byte{key: nil}
	return map[string]func(context.Context) error{
		"Get":             func(c context.Context) error { _, _, err := m.Get(c, key); return err },
		"Set":             func(c context.Context) error { return m.Set(c, key, nil, 0) },
		"Delete":          func(c context.Context) error { return m.Delete(c, key) },
		"Exists":          func(c context.Context) error { _, err := m.Exists(c, key); return err },
		"GetMany":         func(c context.Context) error { _, err := m.GetMany(c, keys); return err },
		"SetMany":         func(c context.Context) error { return m.SetMany(c, items, 0) },
		"DeleteMany":      func(c context.Context) error { return m.DeleteMany(c, keys) },
		"Clear":           func(c context.Context) error { return m.Clear(c) },
		"DeleteByPattern": func(c context.Context) error { _, err := m.DeleteByPattern(c, ""); return err },
		"Count":           func(c context.Context) error { _, err := m.Count(c); return err },
		"GetKeys":         func(c context.Context) error { _, err := m.GetKeys(c, ""); return err },
		"GetTTL":          func(c context.Context) error { _, err := m.GetTTL(c, key); return err },
		"UpdateTTL":       func(c context.Context) error { return m.UpdateTTL(c, key, 0) },
	}
}

// wantEvery checks that a list has all methods of a type, but for some.
func wantEvery[F any](t *testing.T, kind reflect.Type, list map[string]F, but ...string) {
	t.Helper()
	for i := range kind.NumMethod() {
		name := kind.Method(i).Name
		_, listed := list[name]
		for _, other := range but {
			listed = listed || name == other
		}
		if !listed {
			t.Errorf("%v.%s is not among the methods that are tested", kind, name)
		}
	}
}

func TestTheListsOfMethodsAreComplete(t *testing.T) {
	store := open(t, memstore.Config{})
	others := []string{"All", "Prefix", "MemoryStore", "NewBatch", // what these return is used below
		"Size", "Capacity", "GetHitRate", "GetStats", "GetMemoryUsage", "GetEventStats", "GetTTLs", "ResetStats",
		"String", "DirectAnswers", "WaitingFor", "WaitingForPlaces", "NotesTheSettings"}
	for name := range otherMethods(store) {
		others = append(others, name)
	}
	wantEvery(t, reflect.TypeFor[*memstore.Store](), methods(store, "k"), others...)
	wantEvery(t, reflect.TypeFor[*memstore.Typed[int, string]](), typedMethods(store), "Store", "Key")
	wantEvery(t, reflect.TypeFor[*memstore.MemoryStore](), viewMethods(store, "k"), "String")
}

func TestEveryMethodAfterClose(t *testing.T) {
	for _, direct := range []bool{false, true} {
		store := open(t, memstore.Config{LibraryReads: !direct, TrackOperationLatency: !direct})
		must(t, store.Set(ctx, "k", []byte("v"), 0))
		all := subscribe(t, store, memstore.EventRemovals, 0)
		must(t, store.Close())
		for kind, list := range map[string]map[string]func(context.Context) error{
			"Store": methods(store, "k"), "Typed": typedMethods(store), "MemoryStore": viewMethods(store, "k"),
		} {
			for name, call := range list {
				if err := call(ctx); !errors.Is(err, memstore.ErrCacheClosed) {
					t.Errorf("%s.%s after Close: %v", kind, name, err)
				}
			}
		}
		for name, call := range otherMethods(store) {
			err := call()
			wantError(t, err, memstore.ErrCacheClosed)
			var detail *memstore.Error
			if !errors.As(err, &detail) || detail.Op != name {
				t.Errorf("%s: %#v", name, err)
			}
		}
		wantNothing(t, store)
		_, _, err := all.Poll()
		wantErrorOf(t, err, "Poll", "", memstore.ErrCacheClosed)
		_, err = all.Next(ctx)
		wantErrorOf(t, err, "Next", "", memstore.ErrCacheClosed)
		for range all.Channel(ctx, 0) {
			t.Error("an event of a closed store")
		}
	}
}

// wantNothing checks the methods that cannot fail of a store that is closed.
func wantNothing(t *testing.T, store *memstore.Store) {
	t.Helper()
	if store.Size() != 0 || store.Capacity() != 0 || store.GetHitRate() != 0 || len(store.GetTTLs()) != 0 {
		t.Error("a closed store has entries")
	}
	if *store.GetStats() != (memstore.CacheStats{}) || *store.GetMemoryUsage() != (memstore.MemoryStats{}) ||
		*store.GetEventStats() != (memstore.EventStats{}) {
		t.Error("a closed store has statistics")
	}
	store.ResetStats()
	for range store.All() {
		t.Error("a closed store has entries")
	}
	for range store.Prefix("k") {
		t.Error("a closed store has entries")
	}
}

func TestAStoreThatWasNeverOpenedGivesErrors(t *testing.T) {
	store := new(memstore.Store)
	for _, list := range []map[string]func(context.Context) error{
		methods(store, "k"), typedMethods(store), viewMethods(store, "k"),
	} {
		for name, call := range list {
			if err := call(ctx); err == nil {
				t.Errorf("%s of a zero Store succeeds", name)
			}
		}
	}
	for name, call := range otherMethods(store) {
		if call() == nil {
			t.Errorf("%s of a zero Store succeeds", name)
		}
	}
	wantNothing(t, store)
}
