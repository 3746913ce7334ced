// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/weisyn/memstore/bindings/go/internal/native"
)

// MemoryStore is a Store seen through the interface that the WES node has for its memory storage.
// It shares everything with the store it was made from.
type MemoryStore struct{ store *Store }

// MemoryStore returns the view.
func (s *Store) MemoryStore() *MemoryStore { return &MemoryStore{s} }

// String is [Store.String].
func (m *MemoryStore) String() string { return m.store.String() }

// Get is [Store.Get].
func (m *MemoryStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	return m.store.Get(ctx, key)
}

// Set is [Store.Set].
func (m *MemoryStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return m.store.Set(ctx, key, value, ttl)
}

// Delete is [Store.Delete].
func (m *MemoryStore) Delete(ctx context.Context, key string) error { return m.store.Delete(ctx, key) }

// Exists is [Store.Has].
func (m *MemoryStore) Exists(ctx context.Context, key string) (bool, error) {
	return m.store.Has(ctx, key)
}

// GetMany is [Store.GetMany].
func (m *MemoryStore) GetMany(ctx context.Context, keys []string) (map[string][]byte, error) {
	return m.store.GetMany(ctx, keys)
}

// SetMany is [Store.SetMany].
func (m *MemoryStore) SetMany(ctx context.Context, items map[string][]byte, ttl time.Duration) error {
	return m.store.SetMany(ctx, items, ttl)
}

// DeleteMany is [Store.DeleteMany].
func (m *MemoryStore) DeleteMany(ctx context.Context, keys []string) error {
	return m.store.DeleteMany(ctx, keys)
}

// Clear is [Store.Clear].
func (m *MemoryStore) Clear(ctx context.Context) error { return m.store.Clear(ctx) }

// DeleteByPattern is [Store.DeleteByPattern].
func (m *MemoryStore) DeleteByPattern(ctx context.Context, pattern string) (int64, error) {
	deleted, err := m.store.DeleteByPattern(ctx, pattern)
	return int64(deleted), err
}

// GetKeys is [Store.Keys].
func (m *MemoryStore) GetKeys(ctx context.Context, pattern string) ([]string, error) {
	return m.store.Keys(ctx, pattern)
}

// GetTTL is [Store.GetTTL], but 0 and no error when the entry never expires.
func (m *MemoryStore) GetTTL(ctx context.Context, key string) (time.Duration, error) {
	ttl, err := m.store.GetTTL(ctx, key)
	if errors.Is(err, ErrTTLNotSet) {
		return 0, nil
	}
	return ttl, err
}

// UpdateTTL is [Store.UpdateTTL].
func (m *MemoryStore) UpdateTTL(ctx context.Context, key string, ttl time.Duration) error {
	return m.store.UpdateTTL(ctx, key, ttl)
}

// Count is [Store.Size], with ErrCacheClosed instead of 0 when the store is closed.
func (m *MemoryStore) Count(ctx context.Context) (int64, error) {
	if err := live(ctx, "Count", ""); err != nil {
		return 0, err
	}
	// No entries may mean no store; asking for no statistics at all tells which.
	size := m.store.Size()
	if size == 0 {
		status := native.GlueGetStats(m.store.handle, nil, 0)
		runtime.KeepAlive(m.store)
		return 0, check("Count", "", status)
	}
	return int64(size), nil
}
