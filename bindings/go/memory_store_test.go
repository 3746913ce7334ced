// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	memstore "github.com/weisyn/memstore/bindings/go"
)

// The node's interface, as the node declares it.
type nodeMemoryStore interface {
	Get(ctx context.Context, key string) (value []byte, exists bool, err error)
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, key string) error
	Exists(ctx context.Context, key string) (bool, error)
	GetMany(ctx context.Context, keys []string) (map[string][]byte, error)
	SetMany(ctx context.Context, items map[string][]byte, ttl time.Duration) error
	DeleteMany(ctx context.Context, keys []string) error
	Clear(ctx context.Context) error
	DeleteByPattern(ctx context.Context, pattern string) (int64, error)
	GetKeys(ctx context.Context, pattern string) ([]string, error)
	GetTTL(ctx context.Context, key string) (time.Duration, error)
	UpdateTTL(ctx context.Context, key string, ttl time.Duration) error
	Count(ctx context.Context) (int64, error)
}

var _ nodeMemoryStore = (*memstore.MemoryStore)(nil)

func TestMemoryStore(t *testing.T) {
	store := open(t, memstore.Config{})
	view := store.MemoryStore()
	must(t, view.Set(ctx, "a", []byte("1"), 0))
	must(t, view.SetMany(ctx, map[string][]byte{"b": []byte("2"), "c": []byte("3")}, time.Hour))
	if value, found, err := view.Get(ctx, "a"); string(value) != "1" || !found || err != nil {
		t.Errorf("Get = %q, %v, %v", value, found, err)
	}
	values, err := view.GetMany(ctx, []string{"a", "b", "x"})
	if len(values) != 2 || string(values["b"]) != "2" || err != nil {
		t.Errorf("GetMany = %q, %v", values, err)
	}
	if found, err := view.Exists(ctx, "c"); !found || err != nil {
		t.Errorf("Exists = %v, %v", found, err)
	}
	keys, err := view.GetKeys(ctx, "[ab]")
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"a", "b"}) || err != nil {
		t.Errorf("GetKeys = %q, %v", keys, err)
	}
	if count, err := view.Count(ctx); count != 3 || err != nil {
		t.Errorf("Count = %d, %v", count, err)
	}
	testMemoryStoreTTL(t, view)
	must(t, view.Delete(ctx, "a"))
	must(t, view.DeleteMany(ctx, []string{"b", "x"}))
	if deleted, err := view.DeleteByPattern(ctx, "*"); deleted != 1 || err != nil {
		t.Errorf("DeleteByPattern = %d, %v", deleted, err)
	}
	if count, err := view.Count(ctx); count != 0 || err != nil {
		t.Errorf("Count of an empty store = %d, %v", count, err)
	}
	must(t, view.Clear(ctx))
	must(t, store.Close())
	_, err = view.Count(ctx)
	wantError(t, err, memstore.ErrCacheClosed)
}

func testMemoryStoreTTL(t *testing.T, view *memstore.MemoryStore) {
	if ttl, err := view.GetTTL(ctx, "a"); ttl != 0 || err != nil {
		t.Errorf("GetTTL of an entry that never expires = %v, %v", ttl, err)
	}
	must(t, view.UpdateTTL(ctx, "a", time.Minute))
	if ttl, err := view.GetTTL(ctx, "a"); ttl <= 0 || ttl > time.Minute || err != nil {
		t.Errorf("GetTTL = %v, %v", ttl, err)
	}
	_, err := view.GetTTL(ctx, "absent")
	wantError(t, err, memstore.ErrKeyNotFound)
	wantError(t, view.UpdateTTL(ctx, "absent", time.Minute), memstore.ErrKeyNotFound)
}
