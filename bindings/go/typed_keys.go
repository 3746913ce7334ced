// SPDX-License-Identifier: Apache-2.0

package memstore

import (
	"context"
	"time"
)

// The calls of a Typed that are about keys alone.

// Delete removes an entry. That there is none is no error.
func (t *Typed[K, V]) Delete(ctx context.Context, key K) error {
	name, err := t.name("Delete", key)
	if err != nil {
		return err
	}
	return t.store.Delete(ctx, name)
}

// Remove is Delete that says whether there was an entry.
func (t *Typed[K, V]) Remove(ctx context.Context, key K) (existed bool, err error) {
	name, err := t.name("Remove", key)
	if err != nil {
		return false, err
	}
	return t.store.Remove(ctx, name)
}

// DeleteMany is [Store.DeleteMany].
func (t *Typed[K, V]) DeleteMany(ctx context.Context, keys []K) error {
	names, err := t.names("DeleteMany", keys)
	if err != nil {
		return err
	}
	return t.store.DeleteMany(ctx, names)
}

// Has says whether a live entry has the key.
func (t *Typed[K, V]) Has(ctx context.Context, key K) (bool, error) {
	name, err := t.name("Has", key)
	if err != nil {
		return false, err
	}
	return t.store.Has(ctx, name)
}

// HasMany is [Store.HasMany].
func (t *Typed[K, V]) HasMany(ctx context.Context, keys []K) (map[K]bool, error) {
	names, err := t.names("HasMany", keys)
	if err != nil {
		return nil, err
	}
	there, err := t.store.HasMany(ctx, names)
	if err != nil {
		return nil, err
	}
	result := make(map[K]bool, len(keys))
	for i, name := range names {
		result[keys[i]] = there[name]
	}
	return result, nil
}

// GetTTL is [Store.GetTTL].
func (t *Typed[K, V]) GetTTL(ctx context.Context, key K) (time.Duration, error) {
	name, err := t.name("GetTTL", key)
	if err != nil {
		return 0, err
	}
	return t.store.GetTTL(ctx, name)
}

// UpdateTTL is [Store.UpdateTTL].
func (t *Typed[K, V]) UpdateTTL(ctx context.Context, key K, ttl time.Duration) error {
	name, err := t.name("UpdateTTL", key)
	if err != nil {
		return err
	}
	return t.store.UpdateTTL(ctx, name, ttl)
}
